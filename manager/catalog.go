package manager

import (
	"context"
	"slices"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// Catalog is what the compiled snapshot lets one partner call in one environment.
type Catalog struct {
	Partner, Environment string
	PolicyVersion        int64
	Products             []CatalogProduct // by name
}

// CatalogProduct is one product that a partner holds, or asked for.
type CatalogProduct struct {
	Product      *Product
	Hosts        []string // of this environment
	Subscription *Subscription
	State        string // one of the states below
	Plan         *Plan
	Limits       []Limit            // effective: plan with overrides
	Operations   []CatalogOperation // callable now; empty unless State is CatalogActive
	Suspended    []CatalogOperation // what would be callable, while suspended
}

// The states of a product in a catalog.
const (
	CatalogActive    = "active"
	CatalogSuspended = "suspended" // the partner or the subscription is
	CatalogRequested = "requested"
	CatalogScheduled = "scheduled" // not yet started
)

// CatalogOperation is one operation with all that tells it apart.
type CatalogOperation struct {
	Product, Environment, Method, Path, Operation string
	Detail                                        *Operation
}

// Catalog is what the published snapshot lets a partner call in an environment
// now. What is callable comes from policy.Surface alone, the code that the
// filters decide by; resources only add titles, plans and descriptions.
func (s *Service) Catalog(_ context.Context, partner, environment string) (*Catalog, error) {
	published := s.Published()
	p, exists := published.policy.partner(partner)
	if !exists {
		return nil, notFound(Ref{Kind: KindPartner, Name: partner})
	}
	if published.policy.environments[environment] == nil {
		return nil, notFound(Ref{Kind: KindEnvironment, Name: environment})
	}
	now := s.now()
	surface := map[string][]policy.Operation{}
	for _, o := range published.Snapshot.Surface(partner, environment, "", now.UnixMilli()) {
		surface[o.Subscription] = append(surface[o.Subscription], o)
	}
	catalog := &Catalog{Partner: partner, Environment: environment, PolicyVersion: published.Version}
	for _, subscription := range p.shown(environment, now) {
		product := published.policy.products[subscription.Spec.Product]
		if !callable(product) {
			continue
		}
		entry := published.policy.catalogProduct(product, subscription)
		entry.State = subscription.catalogState(p.partner, now)
		entry.addOperations(surface[subscription.Metadata.Name])
		catalog.Products = append(catalog.Products, entry)
	}
	return catalog, nil
}

// shown are the partner's subscriptions in an environment that are not over,
// by product: of several to one product the one that matters most now.
func (p *partnerState) shown(environment string, now time.Time) []*Subscription {
	best := map[string]*Subscription{}
	for _, name := range names(p.subscriptions) {
		r := p.subscriptions[name]
		over := r.Spec.State == StateEnded || r.Spec.EndsAt != nil && !now.Before(*r.Spec.EndsAt)
		if r.Spec.Environment != environment || over {
			continue
		}
		other := best[r.Spec.Product]
		if other == nil || catalogOrder(r.catalogState(p.partner, now)) < catalogOrder(other.catalogState(p.partner, now)) {
			best[r.Spec.Product] = r
		}
	}
	shown := make([]*Subscription, 0, len(best))
	for _, product := range names(best) {
		shown = append(shown, best[product])
	}
	return shown
}

func catalogOrder(state string) int {
	return slices.Index([]string{CatalogActive, CatalogSuspended, CatalogScheduled, CatalogRequested}, state)
}

// catalogState is the state of a subscription that is not over.
func (r *Subscription) catalogState(partner *Partner, now time.Time) string {
	switch {
	case r.Spec.State == StateRequested:
		return CatalogRequested
	case r.Spec.StartsAt != nil && now.Before(*r.Spec.StartsAt):
		return CatalogScheduled
	case r.Spec.State == StateSuspended || partner.Spec.State == StateSuspended:
		return CatalogSuspended
	}
	return CatalogActive
}

func (s *state) catalogProduct(product *Product, subscription *Subscription) CatalogProduct {
	return CatalogProduct{
		Product:      product,
		Hosts:        product.Spec.Environments[subscription.Spec.Environment].Hosts,
		Subscription: subscription,
		Plan:         s.plans[subscription.Spec.Plan],
		Limits:       s.limits(subscription),
	}
}

// addOperations takes over what the surface says of one subscription.
func (c *CatalogProduct) addOperations(surface []policy.Operation) {
	details := make(map[string]*Operation, len(c.Product.Spec.Operations))
	for i := range c.Product.Spec.Operations {
		o := &c.Product.Spec.Operations[i]
		details[o.ID] = o
	}
	for _, o := range surface {
		operation := CatalogOperation{
			Product: o.Product, Environment: o.Environment, Method: o.Method, Path: o.Path,
			Operation: o.Operation, Detail: details[o.Operation],
		}
		if o.Code == policy.Admitted {
			c.Operations = append(c.Operations, operation)
		} else {
			c.Suspended = append(c.Suspended, operation)
		}
	}
}

// PartnerEnvironments lists the environments that are declared, as a partner
// sees them: sandbox, production, then the others by name.
func (s *Service) PartnerEnvironments(_ context.Context, partner string) ([]*Environment, error) {
	if err := s.partnerExists(partner); err != nil {
		return nil, err
	}
	declared := s.current().environments
	list := make([]*Environment, 0, len(declared))
	for _, name := range names(declared) {
		list = append(list, declared[name])
	}
	slices.SortStableFunc(list, func(a, b *Environment) int { return environmentOrder(a) - environmentOrder(b) })
	return list, nil
}

func environmentOrder(e *Environment) int {
	for i := range firstEnvironments {
		if firstEnvironments[i].name == e.Metadata.Name {
			return i
		}
	}
	return len(firstEnvironments)
}
