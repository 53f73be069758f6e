package portal

import (
	"maps"
	"sort"
	"strconv"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// usageView is what was called, and what of the contract is spent.
type usageView struct {
	Frame                                            frame
	Ranges                                           []web.Link
	From                                             web.Moment
	Product                                          string // the filter; empty for all
	Products                                         []web.Choice
	Range                                            string
	Total                                            string
	Admitted                                         string
	Refused                                          string
	RefusedOf                                        string // share of the total
	Empty                                            bool
	Curl                                             string
	Steps                                            []usageStep
	Daily                                            bool
	Download                                         string // address of the same as a file
	ByProduct, ByApplication, ByOutcome, ByOperation []usageRow
	Contract                                         contractView
}

// usageStep is one bar of the chart and one row of its table.
type usageStep struct {
	At                web.Moment
	Admitted, Refused int64
	URL               string // the requests behind it
}

// usageRow is one row of a breakdown.
type usageRow struct {
	Name, Label, URL string
	Note             string
	Environment      environmentChoice
	Total, Refused   string
	Percent          int // of the largest row
	Tone             string
	count, refused   int64
}

// contractView is each quota with what of it is spent, the fullest first.
type contractView struct {
	Rows, Untouched []contractRow
	UntouchedCount  string
}

// contractRow is one quota of the contract.
type contractRow struct {
	Product, Limit, Words string
	Environment           environmentChoice
	Use                   web.Use
}

func (s *server) usage(v *visit) error {
	e, err := v.anyEnvironment()
	if err != nil {
		return err
	}
	view, span, q := v.usageQuestion(e)
	held, err := v.holdings()
	if err != nil {
		return err
	}
	view.Products = held.productChoices(view.Product)
	if err := v.breakdowns(&view, q, e, held); err != nil {
		return err
	}
	if err := v.steps(&view, q, span); err != nil {
		return err
	}
	if view.Contract, err = v.contract(e, held); err != nil {
		return err
	}
	if view.Empty {
		if view.Curl, err = v.tryLine(e.chosen()[0].Metadata.Name); err != nil {
			return err
		}
	}
	return v.render(view)
}

// usageQuestion reads what the address asks for.
func (v *visit) usageQuestion(e *scope) (usageView, web.TimeRange, manager.UsageQuery) {
	query := v.r.URL.Query()
	span := web.RangeOf(query.Get("range"), "24h")
	if span.Step < time.Hour { // finer than the chart
		span = web.RangeOf("", "24h")
	}
	from, to := span.Period(v.Now())
	view := usageView{
		Frame: v.frame("Usage", "usage", e), Range: span.Value, Product: query.Get("product"),
		From: web.MomentOf(from, from.Format("2 Jan 2006, 15:04")), Daily: span.Step == 24*time.Hour,
		Download: fileOf(v.r.URL),
	}
	for _, r := range web.Ranges[1:] {
		view.Ranges = append(view.Ranges, web.Link{Title: r.Label, URL: web.WithQuery(v.r.URL, "range", r.Value), Current: r.Value == span.Value})
	}
	match := manager.UsageKey{Partner: v.name(), Environment: e.name(), Product: view.Product}
	return view, span, manager.UsageQuery{Match: match, From: from, To: to}
}

// bucket is the length of time that one bar stands for.
func (view *usageView) bucket() manager.UsageDimension {
	if view.Daily {
		return manager.ByDay
	}
	return manager.ByHour
}

// breakdowns sums by product, application, operation and outcome from one query.
func (v *visit) breakdowns(view *usageView, q manager.UsageQuery, e *scope, held holdings) error {
	q.GroupBy = []manager.UsageDimension{manager.ByProduct, manager.ByApplication, manager.ByEnvironment, manager.ByOperation, manager.ByOutcome}
	usage, err := v.Service.Usage(v.ctx(), q)
	if err != nil {
		return err
	}
	products, applications, outcomes, operations := tally{}, tally{}, tally{}, tally{}
	var total, refused int64
	for _, sum := range usage.Sums {
		product, environment := sum.Group[manager.ByProduct], sum.Group[manager.ByEnvironment]
		application, operation, outcome := sum.Group[manager.ByApplication], sum.Group[manager.ByOperation], sum.Group[manager.ByOutcome]
		bad := int64(0)
		if outcome != policy.Admitted.String() {
			bad = sum.Requests
		}
		total, refused = total+sum.Requests, refused+bad
		products.add(product, usageRow{Name: product, Label: held.title(product)}, sum.Requests, bad)
		applications.add(application, usageRow{Name: application, Label: application}, sum.Requests, bad)
		outcomes.add(outcome, outcomeRow(outcome), sum.Requests, bad)
		operations.add(product+"\x00"+environment+"\x00"+operation,
			usageRow{Name: operation, Label: operation, Note: held.title(product), Environment: e.titled(environment)}, sum.Requests, bad)
	}
	view.Total, view.Admitted, view.RefusedOf = web.Number(total), web.Number(total-refused), web.Share(refused, total)
	if view.Empty = total == 0; refused > 0 {
		view.Refused = web.Number(refused)
	}
	view.ByProduct, view.ByApplication = v.linked(products, "product"), v.linked(applications, "application")
	view.ByOutcome, view.ByOperation = v.linked(outcomes, "outcome"), v.linked(operations, "operation")
	return nil
}

// linked are the rows of a tally, each with the way to the requests behind it.
func (v *visit) linked(t tally, filter string) []usageRow {
	rows := t.rows()
	to := *v.r.URL
	to.Path = "/requests"
	for i, row := range rows {
		if row.Name != "" {
			rows[i].URL = web.WithQuery(&to, filter, row.Name)
		}
	}
	return rows
}

// tally sums rows by a key.
type tally map[string]*usageRow

func (t tally) add(key string, row usageRow, requests, refused int64) {
	if t[key] == nil {
		t[key] = &row
	}
	t[key].count += requests
	t[key].refused += refused
}

// rows are the sums, the largest first.
func (t tally) rows() []usageRow {
	list := make([]usageRow, 0, len(t))
	largest := int64(0)
	for _, row := range t {
		largest = max(largest, row.count)
	}
	for _, row := range t {
		row.Total, row.Refused, row.Percent = web.Number(row.count), web.Number(row.refused), web.Percent(row.count, largest)
		list = append(list, *row)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].count != list[j].count {
			return list[i].count > list[j].count
		}
		return list[i].Note+list[i].Label < list[j].Note+list[j].Label
	})
	return list
}

func outcomeRow(outcome string) usageRow {
	row := usageRow{Name: outcome, Label: outcome, Tone: "bad"}
	if code, ok := policy.ParseCode(outcome); ok {
		row.Label = code.Info().Title
		if code.Info().Status != 0 {
			row.Note = strconv.Itoa(code.Info().Status) + " " + outcome
		} else {
			row.Tone = "good"
		}
	}
	return row
}

// steps fills the chart: every step of the range, also those without a request.
func (v *visit) steps(view *usageView, q manager.UsageQuery, span web.TimeRange) error {
	bucket := view.bucket()
	q.GroupBy = []manager.UsageDimension{bucket, manager.ByOutcome}
	usage, err := v.Service.Usage(v.ctx(), q)
	if err != nil {
		return err
	}
	view.Steps = v.emptySteps(q, span.Step)
	for _, sum := range usage.Sums {
		t, err := time.Parse(time.RFC3339, sum.Group[bucket])
		if err != nil {
			return err
		}
		at := int(t.Sub(q.From) / span.Step)
		switch {
		case t.Before(q.From) || at >= len(view.Steps):
		case sum.Group[manager.ByOutcome] == policy.Admitted.String():
			view.Steps[at].Admitted += sum.Requests
		default:
			view.Steps[at].Refused += sum.Requests
		}
	}
	return nil
}

func (v *visit) emptySteps(q manager.UsageQuery, step time.Duration) (steps []usageStep) {
	layout := "2 Jan, 15:04"
	if step == 24*time.Hour {
		layout = "Mon 2 Jan"
	}
	filter := v.r.URL.Query()
	for t := q.From; t.Before(q.To); t = t.Add(step) {
		maps.Copy(filter, web.ExactWindow(t, t.Add(step)))
		steps = append(steps, usageStep{At: web.MomentOf(t, t.Format(layout)), URL: "/requests?" + filter.Encode()})
	}
	return steps
}

// contract is what of each quota is spent.
func (v *visit) contract(e *scope, held holdings) (contractView, error) {
	var view contractView
	for _, environment := range e.chosen() {
		uses, err := v.Service.LimitUse(v.ctx(), v.name(), environment.Metadata.Name)
		if err != nil {
			return view, err
		}
		for _, use := range uses {
			row := contractRow{
				Product: title(held.subscriptions[use.Subscription], "All products"), Limit: use.Limit.Name, Words: web.LimitWords(use.Limit),
				Environment: choiceOf(environment), Use: web.UseOf(use, v.Now()),
			}
			if use.Used > 0 {
				view.Rows = append(view.Rows, row)
			} else {
				view.Untouched = append(view.Untouched, row)
			}
		}
	}
	sort.SliceStable(view.Rows, func(i, j int) bool { return view.Rows[i].Use.Percent > view.Rows[j].Use.Percent })
	view.UntouchedCount = web.Count(int64(len(view.Untouched)), "quota")
	return view, nil
}
