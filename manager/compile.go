package manager

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// revokedFor is how long a revoked key is told from one that never was.
const revokedFor = 30 * 24 * time.Hour

// compiler makes snapshots; a small change after another costs it little.
type compiler struct {
	mu      sync.Mutex // dry runs compile beside changes
	builder policy.Builder
}

func (c *compiler) build(src *policy.Source, held *policy.Snapshot) (*policy.Built, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.builder.Build(src, held)
}

// compiled is a policy's snapshot before it is published.
type compiled struct {
	policy   *state
	built    *policy.Built
	snapshot *policy.Snapshot
}

// compile makes the snapshot of a policy, and reads it back as a filter would.
func (s *Service) compile(ctx context.Context, of *state) (_ *compiled, err error) {
	_, end := s.tracing.begin(ctx, "policy.compile")
	defer func() { end(err) }()
	var held *policy.Snapshot
	if published := s.Published(); published != nil {
		held = published.Snapshot
	}
	started := time.Now()
	built, err := s.compiler.build(of.source(), held)
	if err == nil {
		var snapshot *policy.Snapshot
		if snapshot, err = built.Load(held); err == nil {
			s.metrics.compiledIn(time.Since(started))
			return &compiled{policy: of, built: built, snapshot: snapshot}, nil
		}
	}
	return nil, &Error{Code: CodeInvalid, Reason: ReasonPolicyLimit, Message: "the policy cannot be compiled: " + err.Error()}
}

// source is the policy in the words of its compiler. It depends on nothing but
// the policy, so that every manager compiles the same: its time is that of the
// last change.
func (s *state) source() *policy.Source {
	src := &policy.Source{Lineage: s.lineage, Version: uint64(s.revision), Emptied: s.emptied}
	changed := s.lastChange()
	if !changed.IsZero() {
		src.Time = changed.UnixMilli()
	}
	hosts := map[string]bool{}
	for _, name := range names(s.products) {
		if product := s.products[name]; callable(product) {
			src.Products = append(src.Products, sourceProduct(product))
			src.Hosts = appendHosts(src.Hosts, product, hosts)
		}
	}
	for _, name := range names(s.plans) {
		plan := s.plans[name]
		src.Plans = append(src.Plans, policy.SourcePlan{Name: name, Weight: uint32(max(1, plan.Spec.Weight)), Limits: sourceLimits(plan.Spec.Limits)})
	}
	s.sourcePartners(src, changed)
	return src
}

// lastChange is when the newest of the resources was written.
func (s *state) lastChange() (last time.Time) {
	note := func(m *Metadata) {
		if m.UpdatedAt.After(last) {
			last = m.UpdatedAt
		}
	}
	for _, r := range s.environments {
		note(&r.Metadata)
	}
	for _, r := range s.products {
		note(&r.Metadata)
	}
	for _, r := range s.plans {
		note(&r.Metadata)
	}
	for _, p := range s.partners {
		if at := p.digested().changed; at.After(last) {
			last = at
		}
	}
	return last
}

// partnerDigest is what compiling takes from one partner, worked out once: a
// change leaves nearly all partners as they are.
type partnerDigest struct {
	once          sync.Once
	changed       time.Time       // the last of all that the partner owns
	subscriptions []*Subscription // by name
	credentials   []policy.SourceCredential
	revoked       int64 // when the first of them was, Unix milliseconds; 0 for none
}

func (p *partnerState) digested() *partnerDigest {
	p.digest.once.Do(func() { p.digest.fill(p) })
	return p.digest
}

func (d *partnerDigest) fill(p *partnerState) {
	note := func(m *Metadata) {
		if m.UpdatedAt.After(d.changed) {
			d.changed = m.UpdatedAt
		}
	}
	if p.partner != nil {
		note(&p.partner.Metadata)
	}
	for _, r := range p.applications {
		note(&r.Metadata)
	}
	for _, name := range names(p.subscriptions) {
		r := p.subscriptions[name]
		note(&r.Metadata)
		d.subscriptions = append(d.subscriptions, r)
	}
	for _, id := range names(p.credentials) {
		c := p.credentials[id]
		note(&c.Metadata)
		d.credentials = append(d.credentials, policy.SourceCredential{
			Kind: policy.APIKey, Digest: c.Digest, ID: id, Partner: c.Metadata.Partner, Application: c.Application,
			Environment: c.Environment, ExpiresAt: unixMilli(c.ExpiresAt), RevokedAt: unixMilli(c.RevokedAt),
			Imported: c.Imported(),
		})
		if at := unixMilli(c.RevokedAt); at != 0 && (d.revoked == 0 || at < d.revoked) {
			d.revoked = at
		}
	}
}

func (s *state) sourcePartners(src *policy.Source, at time.Time) {
	subscriptions := 0
	for _, p := range s.partners {
		subscriptions += len(p.subscriptions)
	}
	src.Partners = make([]policy.SourcePartner, 0, len(s.partners))
	src.Grants = make([]policy.SourceGrant, 0, subscriptions)
	src.Lists = make([][]policy.SourceCredential, 0, len(s.partners))
	for _, name := range names(s.partners) {
		s.sourcePartner(src, s.partners[name], at)
	}
}

func (s *state) sourcePartner(src *policy.Source, p *partnerState, at time.Time) {
	if p.partner == nil {
		return
	}
	src.Partners = append(src.Partners, policy.SourcePartner{Name: p.partner.Metadata.Name, Suspended: p.partner.Spec.State == StateSuspended})
	digest := p.digested()
	for _, r := range digest.subscriptions {
		if inForce := r.Spec.State == StateActive || r.Spec.State == StateSuspended; inForce && callable(s.products[r.Spec.Product]) {
			src.Grants = append(src.Grants, s.sourceGrant(r))
		}
	}
	src.Lists = append(src.Lists, digest.remembered(at.Add(-revokedFor).UnixMilli()))
}

// remembered are the credentials but for those revoked before a time.
func (d *partnerDigest) remembered(since int64) []policy.SourceCredential {
	if d.revoked == 0 || d.revoked >= since {
		return d.credentials
	}
	forgotten := func(c policy.SourceCredential) bool { return c.RevokedAt != 0 && c.RevokedAt < since }
	return slices.DeleteFunc(slices.Clone(d.credentials), forgotten)
}

func (s *state) sourceGrant(r *Subscription) policy.SourceGrant {
	grant := policy.SourceGrant{
		Partner: r.Metadata.Partner, Environment: r.Spec.Environment, Product: r.Spec.Product,
		Subscription: r.Metadata.Name, Plan: r.Spec.Plan, Suspended: r.Spec.State == StateSuspended,
		StartsAt: unixMilli(r.Spec.StartsAt), EndsAt: unixMilli(r.Spec.EndsAt),
		Operations: r.Spec.Operations, Applications: r.Spec.Applications,
	}
	if r.Spec.Overrides != nil {
		grant.Limits = sourceLimits(s.limits(r))
	}
	return grant
}

func sourceProduct(product *Product) policy.SourceProduct {
	p := policy.SourceProduct{Name: product.Metadata.Name}
	if product.Spec.Capacity != nil {
		capacity := sourceLimit(capacityLimit(product))
		p.Capacity = &capacity
	}
	for _, o := range product.Spec.Operations {
		p.Operations = append(p.Operations, policy.SourceOperation{ID: o.ID, Method: o.Method, Path: o.Path})
	}
	for _, environment := range names(product.Spec.Environments) {
		p.Environments = append(p.Environments, policy.SourceEnvironment{Name: environment, Hosts: product.Spec.Environments[environment].Hosts})
	}
	return p
}

func appendHosts(hosts []policy.SourceHost, product *Product, seen map[string]bool) []policy.SourceHost {
	for _, environment := range names(product.Spec.Environments) {
		for _, host := range product.Spec.Environments[environment].Hosts {
			if !seen[host] {
				seen[host] = true
				hosts = append(hosts, policy.SourceHost{Host: host, Environment: environment})
			}
		}
	}
	return hosts
}

// sourceLimits is never nil: nil would mean the plan's.
func sourceLimits(limits []Limit) []policy.SourceLimit {
	all := make([]policy.SourceLimit, len(limits))
	for i := range limits {
		all[i] = sourceLimit(&limits[i])
	}
	return all
}

func sourceLimit(l *Limit) policy.SourceLimit {
	kind, requests, burst := l.contract()
	scope := policy.ScopeSubscription
	switch l.Scope {
	case ScopePartner:
		scope = policy.ScopePartner
	case ScopeApplication:
		scope = policy.ScopeApplication
	}
	return policy.SourceLimit{Name: l.Name, Kind: kind, Scope: scope, Requests: uint64(requests), Burst: uint64(burst), Operations: l.Operations}
}

// unixMilli is 0 for no time.
func unixMilli(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}
