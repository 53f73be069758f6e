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
func Build(src *Source, held *Snapshot) (*Built, error) {
	var tables [NumTables]recordSet
	src.encodeHosts(&tables[TableHosts])
	src.encodeNodes(&tables[TableNodes])
	src.encodeCredentials(&tables[TableCredentials])
	src.encodePartners(&tables[TablePartners])
	src.encodeGrants(&tables[TableGrants])
	src.encodePlans(&tables[TablePlans])
	src.encodeProducts(&tables[TableProducts])

	m := &Manifest{Lineage: src.Lineage, Version: src.Version, Time: src.Time, Emptied: src.Emptied, Imported: src.imported()}
	built := &Built{Parts: make(map[[32]byte]string)}
	var entries []ManifestEntry
	for t := range tables {
		hint := -1
		if held != nil {
			hint = int(held.manifest.Bits[t])
		}
		m.Bits[t] = tables[t].shardBits(hint)
		of, err := tables[t].parts(Table(t), m.Bits[t], built.Parts)
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

// imported reports whether a credential is a key that was imported.
func (src *Source) imported() bool {
	for i := range src.Credentials {
		if src.Credentials[i].Imported {
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

func (src *Source) encodeHosts(set *recordSet) {
	for _, h := range src.Hosts {
		set.add(h.Host, appendString(nil, h.Environment))
	}
}

func (src *Source) encodeCredentials(set *recordSet) {
	for i := range src.Credentials {
		c := &src.Credentials[i]
		b := make([]byte, 0, 96)
		for _, s := range [...]string{c.ID, c.Partner, c.Application, c.Environment} {
			b = appendString(b, s)
		}
		b = appendUint64(appendUint64(b, uint64(c.ExpiresAt)), uint64(c.RevokedAt))
		set.add(string(append([]byte{byte(c.Kind)}, c.Digest[:]...)), b)
	}
}

func (src *Source) encodePartners(set *recordSet) {
	type held struct{ environment, product string }
	grants := make(map[string][]held, len(src.Partners))
	for i := range src.Grants {
		g := &src.Grants[i]
		grants[g.Partner] = append(grants[g.Partner], held{g.Environment, g.Product})
	}
	for _, p := range src.Partners {
		of := grants[p.Name]
		slices.SortFunc(of, func(a, b held) int {
			return strings.Compare(a.environment+"/"+a.product, b.environment+"/"+b.product)
		})
		of = slices.Compact(of)
		b := []byte{0}
		if p.Suspended {
			b[0] = partnerSuspend
		}
		b = appendUint16(b, uint16(len(of)))
		for _, h := range of {
			b = appendString(appendString(b, h.environment), h.product)
		}
		set.add(p.Name, b)
	}
}

func (src *Source) encodeGrants(set *recordSet) {
	byIdentity := make(map[string][]*SourceGrant, len(src.Grants))
	for i := range src.Grants {
		g := &src.Grants[i]
		identity := g.Partner + "/" + g.Environment + "/" + g.Product
		byIdentity[identity] = append(byIdentity[identity], g)
	}
	for identity, grants := range byIdentity {
		if len(grants) > 255 {
			set.err = errors.New("policy: " + identity + " has more than 255 subscriptions; end some")
			return
		}
		slices.SortFunc(grants, func(a, b *SourceGrant) int { return strings.Compare(a.Subscription, b.Subscription) })
		b := []byte{byte(len(grants))}
		for _, g := range grants {
			b = g.append(b)
		}
		set.add(identity, b)
	}
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

func (src *Source) encodePlans(set *recordSet) {
	for _, p := range src.Plans {
		set.add(p.Name, appendLimits(appendUint32(nil, p.Weight), p.Limits))
	}
}

func (src *Source) encodeProducts(set *recordSet) {
	for i := range src.Products {
		p := &src.Products[i]
		b := []byte{0}
		if p.Capacity != nil {
			b = appendLimit([]byte{1}, p.Capacity)
		}
		b = appendUint16(b, uint16(len(p.Operations)))
		for _, o := range p.Operations {
			b = appendString(appendString(appendString(b, o.ID), o.Method), o.Path)
		}
		b = append(b, byte(len(p.Environments)))
		for _, e := range p.Environments {
			b = appendStrings(appendString(b, e.Name), e.Hosts)
		}
		set.add(p.Name, b)
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
