package console

import (
	"net/url"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// auditView is who changed what, newest first.
type auditView struct {
	Frame    frame
	Form     auditFilter
	Kinds    []web.Choice
	Entries  []auditRow
	Pager    pager
	Filtered bool
}

// auditFilter is the filter form, as it was sent.
type auditFilter struct{ Actor, Kind, Partner, Name, From, To string }

type auditRow struct {
	Time               web.Moment
	Date               string
	Actor, OnBehalfOf  string
	Action, Tone       string
	Kind, What         string // what was changed: partner/name
	Version            int64
	Address, RequestID string
	Lines              []diffLine
}

// auditKinds are what can be filtered by.
var auditKinds = append(append([]manager.Kind{}, manager.Kinds...),
	manager.KindCredential, manager.KindMember, manager.KindInvitation, manager.KindToken, manager.KindLogin)

func (s *server) audit(v *visit) error {
	f, err := v.frame("Audit", "/admin/audit")
	if err != nil {
		return err
	}
	form := auditFilter{v.query("actor"), v.query("kind"), v.query("partner"), v.query("name"), v.query("from"), v.query("to")}
	q := manager.AuditQuery{
		Actor: form.Actor, Kind: manager.Kind(form.Kind), Partner: form.Partner, Name: form.Name,
		Products: s.Service.ProductsOf(v.grant()), Limit: rowsOnPage, Cursor: v.query("cursor"),
	}
	if q.From, q.To, err = v.span(form.From, form.To, false); err != nil {
		return err
	}
	page, err := s.Service.Audit(v.ctx(), q)
	if err != nil {
		return err
	}
	view := auditView{Frame: f, Form: form, Kinds: kindChoices(form.Kind), Pager: v.pager(page.Next), Filtered: v.r.URL.RawQuery != ""}
	for i := range page.Items {
		view.Entries = append(view.Entries, auditRowOf(&page.Items[i]))
	}
	return v.render(view)
}

func kindChoices(current string) []web.Choice {
	list := []web.Choice{{Label: "All kinds", Current: current == ""}}
	for _, k := range auditKinds {
		list = append(list, web.Choice{Value: string(k), Label: string(k), Current: string(k) == current})
	}
	return list
}

// actionTones are the colours of actions that matter most.
var actionTones = map[string]string{
	"created": "good", "resumed": "good", "accepted": "good",
	"deleted": "bad", "suspended": "bad", "revoked": "bad",
}

func auditRowOf(e *manager.AuditEntry) auditRow {
	at := e.Time.UTC()
	row := auditRow{
		Time: web.MomentOf(at, at.Format("15:04:05")), Date: at.Format("2 Jan"), Actor: e.Actor, OnBehalfOf: string(e.OnBehalfOf),
		Action: strings.ReplaceAll(e.Action, "_", " "), Tone: actionTones[e.Action], Kind: string(e.Kind), What: e.Name,
		Version: e.PolicyVersion, Address: e.Address, RequestID: e.RequestID, Lines: difference(e.Before, e.After),
	}
	if e.Partner != "" && e.Kind != manager.KindPartner {
		row.What = e.Partner + "/" + e.Name
	}
	return row
}

// auditURL is the log with some filters.
func auditURL(filters url.Values) string { return "/admin/audit?" + filters.Encode() }
