package portal

import (
	"net/http"
	"net/url"
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
	Frame                                                frame
	Form                                                 requestFilter
	Products, Operations, Applications, Outcomes, Ranges []web.Choice
	Download                                             string // address of the same as a file
	Items                                                []requestItem
	Older                                                string // address of the page of older ones
	Newest                                               string // address of the first page, where this is not it
	Filtered                                             bool
	Curl                                                 string
}

// requestFilter is the filter form, as it was sent.
type requestFilter struct {
	Environment, Product, Operation, Application, Outcome, RequestID string
	web.Window
}

// requestItem is one logged decision.
type requestItem struct {
	Time        web.Moment
	Date        string
	Method      string
	Path        string
	Status      string
	StatusTone  string
	Outcome     web.Outcome
	Product     string
	Title       string // the product's
	Operation   string
	Application string
	Environment environmentChoice
	Credential  string
	Limit       string
	RequestID   string
	URL         string // of this request alone
	Policy      string
	Proxy       string
}

func readRequestFilter(query url.Values, now time.Time) requestFilter {
	return requestFilter{
		Environment: query.Get("environment"), Product: query.Get("product"), Operation: query.Get("operation"), Application: query.Get("application"),
		Outcome: query.Get("outcome"), RequestID: strings.TrimSpace(query.Get("request_id")), Window: web.ReadWindow(query, now),
	}
}

func (s *server) requests(v *visit) error {
	e, err := v.anyEnvironment()
	if err != nil {
		return err
	}
	form := readRequestFilter(v.r.URL.Query(), v.Now())
	held, err := v.holdings()
	if err != nil {
		return err
	}
	view := requestsView{
		Frame: v.frame("Requests", "requests", e), Form: form, Filtered: form.narrows(), Download: fileOf(v.r.URL),
		Products: held.productChoices(form.Product), Operations: held.operationChoices(form.Product, form.Operation),
		Outcomes: web.OutcomeChoices(form.Outcome), Ranges: form.Choices(),
	}
	if view.Applications, err = v.applicationChoices(form.Application); err != nil {
		return err
	}
	if form.Problem != "" {
		s.Render(v.w, v.r, http.StatusUnprocessableEntity, view)
		return nil
	}
	return v.listRequests(view, e, held)
}

// listRequests adds the page of the log that the address asks for.
func (v *visit) listRequests(view requestsView, e *scope, held holdings) error {
	q := v.requestQuery(view.Form)
	page, err := v.Service.Requests(v.ctx(), q)
	if q.Cursor != "" && manager.CodeOf(err) == manager.CodeInvalid { // from before the store was another: begin again
		http.Redirect(v.w, v.r, web.WithQuery(v.r.URL, "cursor", ""), http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	for _, record := range page.Items {
		view.Items = append(view.Items, requestItemOf(record, e, held))
	}
	if page.Next != "" {
		view.Older = web.WithCursor(v.r.URL, page.Next)
	}
	if q.Cursor != "" {
		view.Filtered, view.Newest = true, web.WithQuery(v.r.URL, "cursor", "")
	}
	if len(view.Items) == 0 && !view.Filtered {
		if view.Curl, err = v.tryLine(e.chosen()[0].Metadata.Name); err != nil {
			return err
		}
	}
	return v.render(view)
}

// narrows tells whether the filter leaves out more than what is old.
func (f requestFilter) narrows() bool {
	return f.Product+f.Operation+f.Application+f.Outcome+f.RequestID != "" || f.Range == web.ExactRange
}

// fileOf is where the same is downloaded that the page of an address shows.
func fileOf(page *url.URL) string {
	file := *page
	file.Path += ".csv"
	return web.WithQuery(&file, "cursor", "")
}

func (v *visit) requestQuery(form requestFilter) manager.RequestQuery {
	q := manager.RequestQuery{
		Match: manager.UsageKey{
			Partner: v.name(), Product: form.Product, Environment: form.Environment, Operation: form.Operation,
			Application: form.Application, Outcome: form.Outcome,
		},
		RequestID: form.RequestID, Limit: requestsOnPage, Cursor: v.r.URL.Query().Get("cursor"),
	}
	if form.RequestID == "" { // an id is looked for in all that is kept
		q.From, q.To = form.Start, form.End
	}
	return q
}

func requestItemOf(r manager.RequestRecord, e *scope, held holdings) requestItem {
	at := r.Time.UTC()
	item := requestItem{
		Time: exactly(at), Date: at.Format("2 Jan"),
		Method: r.Method, Path: r.Path, Outcome: web.OutcomeOf(r.Key.Outcome),
		Product: r.Key.Product, Title: held.title(r.Key.Product), Operation: r.Key.Operation, Application: r.Key.Application,
		Environment: e.titled(r.Key.Environment), Credential: r.Credential, Limit: r.Limit, RequestID: r.RequestID,
		URL: "/requests?" + url.Values{"request_id": {r.RequestID}}.Encode(), Policy: strconv.FormatInt(r.PolicyVersion, 10), Proxy: r.Proxy,
	}
	if item.StatusTone = item.Outcome.Tone; r.Status != 0 {
		item.Status = strconv.Itoa(r.Status)
	}
	if item.Outcome.URL == "" { // admitted: the upstream's own answer
		item.StatusTone = statusTone(r.Status)
	}
	return item
}

// statusTone is how good a status is for who called.
func statusTone(status int) string {
	switch {
	case status == 0:
		return ""
	case status >= 500:
		return "bad"
	case status >= 400:
		return "warn"
	}
	return "good"
}

// exactly shows seconds, and milliseconds where there is room.
func exactly(t time.Time) web.Moment {
	m := web.MomentOf(t, t.Format("15:04:05"))
	m.Full = t.Format("2 January 2006, 15:04:05.000 UTC")
	return m
}
