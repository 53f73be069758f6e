package console

import (
	"net/url"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// partnerView is one partner with all that it has.
type partnerView struct {
	Frame               frame
	Name, Title         string
	State               web.Badge
	Owner               ownerView
	Acts                []actLink
	SupportTier         string
	SupportEmail        string
	Created, Updated    web.Moment
	Revision            int64
	Members             []memberRow
	Searchable          bool   // there is more than a page shows at a time, or Text is given
	Text                string // what of subscriptions, applications and products is looked for
	Subscriptions       []subscriptionRow
	SubscriptionPager   pager
	Applications        []applicationRow
	ApplicationPager    pager
	Usage               usageView
	Catalog             []catalogView
	RequestsURL, LogURL string // LogURL is empty where the role does not include the audit log
}

// listed is how many rows each list of a partner's page shows at a time: a row is large.
const listed = 25

type memberRow struct {
	Email, Role string
	State       web.Badge // Word is empty for who has logged in
}

type subscriptionRow struct {
	Name, Product, ProductURL, Environment, Plan string
	State                                        web.Badge
	Owner                                        ownerView
	Dates                                        string
	Limits                                       []limitRow
	Acts                                         []actLink
}

// limitRow is a limit in words, with what of a quota is spent.
type limitRow struct {
	Name, Words string
	Uses        []web.Use
}

// catalogView is what the partner can call in one environment, from the snapshot that the gateway decides by.
type catalogView struct {
	Environment string
	Version     int64
	Products    []catalogProduct
	More        string // how many products are not shown; empty for none
	Count       string // of the operations of all
}

type catalogProduct struct {
	Title      string
	State      string // why it cannot be called; empty where it can
	Operations []catalogOperation
}

type catalogOperation struct {
	Callable                                      bool
	Product, Environment, Method, Path, Operation string
}

func (s *server) partner(v *visit) error {
	partner, err := read[*manager.Partner](v, manager.Ref{Kind: manager.KindPartner, Name: v.r.PathValue("partner")})
	if err != nil {
		return err
	}
	name, spec := partner.Metadata.Name, partner.Spec
	view := partnerView{
		Name: name, Title: title(spec.Title, name), Text: v.query("q"), State: stateBadges[spec.State], Owner: ownerOf(&partner.Metadata), Acts: v.partnerActs(partner),
		SupportTier: spec.Support.Tier, SupportEmail: spec.Support.Email, Revision: partner.Metadata.Revision,
		Created: web.Day(partner.Metadata.CreatedAt), Updated: web.Ago(partner.Metadata.UpdatedAt, v.Now()), RequestsURL: requestsURL("partner", name),
	}
	if v.may(manager.MayReadAudit) {
		view.LogURL = auditURL(url.Values{"partner": {name}})
	}
	if view.Frame, err = v.frame(view.Title, "/admin/partners"); err != nil {
		return err
	}
	for _, fill := range []func(*partnerView) error{v.fillMembers, v.fillSubscriptions, v.fillApplications, v.fillCatalog, v.fillUsage} {
		if err := fill(&view); err != nil {
			return err
		}
	}
	view.Searchable = view.Searchable || view.Text != ""
	return v.render(view)
}

func (v *visit) fillMembers(view *partnerView) error {
	members, err := v.Service.Roster(v.ctx(), view.Name)
	for _, m := range members {
		row := memberRow{Email: m.Email, Role: string(m.Role)}
		if m.State == manager.MemberInvited {
			row.State = web.Badge{Word: "Invited", Tone: "warn", Text: "Has not logged in yet."}
		}
		view.Members = append(view.Members, row)
	}
	return err
}

// fillUsage links each outcome to the partner's requests.
func (v *visit) fillUsage(view *partnerView) (err error) {
	view.Usage, err = v.usage(manager.UsageKey{Partner: view.Name}, func(outcome string) string {
		return view.RequestsURL + "&outcome=" + outcome
	})
	return err
}

func (v *visit) fillSubscriptions(view *partnerView) error {
	page, err := v.Service.Find(v.ctx(), manager.Query{
		Kind: manager.KindSubscription, Partner: view.Name, Text: view.Text, Within: v.grant(), Limit: listed, Cursor: v.query("subscriptions"),
	})
	if err != nil {
		return err
	}
	view.SubscriptionPager = v.pagerOf("subscriptions", page.Next)
	view.Searchable = view.Searchable || view.SubscriptionPager.needed()
	uses := map[string][]manager.LimitUse{} // by environment
	for _, r := range page.Items {
		subscription, ok := r.(*manager.Subscription)
		if !ok {
			continue
		}
		environment := subscription.Spec.Environment
		if _, known := uses[environment]; !known {
			if uses[environment], err = v.Service.LimitUse(v.ctx(), view.Name, environment); err != nil {
				return err
			}
		}
		view.Subscriptions = append(view.Subscriptions, v.subscriptionRow(subscription, uses[environment]))
	}
	return nil
}

func (v *visit) subscriptionRow(r *manager.Subscription, uses []manager.LimitUse) subscriptionRow {
	row := subscriptionRow{
		Name: r.Metadata.Name, Product: r.Spec.Product, Environment: r.Spec.Environment, Plan: r.Spec.Plan,
		State: stateBadges[r.Spec.State], Owner: ownerOf(&r.Metadata), Acts: v.subscriptionActs(r), Dates: dates(&r.Spec),
	}
	if v.may(manager.MayReadPolicy) {
		row.ProductURL = productURL(row.Product)
	}
	for _, limit := range v.Service.Limits(r) {
		row.Limits = append(row.Limits, limitRowOf(limit, r.Metadata.Name, uses, v))
	}
	return row
}

func dates(spec *manager.SubscriptionSpec) string {
	text := ""
	if spec.StartsAt != nil {
		text = "from " + web.Day(*spec.StartsAt).Text
	}
	if spec.EndsAt != nil {
		text = trimmed(text + " until " + web.Day(*spec.EndsAt).Text)
	}
	return text
}

func limitRowOf(limit manager.Limit, subscription string, uses []manager.LimitUse, v *visit) limitRow {
	row := limitRow{Name: limit.Name, Words: web.LimitWords(limit)}
	for _, use := range uses {
		if limit.Quota == nil || use.Limit.Name != limit.Name || use.Subscription != "" && use.Subscription != subscription {
			continue
		}
		row.Uses = append(row.Uses, web.UseOf(use, v.Now()))
	}
	return row
}

func (v *visit) fillCatalog(view *partnerView) error {
	environments, err := v.Service.PartnerEnvironments(v.ctx(), view.Name)
	if err != nil {
		return err
	}
	for _, environment := range environments {
		catalog, err := v.Service.Catalog(v.ctx(), view.Name, environment.Metadata.Name)
		if err != nil {
			return err
		}
		c := v.catalogOf(catalog, view.Text)
		if len(c.Products) > 0 {
			view.Catalog = append(view.Catalog, c)
		}
		view.Searchable = view.Searchable || c.More != ""
	}
	return nil
}

// catalogStates says why a product cannot be called.
var catalogStates = map[string]string{
	manager.CatalogSuspended: "suspended", manager.CatalogRequested: "requested", manager.CatalogScheduled: "not begun yet",
}

// catalogOf is what of a catalog has a text in the name or title of its product.
func (v *visit) catalogOf(c *manager.Catalog, text string) catalogView {
	view, callable, more := catalogView{Environment: c.Environment, Version: c.PolicyVersion}, 0, 0
	for _, p := range c.Products {
		if !v.Service.Sees(v.grant(), p.Product) || !mentions(p.Product, text) {
			continue
		}
		callable += len(p.Operations)
		if len(view.Products) == listed {
			more++
			continue
		}
		product := catalogProduct{Title: title(p.Product.Spec.Title, p.Product.Metadata.Name), State: catalogStates[p.State]}
		for _, o := range p.Operations {
			product.Operations = append(product.Operations, catalogOperation{true, o.Product, o.Environment, o.Method, o.Path, o.Operation})
		}
		for _, o := range p.Suspended {
			product.Operations = append(product.Operations, catalogOperation{false, o.Product, o.Environment, o.Method, o.Path, o.Operation})
		}
		view.Products = append(view.Products, product)
	}
	if more > 0 {
		view.More = web.Count(int64(more), "more product")
	}
	view.Count = web.Count(int64(callable), "operation")
	return view
}

// mentions tells whether a product's name or title has a text, whatever the case.
func mentions(p *manager.Product, text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(p.Metadata.Name, text) || strings.Contains(strings.ToLower(p.Spec.Title), text)
}
