package console

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// act is a step from one state of a partner or subscription to another.
type act struct {
	from, to           manager.State
	word, done         string
	danger             bool
	consequences       []string
	onPartner, onGrant bool // what it applies to: partners, subscriptions
}

// acts are all of them.
var acts = []act{
	{from: manager.StateActive, to: manager.StateSuspended, word: "Suspend", done: "suspended", danger: true, onPartner: true,
		consequences: []string{"Proxies in contact refuse every call of the partner within two seconds, with 403 partner_suspended.", "Its members can still log in, and see why.", "Reactivate it, and everything works as before: keys and quotas stay."}},
	{from: manager.StateSuspended, to: manager.StateActive, word: "Reactivate", done: "active again", onPartner: true,
		consequences: []string{"Proxies in contact let its calls through again within two seconds, as far as its subscriptions and limits go."}},
	{from: manager.StateRequested, to: manager.StateActive, word: "Approve", done: "active", onGrant: true,
		consequences: []string{"The partner can call the product from then on, within the limits of the plan.", "It stands in the partner's catalog at once."}},
	{from: manager.StateRequested, to: manager.StateEnded, word: "Decline", done: "declined", danger: true, onGrant: true,
		consequences: []string{"The partner sees the request no longer; it can be approved later."}},
	{from: manager.StateActive, to: manager.StateSuspended, word: "Suspend", done: "suspended", danger: true, onGrant: true,
		consequences: []string{"Proxies in contact refuse its calls within two seconds, with 403 subscription_suspended.", "What is spent of its quotas stays spent."}},
	{from: manager.StateSuspended, to: manager.StateActive, word: "Reactivate", done: "active again", onGrant: true,
		consequences: []string{"Proxies in contact let its calls through again within two seconds."}},
	{from: manager.StateActive, to: manager.StateEnded, word: "End", done: "ended", danger: true, onGrant: true,
		consequences: []string{"The product is gone from the partner's catalog; its calls get the same 404 as what does not exist.", "It can be reactivated later."}},
	{from: manager.StateSuspended, to: manager.StateEnded, word: "End", done: "ended", danger: true, onGrant: true,
		consequences: []string{"The product is gone from the partner's catalog; its calls get the same 404 as what does not exist.", "It can be reactivated later."}},
	{from: manager.StateEnded, to: manager.StateActive, word: "Reactivate", done: "active again", onGrant: true,
		consequences: []string{"The partner can call the product again, within the limits of the plan."}},
}

// actLink leads to the page that asks whether to do it.
type actLink struct {
	Word, URL string
	About     string // for who hears the link alone
	Danger    bool
}

// confirmView asks before something is done.
type confirmView struct {
	Frame        frame
	Title, Lead  string
	Consequences []string
	Note         string // one more thing to know; may be empty
	Warning      string // that a file has its way again; empty where none has
	Action       string
	Fields       []field      // sent along
	Plans        []web.Choice // to choose from where none is chosen yet
	Button       string
	Danger       bool
	Back         string
}

func (v *visit) ask(view confirmView) error {
	f, err := v.frame(view.Title, "/admin/partners")
	if err != nil {
		return err
	}
	view.Frame = f
	return v.render(view)
}

// withState is a copy of a partner or subscription in another state, and the state that it is in.
func withState(r manager.Resource, to manager.State) (next manager.Resource, from manager.State) {
	switch r := r.(type) {
	case *manager.Partner:
		changed := *r
		changed.Spec.State = to
		return &changed, r.Spec.State
	case *manager.Subscription:
		changed := *r
		changed.Spec.State = to
		return &changed, r.Spec.State
	}
	return nil, ""
}

// actsOn are the acts that the token may do on a resource as it is now.
func (v *visit) actsOn(r manager.Resource) []act {
	var list []act
	if !v.may(manager.MaySuspend) {
		return nil
	}
	partner := r.Ref().Kind == manager.KindPartner
	for _, a := range acts {
		next, from := withState(r, a.to)
		if a.from == from && (partner && a.onPartner || !partner && a.onGrant) && v.Service.MayPut(v.grant(), next) {
			list = append(list, a)
		}
	}
	return list
}

func (v *visit) links(r manager.Resource, at, about string) []actLink {
	var links []actLink
	for _, a := range v.actsOn(r) {
		links = append(links, actLink{a.word, at + "/state?to=" + string(a.to), a.word + " " + about, a.danger})
	}
	return links
}

func (v *visit) partnerActs(p *manager.Partner) []actLink {
	return v.links(p, partnerURL(p.Metadata.Name), title(p.Spec.Title, p.Metadata.Name))
}

func subscriptionURL(partner, name string) string {
	return partnerURL(partner) + "/subscriptions/" + url.PathEscape(name)
}

func (v *visit) subscriptionActs(r *manager.Subscription) []actLink {
	return v.links(r, subscriptionURL(r.Metadata.Partner, r.Metadata.Name), r.Spec.Product+" in "+r.Spec.Environment+" for "+r.Metadata.Partner)
}

// subject is the partner or subscription that the address names.
func (v *visit) subject() (manager.Resource, string, error) {
	partner, name := v.r.PathValue("partner"), v.r.PathValue("subscription")
	if name == "" {
		p, err := read[*manager.Partner](v, manager.Ref{Kind: manager.KindPartner, Name: partner})
		if err != nil {
			return nil, "", err
		}
		return p, title(p.Spec.Title, partner), nil
	}
	s, err := read[*manager.Subscription](v, manager.Ref{Kind: manager.KindSubscription, Partner: partner, Name: name})
	if err != nil {
		return nil, "", err
	}
	return s, s.Spec.Product + " in " + s.Spec.Environment + " for " + partner, nil
}

// chosen is the act towards a state on a resource; an error where it is none, or not this token's.
func (v *visit) chosen(r manager.Resource, to manager.State) (act, error) {
	list := v.actsOn(r)
	if i := slices.IndexFunc(list, func(a act) bool { return a.to == to }); i >= 0 {
		return list[i], nil
	}
	_, from := withState(r, to)
	partner := r.Ref().Kind == manager.KindPartner
	if slices.ContainsFunc(acts, func(a act) bool {
		return a.from == from && a.to == to && (partner && a.onPartner || !partner && a.onGrant)
	}) {
		return act{}, &manager.Error{Code: manager.CodeForbidden, Message: "Your token " + v.principal.Name + " with the role " + string(v.grant().Role) + " may not do that."}
	}
	return act{}, &manager.Error{Code: manager.CodeConflict, Message: "It is " + string(from) + " now. Look at it again, and decide anew."}
}

func (s *server) confirmState(v *visit) error {
	r, about, err := v.subject()
	if err != nil {
		return err
	}
	a, err := v.chosen(r, manager.State(v.query("to")))
	if err != nil {
		return err
	}
	view := confirmView{
		Title: a.word + " " + about + "?", Consequences: a.consequences, Action: v.r.URL.Path,
		Fields: []field{{"to", string(a.to)}, {"revision", strconv.FormatInt(r.Meta().Revision, 10)}},
		Button: a.word, Danger: a.danger, Back: partnerURL(v.r.PathValue("partner")),
	}
	if view.Plans, err = v.missingPlan(r, a); err != nil {
		return err
	}
	if owner := ownerOf(r.Meta()); owner.File {
		view.Warning = "A file manages it. What you do here holds at once, and until the file is applied again: change the file too."
	}
	return v.ask(view)
}

// missingPlan are the plans to choose from where an act takes one that is not
// chosen yet: a partner that asks for a product leaves that to the provider.
func (v *visit) missingPlan(r manager.Resource, a act) ([]web.Choice, error) {
	subscription, ok := r.(*manager.Subscription)
	if !ok || subscription.Spec.Plan != "" || a.to != manager.StateActive {
		return nil, nil
	}
	plans, err := v.all(manager.Query{Kind: manager.KindPlan})
	list := make([]web.Choice, len(plans))
	for i, plan := range plans {
		list[i] = web.Choice{Value: plan.Meta().Name, Label: plan.Meta().Name}
	}
	return list, err
}

func (s *server) changeState(v *visit) error {
	r, about, err := v.subject()
	if err != nil {
		return err
	}
	revision, err := strconv.ParseInt(v.form.Get("revision"), 10, 64)
	if err != nil || revision < 1 {
		return &manager.Error{Code: manager.CodeInvalid, Message: "The form lacks the revision that it is about. Go back and try again."}
	}
	a, err := v.chosen(r, manager.State(v.form.Get("to")))
	if err != nil {
		return err
	}
	next, _ := withState(r, a.to)
	if s, ok := next.(*manager.Subscription); ok && s.Spec.Plan == "" {
		s.Spec.Plan = v.form.Get("plan")
	}
	stored, _, err := s.Service.Put(v.ctx(), v.principal.Actor(manager.OwnerAPI), next, revision)
	if err != nil {
		return err
	}
	notice := about + " is " + a.done + "."
	if ownerOf(stored.Meta()).File {
		notice += " A file manages it: the next apply may bring back what the file says."
	}
	return v.redirect(partnerURL(v.r.PathValue("partner")), notice, stored.Meta().Revision)
}
