package manager

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Offers lists the products that a partner does not hold in an environment and
// may ask for, by name: discoverable ones that are published there.
func (s *Service) Offers(_ context.Context, partner, environment string) ([]*Product, error) {
	if err := s.partnerExists(partner); err != nil {
		return nil, err
	}
	current, now := s.current(), s.now()
	var offers []*Product
	for _, name := range names(current.products) {
		if current.offers(partner, name, environment, now) {
			offers = append(offers, current.products[name])
		}
	}
	return offers, nil
}

// RequestAccess asks for a product on behalf of a partner: a requested
// subscription without a plan, which is the provider's to choose. Asking again
// changes nothing and returns what was asked for. What is not offered is not
// found, whether it exists or not.
func (s *Service) RequestAccess(ctx context.Context, actor Actor, partner, product, environment string) (*Subscription, error) {
	if err := s.authorize(ctx, actor, partner, RoleDeveloper); err != nil {
		return nil, err
	}
	var asked *Subscription
	_, err := s.change(ctx, actor, func(before *state) ([]Change, error) {
		if asked = before.requested(partner, product, environment, s.now()); asked != nil {
			return nil, nil
		}
		if !before.offers(partner, product, environment, s.now()) {
			return nil, notFound(Ref{Kind: KindProduct, Name: product})
		}
		asked = &Subscription{
			Metadata: Metadata{Name: before.requestName(partner, product, environment), Partner: partner, ManagedBy: actor.Owner},
			Spec:     SubscriptionSpec{Product: product, Environment: environment, State: StateRequested},
		}
		return []Change{{Ref: asked.Ref(), After: asked}}, nil
	})
	return asked, err
}

// offers tells whether a partner may ask for a product in an environment.
func (s *state) offers(partner, product, environment string, now time.Time) bool {
	p, exists := s.partner(partner)
	offered := s.products[product]
	if !exists || offered == nil || !offered.Spec.Discoverable || offered.Spec.Lifecycle != LifecyclePublished {
		return false
	}
	if _, there := offered.Spec.Environments[environment]; !there {
		return false
	}
	return !slices.ContainsFunc(p.shown(environment, now), func(r *Subscription) bool { return r.Spec.Product == product })
}

// requested is the partner's request for a product that waits for the provider, nil where there is none.
func (s *state) requested(partner, product, environment string, now time.Time) *Subscription {
	p, exists := s.partner(partner)
	if !exists {
		return nil
	}
	for _, r := range p.shown(environment, now) {
		if r.Spec.Product == product && r.Spec.State == StateRequested {
			return r
		}
	}
	return nil
}

// requestName is the name of a request's subscription: that of an earlier
// request that was declined, unless a file manages it, else one that is free.
func (s *state) requestName(partner, product, environment string) string {
	name := product + "-" + environment
	if len(name) > maxRequestName {
		name = strings.TrimRight(name[:maxRequestName], "-")
	}
	for i := 1; ; i++ {
		candidate := name
		if i > 1 {
			candidate += "-" + strconv.Itoa(i)
		}
		there, _ := s.get(Ref{Kind: KindSubscription, Partner: partner, Name: candidate}).(*Subscription)
		if there == nil || there.Metadata.ManagedBy != OwnerFile && there.Spec.Plan == "" && there.Spec.Product == product && there.Spec.Environment == environment {
			return candidate
		}
	}
}

// maxRequestName leaves room for a number in a label of 63.
const maxRequestName = 56
