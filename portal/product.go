package portal

import (
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// productView is the page of one product in one environment.
type productView struct {
	Frame        frame
	Environment  environmentChoice
	Name, Title  string
	Summary      string
	Team         string
	Deprecated   bool
	Held         bool // in this environment; else Elsewhere says where
	Elsewhere    []environmentChoice
	State        web.Badge
	Plan         string
	Applications []string   // the only ones that may call it; empty: all
	Until        web.Moment // the day on which access ends
	Hosts        []hostView
	Limits       []limitView
	Groups       []operationGroup
	Count        string
	First        operationView // the one to try first
	Metered      bool          // a limit tells what is spent
	OpenAPI      string        // address of the document; empty where nothing can be called
	OpenAPILink  string        // the same for tools: the whole of it
}

type hostView struct{ Host, URL string }

// limitView is a limit in words, with what of a quota is spent.
type limitView struct {
	Name, Words string
	Operations  []string
	Uses        []web.Use
}

// operationGroup is the operations of one tag.
type operationGroup struct {
	Tag        string
	Operations []operationView
}

func (s *server) product(v *visit) error {
	e, err := v.oneEnvironment()
	if err != nil {
		return err
	}
	name := v.r.PathValue("name")
	var here, any *manager.CatalogProduct
	var elsewhere []environmentChoice
	for i, environment := range e.all {
		p, err := v.held(name, environment.Metadata.Name)
		switch {
		case err != nil:
			return err
		case p == nil:
		case environment.Metadata.Name == e.name():
			here, any = p, p
		default:
			any, elsewhere = p, append(elsewhere, e.choices[i])
		}
	}
	if any == nil {
		return web.ErrNotFound
	}
	view := productViewOf(any)
	view.Frame = v.frame(view.Title, "products", e)
	view.Environment, view.Elsewhere = e.current, elsewhere
	if here != nil {
		if err := v.fill(&view, here, e); err != nil {
			return err
		}
	}
	return v.render(view)
}

// held is the product as the partner has it in an environment, nil where it has it not.
func (v *visit) held(name, environment string) (*manager.CatalogProduct, error) {
	catalog, err := v.Service.Catalog(v.ctx(), v.name(), environment)
	if err != nil {
		return nil, err
	}
	for i := range catalog.Products {
		if catalog.Products[i].Product.Metadata.Name == name {
			return &catalog.Products[i], nil
		}
	}
	return nil, nil
}

func productViewOf(p *manager.CatalogProduct) productView {
	spec := p.Product.Spec
	return productView{
		Name: p.Product.Metadata.Name, Title: title(spec.Title, p.Product.Metadata.Name), Summary: spec.Summary, Team: spec.Team,
		Deprecated: spec.Lifecycle == manager.LifecycleDeprecated,
	}
}

// fill adds what holds in the environment itself.
func (v *visit) fill(view *productView, p *manager.CatalogProduct, e *scope) error {
	gateway := e.chosen()[0].Spec.Gateway
	view.Held, view.State = true, stateOf(*p)
	if p.Plan != nil {
		view.Plan = title(p.Plan.Spec.Title, p.Plan.Metadata.Name)
	}
	if p.Subscription != nil {
		view.Applications = p.Subscription.Spec.Applications
		if ends := p.Subscription.Spec.EndsAt; ends != nil {
			view.Until = web.Day(*ends)
		}
	}
	for _, host := range p.Hosts {
		view.Hosts = append(view.Hosts, hostView{host, addressOf(gateway, host).url("")})
	}
	view.Groups = groupsOf(*p, gateway)
	view.Count = web.Count(int64(len(p.Operations)+len(p.Suspended)), "operation")
	view.First = easiest(view.Groups)
	if len(p.Operations) > 0 {
		view.OpenAPI = openAPIURL(view.Name, e.name())
		view.OpenAPILink = v.PublicURL + view.OpenAPI
	}
	uses, err := v.Service.LimitUse(v.ctx(), v.name(), e.name())
	if err != nil {
		return err
	}
	view.Limits = limitsOf(*p, uses, v)
	for _, limit := range view.Limits {
		view.Metered = view.Metered || len(limit.Uses) > 0
	}
	return nil
}

// groupsOf groups operations by their tag, in the document's order.
func groupsOf(p manager.CatalogProduct, gateway string) []operationGroup {
	var groups []operationGroup
	at := map[string]int{}
	for _, o := range operationsOf(p) {
		if len(p.Hosts) > 0 {
			where := addressOf(gateway, p.Hosts[0])
			o.URL, o.Curl = where.url(o.Path), where.curl(o.Method, o.Path)
			if o.Callable {
				o.Try = tryURL(o.catalogOperation)
			}
		}
		if _, ok := at[o.Tag]; !ok {
			at[o.Tag] = len(groups)
			groups = append(groups, operationGroup{Tag: o.Tag})
		}
		group := &groups[at[o.Tag]]
		group.Operations = append(group.Operations, o)
	}
	return groups
}

// easiest is the easiest operation to try; an empty one where none can be called.
func easiest(groups []operationGroup) operationView {
	best, easiest := 0, operationView{}
	for _, group := range groups {
		for _, o := range group.Operations {
			if ease := o.ease(); ease > best {
				best, easiest = ease, o
			}
		}
	}
	return easiest
}

// ease is how easily an operation is tried: a GET without parameters before a
// GET, that before anything else, and 0 for what cannot be called.
func (o operationView) ease() int {
	switch {
	case !o.Callable:
		return 0
	case o.Deprecated || o.Method != "GET":
		return 1
	case strings.Contains(o.Path, "{"):
		return 2
	}
	return 3
}

func limitsOf(p manager.CatalogProduct, uses []manager.LimitUse, v *visit) []limitView {
	var list []limitView
	for _, limit := range p.Limits {
		view := limitView{Name: limit.Name, Words: web.LimitWords(limit), Operations: limit.Operations}
		for _, use := range uses {
			if limit.Quota != nil && use.Limit.Name == limit.Name && countsFor(use, p.Subscription) {
				view.Uses = append(view.Uses, web.UseOf(use, v.Now()))
			}
		}
		list = append(list, view)
	}
	return list
}

// countsFor tells whether a counter is the subscription's, or the whole partner's.
func countsFor(use manager.LimitUse, subscription *manager.Subscription) bool {
	return use.Subscription == "" || subscription != nil && use.Subscription == subscription.Metadata.Name
}
