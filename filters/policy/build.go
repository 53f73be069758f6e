package policy

import (
	"errors"
	"slices"
	"strings"
)

// Source is a policy before it is compiled. Its owner has validated it: names
// are there, references lead somewhere, limits are within bounds.
type Source struct {
	Lineage [16]byte
	Version uint64
	Time    int64 // Unix milliseconds
	Emptied bool  // an operator took the last product away

	Hosts       []SourceHost
	Products    []SourceProduct
	Plans       []SourcePlan
	Partners    []SourcePartner
	Grants      []SourceGrant
	Credentials []SourceCredential
	// Lists are more credentials, in lists that somebody else keeps: copying them
	// all for each change would cost as much as comparing them.
	Lists [][]SourceCredential
}

// credentials goes through all of them.
func (src *Source) credentials(yield func(*SourceCredential) bool) {
	for i := range src.Credentials {
		if !yield(&src.Credentials[i]) {
			return
		}
	}
	for _, list := range src.Lists {
		for i := range list {
			if !yield(&list[i]) {
				return
			}
		}
	}
}

// SourceHost is a host, canonical, and the environment that it belongs to.
type SourceHost struct{ Host, Environment string }

// SourceProduct is a published or deprecated product.
type SourceProduct struct {
	Name         string
	Capacity     *SourceLimit
	Operations   []SourceOperation
	Environments []SourceEnvironment
}

// SourceOperation is a method and a canonical path template.
type SourceOperation struct{ ID, Method, Path string }

// SourceEnvironment is where a product is served.
type SourceEnvironment struct {
	Name  string
	Hosts []string
}

// SourcePlan is a plan.
type SourcePlan struct {
	Name   string
	Weight uint32
	Limits []SourceLimit
}

// SourceLimit is a limit; Burst is of rates only.
type SourceLimit struct {
	Name            string
	Kind            LimitKind
	Scope           Scope
	Requests, Burst uint64
	Operations      []string
}

// SourcePartner is a partner.
type SourcePartner struct {
	Name      string
	Suspended bool
}

// SourceGrant is a subscription, active or suspended, to a product that is in
// the Source.
type SourceGrant struct {
	Partner, Environment, Product, Subscription, Plan string
	Suspended                                         bool
	StartsAt, EndsAt                                  int64         // Unix milliseconds; 0 for open
	Operations, Applications                          []string      // none: all
	Limits                                            []SourceLimit // all that apply, where there are overrides; nil: the plan's
}

// SourceCredential is a credential.
type SourceCredential struct {
	Kind                     CredentialKind
	Digest                   [32]byte
	ID, Partner, Application string
	Environment              string
	ExpiresAt, RevokedAt     int64 // Unix milliseconds; 0 for never
	Imported                 bool  // the key may have any form
}

// Built is a compiled policy: what Loader reads. Parts are by their digest.
type Built struct {
	Manifest string
	Parts    map[[32]byte]string
}

// Build compiles. Equal sources give equal bytes, and a part changes only when
// one of its records does. held, which may be nil, is the snapshot before: its
// division into shards is kept while it fits.
func Build(src *Source, held *Snapshot) (*Built, error) { return new(Builder).Build(src, held) }

// Builder compiles one version of a policy after the other. It remembers what
// it compiled last, so that a small change costs little; what it returns is
// what Build returns. It is for one caller at a time.
type Builder struct {
	tables [NumTables]tableBuilder
}

// Build is the function Build. It keeps nothing of src.
func (b *Builder) Build(src *Source, held *Snapshot) (*Built, error) {
	built, err := b.build(src, held)
	if err != nil {
		*b = Builder{} // half of it is of a policy that never was
	}
	return built, err
}

func (b *Builder) build(src *Source, held *Snapshot) (*Built, error) {
	if err := b.encode(src); err != nil {
		return nil, err
	}
	m := &Manifest{Lineage: src.Lineage, Version: src.Version, Time: src.Time, Emptied: src.Emptied, Imported: src.imported()}
	built := &Built{Parts: make(map[[32]byte]string)}
	var entries []ManifestEntry
	for t := range b.tables {
		hint := -1
		if held != nil {
			hint = int(held.manifest.Bits[t])
		}
		m.Bits[t] = shardBits(b.tables[t].size, hint)
		of, err := b.tables[t].parts(Table(t), m.Bits[t], built.Parts)
		if err != nil {
			return nil, err
		}
		entries = append(entries, of...)
	}
	if len(entries) > MaxParts {
		return nil, ErrTooLarge
	}
	built.Manifest = string(appendManifest(m, entries))
	return built, nil
}

// encode fills the tables.
func (b *Builder) encode(src *Source) error {
	begun := func(t Table) *tableBuilder {
		b.tables[t].begin()
		return &b.tables[t]
	}
	src.encodeHosts(begun(TableHosts))
	src.encodeCredentials(begun(TableCredentials))
	src.encodePlans(begun(TablePlans))
	byPartner := src.grantsByPartner()
	src.encodePartners(begun(TablePartners), byPartner)
	if err := src.encodeGrants(begun(TableGrants), byPartner); err != nil {
		return err
	}
	products := begun(TableProducts)
	if src.encodeProducts(products); products.unchanged() {
		return nil // then so are the nodes, which are made of nothing else
	}
	return src.encodeNodes(begun(TableNodes))
}

// imported reports whether a credential is a key that was imported.
func (src *Source) imported() bool {
	for c := range src.credentials {
		if c.Imported {
			return true
		}
	}
	return false
}

// Load makes the snapshot of what was built; held is the one before, or nil.
func (b *Built) Load(held *Snapshot) (*Snapshot, error) {
	m, err := ParseManifest(b.Manifest)
	if err != nil {
		return nil, err
	}
	l := NewLoader(m, held)
	for _, e := range slices.Clone(l.Missing()) {
		if err := l.Add(e.PartID, b.Parts[e.Digest]); err != nil {
			return nil, err
		}
	}
	return l.Snapshot()
}

func (src *Source) encodeHosts(t *tableBuilder) {
	for _, h := range src.Hosts {
		t.add(appendString(t.start(h.Host), h.Environment))
	}
}

func (src *Source) encodeCredentials(t *tableBuilder) {
	var identity [1 + digestSize]byte
	for c := range src.credentials {
		identity[0] = byte(c.Kind)
		copy(identity[1:], c.Digest[:])
		b := t.startBytes(identity[:])
		for _, s := range [...]string{c.ID, c.Partner, c.Application, c.Environment} {
			b = appendString(b, s)
		}
		t.add(appendUint64(appendUint64(b, uint64(c.ExpiresAt)), uint64(c.RevokedAt)))
	}
}

// partnerGrants are all grants of one partner, by environment, product and
// subscription.
type partnerGrants []*SourceGrant

func (src *Source) grantsByPartner() []partnerGrants {
	all := make([]*SourceGrant, len(src.Grants))
	for i := range src.Grants {
		all[i] = &src.Grants[i]
	}
	byPartner := func(a, b *SourceGrant) int { return strings.Compare(a.Partner, b.Partner) }
	if !slices.IsSortedFunc(all, byPartner) {
		slices.SortFunc(all, byPartner)
	}
	var groups []partnerGrants
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && all[to].Partner == all[from].Partner {
			to++
		}
		slices.SortFunc(all[from:to], (*SourceGrant).compare)
		groups = append(groups, all[from:to])
		from = to
	}
	return groups
}

// compare orders the grants of one partner.
func (g *SourceGrant) compare(other *SourceGrant) int {
	if order := strings.Compare(g.Environment, other.Environment); order != 0 {
		return order
	}
	if order := strings.Compare(g.Product, other.Product); order != 0 {
		return order
	}
	return strings.Compare(g.Subscription, other.Subscription)
}

// next cuts off the grants for the first environment and product.
func (g partnerGrants) next() (same, rest partnerGrants) {
	n := 1
	for n < len(g) && g[n].Environment == g[0].Environment && g[n].Product == g[0].Product {
		n++
	}
	return g[:n], g[n:]
}

func (src *Source) encodePartners(t *tableBuilder, byPartner []partnerGrants) {
	grants := make(map[string]partnerGrants, len(byPartner))
	for _, g := range byPartner {
		grants[g[0].Partner] = g
	}
	for _, p := range src.Partners {
		flags := byte(0)
		if p.Suspended {
			flags = partnerSuspend
		}
		b := append(t.start(p.Name), flags, 0, 0)
		count, at := 0, len(b)-2
		for of := grants[p.Name]; len(of) > 0; count++ {
			b = appendString(appendString(b, of[0].Environment), of[0].Product)
			_, of = of.next()
		}
		b[at], b[at+1] = byte(count), byte(count>>8)
		t.add(b)
	}
}

func (src *Source) encodeGrants(t *tableBuilder, byPartner []partnerGrants) error {
	var identity []byte
	for _, of := range byPartner {
		for len(of) > 0 {
			var same partnerGrants
			same, of = of.next()
			identity = append(append(identity[:0], same[0].Partner...), '/')
			identity = append(append(identity, same[0].Environment...), '/')
			identity = append(identity, same[0].Product...)
			if len(same) > 255 {
				return errors.New("policy: " + string(identity) + " has more than 255 subscriptions; end some")
			}
			b := append(t.startBytes(identity), byte(len(same)))
			for _, g := range same {
				b = g.append(b)
			}
			t.add(b)
		}
	}
	return nil
}

func (g *SourceGrant) append(b []byte) []byte {
	var flags byte
	if g.Suspended {
		flags |= grantSuspended
	}
	if g.Limits != nil {
		flags |= grantOwnLimits
	}
	b = append(appendString(b, g.Subscription), flags)
	b = appendUint64(appendUint64(b, uint64(g.StartsAt)), uint64(g.EndsAt))
	b = appendString(b, g.Plan)
	b = appendStrings(appendStrings(b, g.Operations), g.Applications)
	if g.Limits != nil {
		b = appendLimits(b, g.Limits)
	}
	return b
}

func (src *Source) encodePlans(t *tableBuilder) {
	for _, p := range src.Plans {
		t.add(appendLimits(appendUint32(t.start(p.Name), p.Weight), p.Limits))
	}
}

func (src *Source) encodeProducts(t *tableBuilder) {
	for i := range src.Products {
		p := &src.Products[i]
		b := t.start(p.Name)
		if p.Capacity != nil {
			b = appendLimit(append(b, 1), p.Capacity)
		} else {
			b = append(b, 0)
		}
		b = appendUint16(b, uint16(len(p.Operations)))
		for _, o := range p.Operations {
			b = appendString(appendString(appendString(b, o.ID), o.Method), o.Path)
		}
		b = append(b, byte(len(p.Environments)))
		for _, e := range p.Environments {
			b = appendStrings(appendString(b, e.Name), e.Hosts)
		}
		t.add(b)
	}
}

func appendStrings(b []byte, list []string) []byte {
	b = appendUint16(b, uint16(len(list)))
	for _, s := range list {
		b = appendString(b, s)
	}
	return b
}

func appendLimits(b []byte, limits []SourceLimit) []byte {
	b = append(b, byte(len(limits)))
	for i := range limits {
		b = appendLimit(b, &limits[i])
	}
	return b
}

func appendLimit(b []byte, l *SourceLimit) []byte {
	b = append(appendString(b, l.Name), byte(l.Kind), byte(l.Scope))
	return appendStrings(appendUint64(appendUint64(b, l.Requests), l.Burst), l.Operations)
}
