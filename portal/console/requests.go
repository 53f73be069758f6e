package console

import (
	"net/url"
	"strconv"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// requestsView is the log of decisions, newest first.
type requestsView struct {
	Frame    frame
	Form     requestFilter
	Products []web.Choice // where the token is confined to teams: it asks about one
	Outcomes []web.Choice
	Spans    []web.Link
	Items    []requestItem
	Pager    pager
	Filtered bool
}

// requestFilter is the filter form, as it was sent.
type requestFilter struct {
	Partner, Product, Outcome, From, To, RequestID string
}

// requestItem is one logged decision.
type requestItem struct {
	Time                                  web.Moment
	Date                                  string
	Method, Path, Status                  string
	Outcome                               web.Outcome
	Partner, PartnerURL                   string
	Product, ProductURL                   string
	Operation, Application, Environment   string
	Credential, Limit, RequestID, Version string
	Proxy                                 string
	ExplainURL                            string // today's policy on the same request; empty where that cannot be asked
}

func (v *visit) requestFilter() requestFilter {
	return requestFilter{
		Partner: v.query("partner"), Product: v.query("product"), Outcome: v.query("outcome"),
		From: v.query("from"), To: v.query("to"), RequestID: v.query("request_id"),
	}
}

func (s *server) requests(v *visit) error {
	f, err := v.frame("Requests", "/admin/requests")
	if err != nil {
		return err
	}
	form := v.requestFilter()
	product, err := v.confinedProduct(form.Product)
	if err != nil {
		return err
	}
	form.Product = product
	from, to, err := v.span(form.From, form.To, form.RequestID == "")
	if err != nil {
		return err
	}
	page, err := s.Service.Requests(v.ctx(), manager.RequestQuery{
		Match: manager.UsageKey{Partner: form.Partner, Product: form.Product, Outcome: form.Outcome}, RequestID: form.RequestID,
		From: from, To: to, Limit: rowsOnPage, Cursor: v.query("cursor"),
	})
	if err != nil {
		return err
	}
	view := requestsView{Frame: f, Form: form, Outcomes: web.OutcomeChoices(form.Outcome), Spans: v.spanLinks(), Pager: v.pager(page.Next),
		Products: v.teamProducts(form.Product), Filtered: v.r.URL.RawQuery != ""}
	for i := range page.Items {
		view.Items = append(view.Items, v.requestItem(&page.Items[i]))
	}
	return v.render(view)
}

// confinedProduct is the product that a question about requests is about. Who
// is confined to several and has not chosen gets the first: a page asks again.
func (v *visit) confinedProduct(given string) (string, error) {
	if products := v.Service.ProductsOf(v.grant()); given == "" && len(products) > 0 {
		given = products[0]
	}
	return v.Service.ConfinedProduct(v.grant(), given)
}

// teamProducts are what a token that is confined to teams chooses from; nil for others.
func (v *visit) teamProducts(current string) []web.Choice {
	var list []web.Choice
	for _, name := range v.Service.ProductsOf(v.grant()) {
		list = append(list, web.Choice{Value: name, Label: name, Current: name == current})
	}
	return list
}

// formTime is how browsers write the value of a time that people enter.
const formTime = "2006-01-02T15:04"

// span is the time that the address asks about: without from and to the last 24
// hours, or everything where bounded is false.
func (v *visit) span(from, to string, bounded bool) (begin, end time.Time, err error) {
	if begin, err = readTime("from", from); err == nil {
		end, err = readTime("to", to)
	}
	if bounded && begin.IsZero() && !end.IsZero() {
		begin = end.Add(-24 * time.Hour)
	}
	if !begin.IsZero() && end.IsZero() {
		end = v.Now().Add(time.Minute) // what a proxy whose clock is ahead has logged
	}
	return begin, end, err
}

func readTime(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{formTime, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &manager.Error{Code: manager.CodeInvalid, Message: "The time " + name + " is none: write it like 2026-01-31T12:00, in UTC."}
}

// spanLinks lead to the same question about the time up to now.
func (v *visit) spanLinks() []web.Link {
	now := v.Now().UTC()
	u := *v.r.URL
	u.RawQuery = u.Query().Encode()
	query := u.Query()
	query.Del("to")
	u.RawQuery = query.Encode()
	list := []web.Link{{Title: "24 hours", URL: web.WithQuery(&u, "from", ""), Current: v.query("from")+v.query("to") == ""}}
	for _, r := range []struct {
		title string
		back  time.Duration
	}{{"Last hour", time.Hour}, {"7 days", 7 * 24 * time.Hour}, {"30 days", 30 * 24 * time.Hour}} {
		from := now.Add(-r.back).Format(formTime)
		list = append(list, web.Link{Title: r.title, URL: web.WithQuery(&u, "from", from), Current: v.query("from") == from})
	}
	return list
}

func (v *visit) requestItem(r *manager.RequestRecord) requestItem {
	at := r.Time.UTC()
	item := requestItem{
		Time: web.MomentOf(at, at.Format("15:04:05")), Date: at.Format("2 Jan"), Method: r.Method, Path: r.Path, Outcome: outcomeOf(r.Key.Outcome),
		Partner: r.Key.Partner, Product: r.Key.Product, Operation: r.Key.Operation, Application: r.Key.Application, Environment: r.Key.Environment,
		Credential: r.Credential, Limit: r.Limit, RequestID: r.RequestID, Version: strconv.FormatInt(r.PolicyVersion, 10), Proxy: r.Proxy,
	}
	item.Time.Full = at.Format("2 January 2006, 15:04:05.000 UTC")
	if r.Status != 0 {
		item.Status = strconv.Itoa(r.Status)
	}
	if item.Partner != "" {
		item.PartnerURL = partnerURL(item.Partner)
	}
	if item.Product != "" && v.may(manager.MayReadPolicy) {
		item.ProductURL = productURL(item.Product)
	}
	if known := item.Credential != "" || item.Partner != "" && item.Environment != ""; known && v.may(manager.MayExplain) {
		item.ExplainURL = explainURL(r)
	}
	return item
}

func explainURL(r *manager.RequestRecord) string {
	q := url.Values{"method": {r.Method}, "path": {r.Path}}
	if r.Credential != "" {
		q.Set("credential", r.Credential)
	} else {
		q.Set("partner", r.Key.Partner)
		q.Set("environment", r.Key.Environment)
		q.Set("application", r.Key.Application)
	}
	return "/admin/explain?" + q.Encode()
}
