package manager

import (
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager/lease"
)

// contract is what a bucket holds by the policy at now; the zero contract where
// it is part of none.
func (s *state) contract(id policy.BucketID, now time.Time) lease.Contract {
	if id.Product != "" {
		return s.capacityContract(id)
	}
	p, ok := s.partner(id.Partner)
	if !ok {
		return lease.Contract{}
	}
	if id.Environment != "" {
		return s.sharedContract(p, id, now)
	}
	subscription := p.subscriptions[id.Subscription]
	if subscription == nil || !subscription.inForce(now) {
		return lease.Contract{}
	}
	scope := ScopeSubscription
	if id.Application != "" {
		if scope = ScopeApplication; p.applications[id.Application] == nil {
			return lease.Contract{}
		}
	}
	return s.limitContract(subscription, scope, id)
}

// capacityContract is that of what a product can bear, for all partners together.
func (s *state) capacityContract(id policy.BucketID) lease.Contract {
	product := s.products[id.Product]
	if product == nil || product.Spec.Capacity == nil {
		return lease.Contract{}
	}
	if _, served := product.Spec.Environments[id.Environment]; !served {
		return lease.Contract{}
	}
	limit := capacityLimit(product)
	kind, requests, burst := limit.contract()
	if limit.Name != id.Limit || kind != id.Kind {
		return lease.Contract{}
	}
	return lease.Contract{Requests: requests, Burst: burst}
}

// capacityLimit is a product's capacity in the form of a limit, in each of its environments.
func capacityLimit(product *Product) *Limit {
	return &Limit{Name: "capacity", Rate: product.Spec.Capacity}
}

// sharedContract is that of a limit that counts for the whole partner. Where
// its subscriptions disagree, which validation does not let pass, the smallest holds.
func (s *state) sharedContract(p *partnerState, id policy.BucketID, now time.Time) (smallest lease.Contract) {
	for _, subscription := range p.subscriptions {
		if subscription.Spec.Environment != id.Environment || !subscription.inForce(now) {
			continue
		}
		c := s.limitContract(subscription, ScopePartner, id)
		switch {
		case c == lease.Contract{}:
		case smallest == lease.Contract{}:
			smallest = c
		default:
			smallest = lease.Contract{Requests: min(c.Requests, smallest.Requests), Burst: min(c.Burst, smallest.Burst)}
		}
	}
	return smallest
}

// limitContract is that of the limit of a subscription that an id names.
func (s *state) limitContract(of *Subscription, scope Scope, id policy.BucketID) lease.Contract {
	for _, l := range s.limits(of) {
		kind, requests, burst := l.contract()
		if l.Name == id.Limit && kind == id.Kind && l.scope() == scope {
			return lease.Contract{Requests: requests, Burst: burst}
		}
	}
	return lease.Contract{}
}

func (l *Limit) scope() Scope {
	if l.Scope == "" {
		return ScopeSubscription
	}
	return l.Scope
}

// inForce tells whether the subscription's limits count now. Those of a
// suspended one do: what it has spent is not given back by suspending it.
func (r *Subscription) inForce(now time.Time) bool {
	return (r.Spec.State == StateActive || r.Spec.State == StateSuspended) &&
		(r.Spec.StartsAt == nil || !now.Before(*r.Spec.StartsAt)) && (r.Spec.EndsAt == nil || now.Before(*r.Spec.EndsAt))
}
