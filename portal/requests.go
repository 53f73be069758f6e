package portal

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// requestsOnPage is how many requests are read at a time.
const requestsOnPage = 50

// requestsView is the log of the partner's requests, newest first.
type requestsView struct {
	Frame      frame
	Form       requestFilter
	Products   []web.Choice
	Operations []web.Choice
	Outcomes   []web.Choice
	Ranges     []web.Choice
	Items      []requestItem
	Older      string // address of the page of older ones
	Newest     string // address of the first page, where this is not it
	Filtered   bool
	Curl       string
}

// requestFilter is the filter form, as it was sent.
type requestFilter struct {
	Environment, Product, Operation, Outcome, Range, RequestID string
}

// requestItem is one logged decision.
type requestItem struct {
	Time        web.Moment
	Date        string
	Method      string
	Path        string
	Status      string
	Outcome     web.Outcome
	Product     string
	Operation   string
	Application string
	Environment environmentChoice
	Credential  string
	Limit       string
	RequestID   string
	Policy      string
	Proxy       string
}

func readRequestFilter(query url.Values) requestFilter {
	return requestFilter{
		Environment: query.Get("environment"), Product: query.Get("product"), Operation: query.Get("operation"),
		Outcome: query.Get("outcome"), Range: web.RangeOf(query.Get("range"), "24h").Value, RequestID: strings.TrimSpace(query.Get("request_id")),
	}
}

func (s *server) requests(v *visit) error {
	e, err := v.anyEnvironment()
	if err != nil {
		return err
	}
	form := readRequestFilter(v.r.URL.Query())
	view := requestsView{Frame: v.frame("Requests", "requests", e), Form: form, Ranges: rangeChoices(form.Range), Outcomes: web.OutcomeChoices(form.Outcome)}
	view.Filtered = form.Product+form.Operation+form.Outcome+form.RequestID+v.r.URL.Query().Get("cursor") != ""
	held, err := v.heldOperations()
	if err != nil {
		return err
	}
	view.Products, view.Operations = productFilter(held, form.Product), operationFilter(held, form)
	page, err := s.Service.Requests(v.ctx(), v.requestQuery(form))
	if err != nil {
		return err
	}
	for _, record := range page.Items {
		view.Items = append(view.Items, requestItemOf(record, e))
	}
	if page.Next != "" {
		view.Older = web.WithCursor(v.r.URL, page.Next)
	}
	if v.r.URL.Query().Get("cursor") != "" {
		view.Newest = web.WithQuery(v.r.URL, "cursor", "")
	}
	if len(view.Items) == 0 && !view.Filtered {
		if view.Curl, err = v.tryLine(e.chosen()[0].Metadata.Name); err != nil {
			return err
		}
	}
	return v.render(view)
}

func (v *visit) requestQuery(form requestFilter) manager.RequestQuery {
	q := manager.RequestQuery{
		Match: manager.UsageKey{
			Partner: v.name(), Product: form.Product, Environment: form.Environment, Operation: form.Operation, Outcome: form.Outcome,
		},
		RequestID: form.RequestID, Limit: requestsOnPage, Cursor: v.r.URL.Query().Get("cursor"),
	}
	if form.RequestID == "" { // an id is looked for in all that is kept
		q.From, q.To = web.RangeOf(form.Range, "24h").Period(v.Now())
	}
	return q
}

func requestItemOf(r manager.RequestRecord, e *scope) requestItem {
	at := r.Time.UTC()
	item := requestItem{
		Time: exactly(at), Date: at.Format("2 Jan"),
		Method: r.Method, Path: r.Path, Outcome: web.OutcomeOf(r.Key.Outcome),
		Product: r.Key.Product, Operation: r.Key.Operation, Application: r.Key.Application,
		Environment: e.titled(r.Key.Environment), Credential: r.Credential, Limit: r.Limit, RequestID: r.RequestID,
		Policy: strconv.FormatInt(r.PolicyVersion, 10), Proxy: r.Proxy,
	}
	if r.Status != 0 {
		item.Status = strconv.Itoa(r.Status)
	}
	return item
}

// exactly shows seconds, and milliseconds where there is room.
func exactly(t time.Time) web.Moment {
	m := web.MomentOf(t, t.Format("15:04:05"))
	m.Full = t.Format("2 January 2006, 15:04:05.000 UTC")
	return m
}

func rangeChoices(current string) []web.Choice {
	list := make([]web.Choice, 0, len(web.Ranges))
	for _, r := range web.Ranges {
		list = append(list, web.Choice{Value: r.Value, Label: r.Label, Current: r.Value == current})
	}
	return list
}

// heldOperations are the operations of each product that the partner holds in any environment.
func (v *visit) heldOperations() (map[string][]string, error) {
	environments, err := v.Service.PartnerEnvironments(v.ctx(), v.name())
	if err != nil {
		return nil, err
	}
	held := map[string]map[string]bool{}
	for _, environment := range environments {
		catalog, err := v.Service.Catalog(v.ctx(), v.name(), environment.Metadata.Name)
		if err != nil {
			return nil, err
		}
		for _, p := range catalog.Products {
			name := p.Product.Metadata.Name
			if held[name] == nil {
				held[name] = map[string]bool{}
			}
			for _, o := range operationsOf(p) {
				held[name][o.Operation] = true
			}
		}
	}
	sorted := make(map[string][]string, len(held))
	for name, operations := range held {
		sorted[name] = sortedNames(operations)
	}
	return sorted, nil
}

func sortedNames[T any](set map[string]T) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func productFilter(held map[string][]string, current string) []web.Choice {
	list := []web.Choice{{Label: "All products", Current: current == ""}}
	return appendNames(list, sortedNames(held), current)
}

// operationFilter offers the operations of the product chosen, or of all.
func operationFilter(held map[string][]string, form requestFilter) []web.Choice {
	all := map[string]bool{}
	for product, operations := range held {
		for _, operation := range operations {
			if form.Product == "" || form.Product == product {
				all[operation] = true
			}
		}
	}
	list := []web.Choice{{Label: "All operations", Current: form.Operation == ""}}
	return appendNames(list, sortedNames(all), form.Operation)
}

// appendNames adds names, and current where it is none of them: what the address asks for is shown.
func appendNames(list []web.Choice, names []string, current string) []web.Choice {
	known := current == ""
	for _, name := range names {
		list = append(list, web.Choice{Value: name, Label: name, Current: name == current})
		known = known || name == current
	}
	if !known {
		list = append(list, web.Choice{Value: current, Label: current, Current: true})
	}
	return list
}
