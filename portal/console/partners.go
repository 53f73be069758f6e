package console

import (
	"net/url"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// rowsOnPage is how many rows a list shows at a time.
const rowsOnPage = 50

// pager leads to other pages of a list; empty where there are none.
type pager struct {
	List        string // its name, where a page has several
	First, Next string
}

func (p pager) needed() bool { return p.First+p.Next != "" }

func (v *visit) pager(next string) pager {
	var p pager
	if v.query("cursor") != "" {
		p.First = web.WithQuery(v.r.URL, "cursor", "")
	}
	if next != "" {
		p.Next = web.WithCursor(v.r.URL, next)
	}
	return p
}

// pagerOf is the pager of one of several lists on a page: its cursor has the
// list's name, and its links lead to the list.
func (v *visit) pagerOf(list, next string) pager {
	p := pager{List: list}
	if v.query(list) != "" {
		p.First = web.WithQuery(v.r.URL, list, "") + "#" + list
	}
	if next != "" {
		p.Next = web.WithQuery(v.r.URL, list, next) + "#" + list
	}
	return p
}

// partnersView is the list of partners.
type partnersView struct {
	Frame    frame
	Text     string
	States   []web.Choice
	Partners []partnerRow
	Pager    pager
	Filtered bool
}

type partnerRow struct {
	Name, Title, URL string
	State            web.Badge
	Tier             string
	Subscriptions    string
	Owner            ownerView
	Since            web.Moment
}

func partnerURL(name string) string { return "/admin/partners/" + url.PathEscape(name) }

// stateBadges says each state in a word and a tone.
var stateBadges = map[manager.State]web.Badge{
	manager.StateActive:    {Word: "Active", Tone: "good", Text: "Calls are let through as far as limits allow."},
	manager.StateSuspended: {Word: "Suspended", Tone: "bad", Text: "Every call is refused until it is active again."},
	manager.StateRequested: {Word: "Requested", Tone: "warn", Text: "It waits for somebody to approve it."},
	manager.StateEnded:     {Word: "Ended", Tone: "plain", Text: "It is over; its operations are not there for the partner."},
}

func stateChoices(current string, states ...manager.State) []web.Choice {
	list := []web.Choice{{Label: "All states", Current: current == ""}}
	for _, s := range states {
		list = append(list, web.Choice{Value: string(s), Label: stateBadges[s].Word, Current: current == string(s)})
	}
	return list
}

func (s *server) partners(v *visit) error {
	f, err := v.frame("Partners", "/admin/partners")
	if err != nil {
		return err
	}
	text, state := v.query("q"), v.query("state")
	page, err := s.Service.Find(v.ctx(), manager.Query{
		Kind: manager.KindPartner, Text: text, State: manager.State(state), Within: v.grant(), Limit: rowsOnPage, Cursor: v.query("cursor"),
	})
	if err != nil {
		return err
	}
	view := partnersView{Frame: f, Text: text, Pager: v.pager(page.Next), Filtered: text+state+v.query("cursor") != "",
		States: stateChoices(state, manager.StateActive, manager.StateSuspended)}
	for _, r := range page.Items {
		if partner, ok := r.(*manager.Partner); ok {
			row, err := v.partnerRow(partner)
			if err != nil {
				return err
			}
			view.Partners = append(view.Partners, row)
		}
	}
	return v.render(view)
}

func (v *visit) partnerRow(p *manager.Partner) (partnerRow, error) {
	name := p.Metadata.Name
	row := partnerRow{
		Name: name, Title: title(p.Spec.Title, name), URL: partnerURL(name), State: stateBadges[p.Spec.State],
		Tier: p.Spec.Support.Tier, Owner: ownerOf(&p.Metadata), Since: web.Day(p.Metadata.CreatedAt),
	}
	subscriptions, err := v.all(manager.Query{Kind: manager.KindSubscription, Partner: name, Within: v.grant()})
	row.Subscriptions = web.Number(int64(len(subscriptions)))
	return row, err
}

// ownerView tells who manages a resource.
type ownerView struct {
	Word, Text string
	File       bool // the next apply may bring back what is changed here
}

func ownerOf(m *manager.Metadata) ownerView {
	switch m.ManagedBy {
	case manager.OwnerFile:
		return ownerView{"file", "It is managed by a file: the next apply may bring back what is changed here.", true}
	case manager.OwnerPortal:
		return ownerView{"portal", "A member of the partner made it in the portal.", false}
	}
	return ownerView{"API", "It was made through the admin API, the command or the console.", false}
}
