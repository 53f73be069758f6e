package portal

import (
	"sort"
	"strconv"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// usageView is what was called, and what of the contract is spent.
type usageView struct {
	Frame       frame
	Ranges      []web.Link
	From        web.Moment
	Product     string // the filter; empty for all
	Products    []web.Choice
	Range       string
	Total       string
	Admitted    string
	Refused     string
	RefusedOf   string // share of the total
	Empty       bool
	Curl        string
	Steps       []usageStep
	Daily       bool
	ByProduct   []usageRow
	ByOutcome   []usageRow
	ByOperation []usageRow
	Contract    []contractRow
}

// usageStep is one bar of the chart and one row of its table.
type usageStep struct {
	At                web.Moment
	Admitted, Refused int64
	Unix              int64
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

// contractRow is one quota of the contract.
type contractRow struct {
	Subscription, Limit, Words string
	Environment                environmentChoice
	Use                        useView
	Tone                       string
}

func (s *server) usage(v *visit) error {
	e, err := v.anyEnvironment()
	if err != nil {
		return err
	}
	view, span, q := v.usageQuestion(e)
	if err := v.breakdowns(&view, q, e); err != nil {
		return err
	}
	if err := v.steps(&view, q, span); err != nil {
		return err
	}
	if view.Contract, err = v.contract(e); err != nil {
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
	}
	for _, r := range web.Ranges[1:] {
		view.Ranges = append(view.Ranges, web.Link{Title: r.Label, URL: web.WithQuery(v.r.URL, "range", r.Value), Current: r.Value == span.Value})
	}
	match := manager.UsageKey{Partner: v.name(), Environment: e.name(), Product: view.Product}
	return view, span, manager.UsageQuery{Match: match, From: from, To: to}
}

// breakdowns sums by product, operation and outcome from one query.
func (v *visit) breakdowns(view *usageView, q manager.UsageQuery, e *scope) error {
	q.GroupBy = []manager.UsageDimension{manager.ByProduct, manager.ByEnvironment, manager.ByOperation, manager.ByOutcome}
	sums, err := v.Service.Usage(v.ctx(), q)
	if err != nil {
		return err
	}
	products, outcomes, operations := tally{}, tally{}, tally{}
	var total, refused int64
	for _, sum := range sums {
		product, environment := sum.Group[manager.ByProduct], sum.Group[manager.ByEnvironment]
		operation, outcome := sum.Group[manager.ByOperation], sum.Group[manager.ByOutcome]
		bad := int64(0)
		if outcome != policy.Admitted.String() {
			bad = sum.Requests
		}
		total, refused = total+sum.Requests, refused+bad
		products.add(product, usageRow{Name: product, Label: product}, sum.Requests, bad)
		outcomes.add(outcome, outcomeRow(outcome), sum.Requests, bad)
		operations.add(product+"\x00"+environment+"\x00"+operation,
			usageRow{Name: operation, Label: operation, Note: product, Environment: e.titled(environment)}, sum.Requests, bad)
	}
	view.Total, view.Admitted, view.Refused, view.RefusedOf = web.Number(total), web.Number(total-refused), web.Number(refused), web.Share(refused, total)
	view.Empty = total == 0
	view.ByOutcome = outcomes.rows()
	view.ByProduct, view.ByOperation = products.rows(), operations.rows()
	v.link(view)
	return v.productChoices(view)
}

// link leads from each row to the requests behind it.
func (v *visit) link(view *usageView) {
	to := *v.r.URL
	to.Path = "/requests"
	for i, row := range view.ByOutcome {
		view.ByOutcome[i].URL = web.WithQuery(&to, "outcome", row.Name)
	}
	for i, row := range view.ByProduct {
		if row.Name != "" {
			view.ByProduct[i].URL = web.WithQuery(&to, "product", row.Name)
		}
	}
	for i, row := range view.ByOperation {
		if row.Name != "" {
			view.ByOperation[i].URL = web.WithQuery(&to, "operation", row.Name)
		}
	}
}

// productChoices are what the product filter offers: what the partner holds.
func (v *visit) productChoices(view *usageView) error {
	held, err := v.heldOperations()
	if err != nil {
		return err
	}
	view.Products = productFilter(held, view.Product)
	return nil
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
			row.Note = strconv.Itoa(code.Info().Status)
		} else {
			row.Tone = "good"
		}
	}
	return row
}

// steps fills the chart: every step of the range, also those without a request.
func (v *visit) steps(view *usageView, q manager.UsageQuery, span web.TimeRange) error {
	bucket := manager.ByHour
	if view.Daily {
		bucket = manager.ByDay
	}
	q.GroupBy = []manager.UsageDimension{bucket, manager.ByOutcome}
	sums, err := v.Service.Usage(v.ctx(), q)
	if err != nil {
		return err
	}
	view.Steps = emptySteps(q.From, q.To, span.Step)
	for _, sum := range sums {
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

func emptySteps(from, to time.Time, step time.Duration) (steps []usageStep) {
	layout := "2 Jan, 15:04"
	if step == 24*time.Hour {
		layout = "Mon 2 Jan"
	}
	for t := from; t.Before(to); t = t.Add(step) {
		steps = append(steps, usageStep{At: web.MomentOf(t, t.Format(layout)), Unix: t.Unix()})
	}
	return steps
}

// contract is each quota with what of it is spent, the fullest first.
func (v *visit) contract(e *scope) ([]contractRow, error) {
	var list []contractRow
	for _, environment := range e.chosen() {
		uses, err := v.Service.LimitUse(v.ctx(), v.name(), environment.Metadata.Name)
		if err != nil {
			return nil, err
		}
		for _, use := range uses {
			if use.Limit.Quota == nil {
				continue
			}
			row := contractRow{
				Subscription: title(use.Subscription, "All products"), Limit: use.Limit.Name, Words: web.LimitWords(use.Limit),
				Environment: choiceOf(environment), Use: useOf(use, v), Tone: "good",
			}
			if row.Use.Percent >= 80 {
				row.Tone = "warn"
			}
			if row.Use.Percent >= 100 {
				row.Tone = "bad"
			}
			list = append(list, row)
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Use.Percent > list[j].Use.Percent })
	return list, nil
}
