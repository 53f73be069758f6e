package manager

import "context"

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

// Catalog is what the published snapshot lets partner call in environment.
func (s *Service) Catalog(ctx context.Context, partner, environment string) (*Catalog, error) {
	return nil, errUnbuilt()
}

// PartnerEnvironments lists the environments: sandbox, production, then the others by name.
func (s *Service) PartnerEnvironments(ctx context.Context, partner string) ([]*Environment, error) {
	return nil, errUnbuilt()
}
