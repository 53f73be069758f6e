package console

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// productsView is the list of products.
type productsView struct {
	Frame    frame
	Text     string
	Products []productRow
	Pager    pager
	Filtered bool
}

type productRow struct {
	Name, Title, URL, Team string
	Lifecycle              web.Badge
	Environments           string
	Operations             int
	Subscribers            int
	Owner                  ownerView
}

func productURL(name string) string { return "/admin/products/" + url.PathEscape(name) }

// lifecycleBadges says each stage in a word and a tone.
var lifecycleBadges = map[manager.Lifecycle]web.Badge{
	manager.LifecycleDraft:      {Word: "Draft", Tone: "plain", Text: "Nobody can call it yet."},
	manager.LifecyclePublished:  {Word: "Published", Tone: "good", Text: "Who subscribes can call it."},
	manager.LifecycleDeprecated: {Word: "Deprecated", Tone: "warn", Text: "It still works; partners are told to leave."},
	manager.LifecycleRetired:    {Word: "Retired", Tone: "bad", Text: "Nobody can call it any more."},
}

func (s *server) products(v *visit) error {
	f, err := v.frame("Products", "/admin/products")
	if err != nil {
		return err
	}
	text := v.query("q")
	page, err := s.Service.Find(v.ctx(), manager.Query{Kind: manager.KindProduct, Text: text, Within: v.grant(), Limit: rowsOnPage, Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	view := productsView{Frame: f, Text: text, Pager: v.pager(page.Next), Filtered: text+v.query("cursor") != ""}
	for _, r := range page.Items {
		if p, ok := r.(*manager.Product); ok {
			view.Products = append(view.Products, v.productRow(p))
		}
	}
	return v.render(view)
}

func (v *visit) productRow(p *manager.Product) productRow {
	name := p.Metadata.Name
	return productRow{
		Name: name, Title: title(p.Spec.Title, name), URL: productURL(name), Team: p.Spec.Team, Lifecycle: lifecycleBadges[p.Spec.Lifecycle],
		Environments: strings.Join(slices.Sorted(maps.Keys(p.Spec.Environments)), ", "), Operations: len(p.Spec.Operations),
		Subscribers: v.Service.Subscribers(name), Owner: ownerOf(&p.Metadata),
	}
}

// productView is one product with who subscribes to it.
type productView struct {
	Frame               frame
	Product             productRow
	Summary             string
	BasePath, Capacity  string
	Discoverable        bool
	Hosts               []hostRow
	Operations          []operationRow
	Count               string
	Usage               usageView
	States              []web.Choice
	Subscribers         []subscriberRow
	Pager               pager
	RequestsURL, LogURL string
}

type hostRow struct {
	Environment string
	Hosts       []string
}

type operationRow struct {
	Method, Path, ID, Summary string
	Deprecated                bool
}

type subscriberRow struct {
	Partner, URL, Environment, Plan string
	State                           web.Badge
}

func (s *server) product(v *visit) error {
	p, err := read[*manager.Product](v, manager.Ref{Kind: manager.KindProduct, Name: v.r.PathValue("product")})
	if err != nil {
		return err
	}
	name := p.Metadata.Name
	view := productView{
		Product: v.productRow(p), Summary: p.Spec.Summary, BasePath: p.Spec.BasePath, Discoverable: p.Spec.Discoverable,
		Count: web.Count(int64(len(p.Spec.Operations)), "operation"), RequestsURL: requestsURL("product", name),
		States: stateChoices(v.query("state"), manager.StateRequested, manager.StateActive, manager.StateSuspended),
	}
	if p.Spec.Capacity != nil {
		view.Capacity = web.LimitWords(manager.Limit{Rate: p.Spec.Capacity})
	}
	if v.may(manager.MayReadAudit) {
		view.LogURL = auditURL(url.Values{"kind": {string(manager.KindProduct)}, "name": {name}})
	}
	for _, environment := range slices.Sorted(maps.Keys(p.Spec.Environments)) {
		view.Hosts = append(view.Hosts, hostRow{environment, p.Spec.Environments[environment].Hosts})
	}
	for _, o := range p.Spec.Operations {
		view.Operations = append(view.Operations, operationRow{o.Method, o.Path, o.ID, o.Summary, o.Deprecated})
	}
	if view.Frame, err = v.frame(view.Product.Title, "/admin/products"); err != nil {
		return err
	}
	if err := v.fillSubscribers(&view, name); err != nil {
		return err
	}
	view.Usage, err = v.usage(manager.UsageKey{Product: name}, func(outcome string) string { return view.RequestsURL + "&outcome=" + outcome })
	if err != nil {
		return err
	}
	return v.render(view)
}

func (v *visit) fillSubscribers(view *productView, product string) error {
	page, err := v.Service.Find(v.ctx(), manager.Query{
		Kind: manager.KindSubscription, Product: product, State: manager.State(v.query("state")), Within: v.grant(),
		Limit: rowsOnPage, Cursor: v.query("cursor"),
	})
	if err != nil {
		return err
	}
	view.Pager = v.pager(page.Next)
	for _, r := range page.Items {
		if s, ok := r.(*manager.Subscription); ok {
			view.Subscribers = append(view.Subscribers, subscriberRow{
				s.Metadata.Partner, partnerURL(s.Metadata.Partner), s.Spec.Environment, s.Spec.Plan, stateBadges[s.Spec.State],
			})
		}
	}
	return nil
}
