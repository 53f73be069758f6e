package manager

import "slices"

// overlapKey names two products in an environment.
type overlapKey struct{ a, b, environment string }

// overlap is one route that two products both have on one host.
type overlap struct {
	host, route string // route: method and template
	a, b        string // operation ids
}

// overlap reports where two subscriptions of a partner in one environment hold
// the same host, method and template at the same time. Which of the two a
// request was for, and whose limits it takes from, could not be told.
func (c *policyCheck) overlap(earlier, later *Subscription) {
	if !sameTime(&earlier.Spec, &later.Spec) {
		return
	}
	const most = 3 // routes named; one tells enough
	if earlier.Spec.Product == later.Spec.Product {
		c.reason = ReasonOperationOverlap
		c.addf(0, "spec.product", "operation_overlap: the subscription %s is to %s in %s at the same time; end one, or give them dates that follow each other",
			earlier.Metadata.Name, later.Spec.Product, later.Spec.Environment)
		return
	}
	reported := 0
	for _, o := range c.productOverlap(earlier.Spec.Product, later.Spec.Product, later.Spec.Environment) {
		if reported == most || !holds(&earlier.Spec, o.a) || !holds(&later.Spec, o.b) {
			continue
		}
		reported++
		c.reason = ReasonOperationOverlap
		c.addf(0, "spec.product", "operation_overlap: %s on %s is also in the product %s, which the partner holds by the subscription %s; leave the operation out of one of the two",
			o.route, o.host, earlier.Spec.Product, earlier.Metadata.Name)
	}
}

// sameTime tells whether the dates of two subscriptions have a moment in common.
func sameTime(a, b *SubscriptionSpec) bool {
	return (a.EndsAt == nil || b.StartsAt == nil || b.StartsAt.Before(*a.EndsAt)) &&
		(b.EndsAt == nil || a.StartsAt == nil || a.StartsAt.Before(*b.EndsAt))
}

func holds(s *SubscriptionSpec, operation string) bool {
	return s.Operations == nil || slices.Contains(s.Operations, operation)
}

// productOverlap lists the routes that two products share in an environment,
// computed once for all partners that hold both.
func (c *policyCheck) productOverlap(a, b, environment string) []overlap {
	key := overlapKey{a, b, environment}
	found, known := c.overlaps[key]
	if !known {
		found = overlapOf(c.state.products[a], c.state.products[b], environment)
		c.overlaps[key] = found
	}
	return found
}

func overlapOf(a, b *Product, environment string) []overlap {
	if !callable(a) || !callable(b) {
		return nil
	}
	hosts := b.Spec.Environments[environment].Hosts
	shared := slices.IndexFunc(a.Spec.Environments[environment].Hosts, func(host string) bool { return slices.Contains(hosts, host) })
	if shared < 0 {
		return nil
	}
	host := a.Spec.Environments[environment].Hosts[shared]
	routes := make(map[string]string, len(a.Spec.Operations))
	for _, o := range a.Spec.Operations {
		routes[o.Method+" "+templateIdentity(o.Path)] = o.ID
	}
	var found []overlap
	for _, o := range b.Spec.Operations {
		if id, both := routes[o.Method+" "+templateIdentity(o.Path)]; both {
			found = append(found, overlap{host: host, route: o.Method + " " + o.Path, a: id, b: o.ID})
		}
	}
	return found
}

// callable tells whether a product's operations can be called at all.
func callable(p *Product) bool {
	return p != nil && (p.Spec.Lifecycle == LifecyclePublished || p.Spec.Lifecycle == LifecycleDeprecated)
}
