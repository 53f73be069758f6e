package portal

import (
	"sort"
	"strconv"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// shownAtOnce is how many operations a card of the catalog shows before it folds the rest.
const shownAtOnce = 5

// productsView is the catalog of one environment.
type productsView struct {
	Frame       frame
	Environment environmentChoice
	Products    []productCard
	Elsewhere   []environmentChoice // where the partner has products, if none here
	Callable    string              // "12 operations"
	HasKey      bool                // the partner has a working key for the environment
	NewKeyURL   string              // where to make the first one; empty where there is no application yet
	Offers      []offerCard
}

type productCard struct {
	Name, Title, Summary, URL string
	State                     web.Badge
	Deprecated                bool
	Limits                    []string
	Operations, More          []operationView
	Count                     string
	OpenAPI                   string // address of the document; empty where nothing can be called
}

// operationView is one operation. Callable is what the gateway lets through:
// only then does it carry its data- attributes.
type operationView struct {
	catalogOperation
	Anchor      string // of its place on the product's page
	Callable    bool
	Tag         string // the document's first
	Summary     string
	Description string
	Deprecated  bool
	Parameters  []manager.Parameter
	URL         string
	Curl        string
	Try         string // address at which it can be tried; empty where it cannot be called
}

func (s *server) products(v *visit) error {
	e, catalog, err := v.catalogHere()
	if err != nil {
		return err
	}
	view := productsView{Frame: v.frame("Products", "products", e), Environment: e.current}
	var callable int64
	sort.SliceStable(catalog.Products, func(i, j int) bool { return place(catalog.Products[i]) < place(catalog.Products[j]) })
	for _, p := range catalog.Products {
		callable += int64(len(p.Operations))
		view.Products = append(view.Products, cardOf(p, e.name()))
	}
	if len(view.Products) == 0 {
		if view.Elsewhere, err = v.heldIn(e); err != nil {
			return err
		}
	}
	view.Callable = web.Count(callable, "operation")
	if view.Offers, err = v.offers(e.name()); err != nil {
		return err
	}
	if err := v.keyHint(&view, e.name()); err != nil {
		return err
	}
	return v.render(view)
}

// heldIn are the environments in which the partner has a product.
func (v *visit) heldIn(e *scope) (list []environmentChoice, err error) {
	for i, environment := range e.all {
		catalog, err := v.Service.Catalog(v.ctx(), v.name(), environment.Metadata.Name)
		if err != nil {
			return nil, err
		}
		if len(catalog.Products) > 0 {
			list = append(list, e.choices[i])
		}
	}
	return list, nil
}

// place orders the catalog: what can be called, what is going away, what rests.
func place(p manager.CatalogProduct) int {
	switch {
	case p.State != manager.CatalogActive:
		return 2
	case p.Product.Spec.Lifecycle == manager.LifecycleDeprecated:
		return 1
	}
	return 0
}

// keyHint finds out whether the member still needs a key to call anything.
func (v *visit) keyHint(view *productsView, environment string) error {
	keys, err := v.Service.Credentials(v.ctx(), v.name(), "")
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.Environment == environment && (key.State == manager.CredentialActive || key.State == manager.CredentialExpiring) {
			view.HasKey = true
		}
	}
	applications, err := v.applicationList()
	if err == nil && len(applications) > 0 {
		view.NewKeyURL = newKeyURL(applications[0].Metadata.Name, environment)
	}
	return err
}

func cardOf(p manager.CatalogProduct, environment string) productCard {
	spec := p.Product.Spec
	card := productCard{
		Name:       p.Product.Metadata.Name,
		Title:      title(spec.Title, p.Product.Metadata.Name),
		Summary:    spec.Summary,
		URL:        inEnvironment("/products/"+p.Product.Metadata.Name, environment),
		State:      stateOf(p),
		Deprecated: spec.Lifecycle == manager.LifecycleDeprecated,
	}
	if len(p.Operations) > 0 {
		card.OpenAPI = openAPIURL(card.Name, environment)
	}
	for _, limit := range p.Limits {
		card.Limits = append(card.Limits, web.LimitWords(limit))
	}
	operations := operationsOf(p)
	if len(operations) > 0 {
		card.Count = web.Count(int64(len(operations)), "operation")
	}
	card.Operations = operations[:min(len(operations), shownAtOnce)]
	card.More = operations[len(card.Operations):]
	return card
}

// stateOf says why a product in the catalog cannot be called, if so.
func stateOf(p manager.CatalogProduct) web.Badge {
	switch p.State {
	case manager.CatalogSuspended:
		return web.Badge{Word: "Suspended", Tone: "bad", Text: "Calls are refused until it is active again."}
	case manager.CatalogRequested:
		return web.Badge{Word: "Requested", Tone: "warn", Text: "Access was requested and is not granted yet."}
	case manager.CatalogScheduled:
		text := "Access has not begun yet."
		if p.Subscription != nil && p.Subscription.Spec.StartsAt != nil {
			text = "Access begins on " + web.Day(*p.Subscription.Spec.StartsAt).Text + "."
		}
		return web.Badge{Word: "Scheduled", Tone: "warn", Text: text}
	}
	return web.Badge{}
}

// operationsOf are the operations to show: callable ones, or those that are suspended.
func operationsOf(p manager.CatalogProduct) []operationView {
	list := make([]operationView, 0, len(p.Operations)+len(p.Suspended))
	for _, o := range p.Operations {
		list = append(list, operationOf(o, true))
	}
	for _, o := range p.Suspended {
		list = append(list, operationOf(o, false))
	}
	for i := range list {
		list[i].Anchor = "operation-" + strconv.Itoa(i+1)
	}
	return list
}

func operationOf(o manager.CatalogOperation, callable bool) operationView {
	view := operationView{catalogOperation: callableOf(o), Callable: callable}
	if o.Detail != nil {
		view.Summary, view.Description, view.Deprecated = o.Detail.Summary, o.Detail.Description, o.Detail.Deprecated
		for _, p := range o.Detail.Parameters {
			view.Parameters = append(view.Parameters, *p)
		}
		if len(o.Detail.Tags) > 0 {
			view.Tag = o.Detail.Tags[0]
		}
	}
	return view
}
