package manager

import (
	"cmp"
	"slices"
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
)

// ReasonOperationOverlap is the Reason of an Error about a partner that would
// hold one host, method and path by two subscriptions.
const ReasonOperationOverlap = "operation_overlap"

// policyCheck checks what resources say about each other. It looks only at what
// the changes can have broken, so that one change of a large policy is cheap.
type policyCheck struct {
	*problems
	state   *state
	partial bool // what is not in state may exist nevertheless

	overlaps map[overlapKey][]overlap
}

// changes checks state, which is the policy after the changes.
func (c *policyCheck) changes(changes []Change) {
	c.overlaps = map[overlapKey][]overlap{}
	touched := touchedBy(changes)
	if touched.products != nil {
		c.hosts(touched.products)
	}
	for _, change := range changes {
		if change.After != nil {
			c.resource = change.Ref.String()
			c.references(change.After)
		}
	}
	if !c.partial && (touched.plans != nil || touched.products != nil) {
		c.planOperations()
	}
	for _, name := range c.touchedPartners(&touched) {
		c.partner(c.state.partners[name], touched.subscriptions)
	}
	c.resource = ""
}

// touched is what changes can have broken something about.
type touched struct {
	products, plans map[string]bool
	partners        map[string]bool // whose subscriptions changed
	subscriptions   map[Ref]bool
}

func touchedBy(changes []Change) touched {
	t := touched{subscriptions: map[Ref]bool{}}
	note := func(set *map[string]bool, name string) {
		if *set == nil {
			*set = map[string]bool{}
		}
		(*set)[name] = true
	}
	for _, c := range changes {
		switch c.Ref.Kind {
		case KindProduct:
			note(&t.products, c.Ref.Name)
		case KindPlan:
			note(&t.plans, c.Ref.Name)
		case KindSubscription:
			note(&t.partners, c.Ref.Partner)
			t.subscriptions[c.Ref] = true
		}
	}
	return t
}

// touchedPartners are those whose subscriptions have to be looked at, in order.
func (c *policyCheck) touchedPartners(t *touched) []string {
	var list []string
	if t.products == nil && t.plans == nil {
		for name := range t.partners {
			if c.state.partners[name] != nil {
				list = append(list, name)
			}
		}
	} else {
		for name, p := range c.state.partners {
			if t.partners[name] || t.uses(p) {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return list
}

// uses tells whether a subscription of the partner is to a product or plan touched.
func (t *touched) uses(p *partnerState) bool {
	for _, s := range p.subscriptions {
		if t.products[s.Spec.Product] || t.plans[s.Spec.Plan] {
			return true
		}
	}
	return false
}

// references checks that what r names exists.
func (c *policyCheck) references(r Resource) {
	switch r := r.(type) {
	case *Product:
		for _, environment := range names(r.Spec.Environments) {
			c.exists(Ref{Kind: KindEnvironment, Name: environment}, field("spec.environments", environment))
		}
	case *Application:
		c.exists(Ref{Kind: KindPartner, Name: r.Metadata.Partner}, "metadata.partner")
	case *Subscription:
		c.exists(Ref{Kind: KindPartner, Name: r.Metadata.Partner}, "metadata.partner")
		c.exists(Ref{Kind: KindProduct, Name: r.Spec.Product}, "spec.product")
		c.exists(Ref{Kind: KindEnvironment, Name: r.Spec.Environment}, "spec.environment")
		if r.Spec.Plan != "" {
			c.exists(Ref{Kind: KindPlan, Name: r.Spec.Plan}, "spec.plan")
		}
		for i, name := range r.Spec.Applications {
			c.exists(Ref{Kind: KindApplication, Partner: r.Metadata.Partner, Name: name}, index("spec.applications", i))
		}
	}
}

func (c *policyCheck) exists(ref Ref, path string) {
	if c.partial || c.state.get(ref) != nil {
		return
	}
	c.addf(0, path, "there is no %s %s; create it first, or together with this one", strings.ToLower(string(ref.Kind)), shortened(ref.Name))
}

// hosts checks that a host belongs to one environment. Of two products that
// disagree, one that changed is reported.
func (c *policyCheck) hosts(changed map[string]bool) {
	type owner struct{ environment, product string }
	owners := map[string]owner{}
	products := names(c.state.products)
	slices.SortStableFunc(products, func(a, b string) int { return cmp.Compare(order(changed[a]), order(changed[b])) })
	for _, name := range products {
		product := c.state.products[name]
		c.resource = product.Ref().String()
		for _, environment := range names(product.Spec.Environments) {
			for i, host := range product.Spec.Environments[environment].Hosts {
				first, taken := owners[host]
				if !taken {
					owners[host] = owner{environment, name}
				} else if first.environment != environment {
					c.addf(0, index(field("spec.environments", environment)+".hosts", i),
						"%s belongs to the environment %s already (product %s); give each environment its own host", host, first.environment, first.product)
				}
			}
		}
	}
}

// order sorts false before true.
func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// planOperations checks that the operations that a plan's limits name exist in
// some product: a plan may serve several, of which not all have each operation.
func (c *policyCheck) planOperations() {
	c.state.missingOperations(func(plan *Plan, limit, operation int) {
		c.resource = plan.Ref().String()
		id := plan.Spec.Limits[limit].Operations[operation]
		c.addf(0, index(index("spec.limits", limit)+".operations", operation), "no product has an operation %q; name an operation id", shortened(id))
	})
}

// plansWithoutOperation lists the plans that name an operation which no product has.
func (s *state) plansWithoutOperation() (plans []Ref) {
	s.missingOperations(func(plan *Plan, _, _ int) {
		if ref := plan.Ref(); len(plans) == 0 || plans[len(plans)-1] != ref {
			plans = append(plans, ref)
		}
	})
	return plans
}

// missingOperations calls missing for each operation that a plan's limits name
// and no product has, in the order of plans and limits.
func (s *state) missingOperations(missing func(plan *Plan, limit, operation int)) {
	var known map[string]bool
	for _, name := range names(s.plans) {
		plan := s.plans[name]
		for i, l := range plan.Spec.Limits {
			if l.Operations != nil && known == nil {
				known = s.allOperations()
			}
			for j, id := range l.Operations {
				if !known[id] {
					missing(plan, i, j)
				}
			}
		}
	}
}

func (s *state) allOperations() map[string]bool {
	known := map[string]bool{}
	for _, product := range s.products {
		for _, o := range product.Spec.Operations {
			known[o.ID] = true
		}
	}
	return known
}

// partner checks the subscriptions of one partner, each and against the others.
// Of two that disagree one that changed is reported.
func (c *policyCheck) partner(p *partnerState, changed map[Ref]bool) {
	list := make([]*Subscription, 0, len(p.subscriptions))
	for _, name := range names(p.subscriptions) {
		s := p.subscriptions[name]
		c.resource = s.Ref().String()
		c.subscription(s)
		if s.Spec.State == StateActive || s.Spec.State == StateSuspended {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b *Subscription) int { return cmp.Compare(order(changed[a.Ref()]), order(changed[b.Ref()])) })
	for i, later := range list {
		for _, earlier := range list[:i] {
			if earlier.Spec.Environment == later.Spec.Environment {
				c.resource = later.Ref().String()
				c.sharedLimits(earlier, later)
				c.overlap(earlier, later)
			}
		}
	}
}

// subscription checks the operations that s names, and how many limits it ends up with.
func (c *policyCheck) subscription(s *Subscription) {
	if product := c.state.products[s.Spec.Product]; product != nil {
		c.operationsExist(product, s.Spec.Operations, "spec.operations")
		if s.Spec.Overrides != nil {
			for i, l := range s.Spec.Overrides.Limits {
				c.operationsExist(product, l.Operations, index("spec.overrides.limits", i)+".operations")
			}
		}
	}
	if n := len(c.state.limits(s)); n > policy.MaxLimits {
		c.addf(0, "spec.overrides.limits", "with those of the plan there are %d limits; at most %d are allowed", n, policy.MaxLimits)
	}
}

func (c *policyCheck) operationsExist(product *Product, ids []string, path string) {
	for i, id := range ids {
		if !slices.ContainsFunc(product.Spec.Operations, func(o Operation) bool { return o.ID == id }) {
			c.addf(0, index(path, i), "the product %s has no operation %q; name one of its operation ids", product.Metadata.Name, shortened(id))
		}
	}
}

// limits are the limits of a subscription: its plan's, with its overrides.
func (s *state) limits(of *Subscription) []Limit {
	var limits []Limit
	if plan := s.plans[of.Spec.Plan]; plan != nil {
		limits = plan.Spec.Limits
	}
	if of.Spec.Overrides == nil {
		return limits
	}
	limits = slices.Clone(limits)
	for _, override := range of.Spec.Overrides.Limits {
		i := slices.IndexFunc(limits, func(l Limit) bool { return l.Name == override.Name })
		if i < 0 {
			limits = append(limits, override)
		} else {
			limits[i] = override
		}
	}
	return limits
}

// sharedLimits checks that two subscriptions agree on the limits that count
// for the whole partner: there is one counter, so there is one contract.
func (c *policyCheck) sharedLimits(a, b *Subscription) {
	others := c.state.limits(a)
	for _, l := range c.state.limits(b) {
		if l.Scope != ScopePartner {
			continue
		}
		for _, other := range others {
			if other.Scope != ScopePartner || other.Name != l.Name {
				continue
			}
			if kind, requests, burst := l.contract(); !other.is(kind, requests, burst) {
				c.addf(0, "spec.plan", "the limit %q counts for the whole partner, and the subscription %s gives it other numbers in this environment; give it the same numbers or another name", l.Name, a.Metadata.Name)
			}
		}
	}
}

// contract is what a limit counts and how much it allows.
func (l *Limit) contract() (kind policy.LimitKind, requests, burst int64) {
	switch {
	case l.Rate != nil:
		kind = map[string]policy.LimitKind{"second": policy.RatePerSecond, "minute": policy.RatePerMinute, "hour": policy.RatePerHour}[l.Rate.Per]
		return kind, l.Rate.Requests, cmp.Or(l.Rate.Burst, l.Rate.Requests)
	case l.Quota != nil && l.Quota.Per == "day":
		return policy.QuotaPerDay, l.Quota.Requests, 0
	case l.Quota != nil:
		return policy.QuotaPerMonth, l.Quota.Requests, 0
	case l.Concurrency != nil:
		return policy.InFlight, l.Concurrency.Requests, 0
	}
	return 0, 0, 0
}

// is tells whether l is such a contract, or of another kind, which has a counter of its own.
func (l *Limit) is(kind policy.LimitKind, requests, burst int64) bool {
	k, r, b := l.contract()
	return k != kind || r == requests && b == burst
}
