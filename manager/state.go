package manager

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// state is the whole policy in memory, at one revision. It is never changed:
// with makes the next one, sharing all that stays.
type state struct {
	lineage  [16]byte
	revision int64
	// changedAt is when this revision was made; zero where the store does not tell.
	changedAt time.Time
	// emptied says that it served something until somebody took the last away.
	emptied bool

	environments map[string]*Environment
	products     map[string]*Product
	plans        map[string]*Plan
	partners     map[string]*partnerState
	credentials  credentialIndex

	lookup *lookup // of this revision alone
}

// partnerState is a partner with all that it owns. Partner is nil where
// resources name a partner that does not exist, which validation reports.
type partnerState struct {
	partner       *Partner
	applications  map[string]*Application
	subscriptions map[string]*Subscription
	credentials   map[string]*Credential

	digest *partnerDigest
}

// credentialIndex finds credentials by public id. It is divided so that a new
// key copies a few hundred entries, not all.
type credentialIndex [256]map[string]*Credential

func (x *credentialIndex) shard(id string) *map[string]*Credential {
	h := uint32(2166136261) // FNV-1a
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return &x[byte(h^h>>8)]
}

func (x *credentialIndex) get(id string) *Credential { return (*x.shard(id))[id] }

func newState() *state {
	return &state{
		lookup:       &lookup{},
		environments: map[string]*Environment{},
		products:     map[string]*Product{},
		plans:        map[string]*Plan{},
		partners:     map[string]*partnerState{},
	}
}

// with returns the state after changes, at a revision. As in stores, deletions
// come first: the id of a key may go from one partner to another.
func (s *state) with(changes []Change, revision int64) *state {
	e := &stateEditor{next: *s, mine: map[any]bool{}}
	e.next.revision, e.next.lookup = revision, &lookup{}
	for _, c := range changes {
		if c.After == nil {
			e.set(c.Ref, nil)
		}
	}
	for _, c := range changes {
		if c.After != nil {
			e.set(c.Ref, c.After)
		}
	}
	for _, c := range changes {
		e.forget(c.Ref)
	}
	e.next.emptied = !e.next.serves() && (s.emptied || s.serves())
	return &e.next
}

// serves tells whether there is a host with a product that can be called.
func (s *state) serves() bool {
	for _, p := range s.products {
		if callable(p) && len(p.Spec.Environments) > 0 {
			return true
		}
	}
	return false
}

// loadState builds the state of what a store holds. before spares reading
// OpenAPI documents again.
func loadState(stored *Policy, before *state) (*state, error) {
	changes := make([]Change, 0, len(stored.Resources))
	for _, r := range stored.Resources {
		changes = append(changes, Change{Ref: r.Ref(), After: r})
	}
	empty := newState()
	empty.lineage = stored.Lineage
	return empty.followed(&PolicyDelta{Revision: stored.Revision, ChangedAt: stored.ChangedAt, Emptied: stored.Emptied, Changes: changes}, before)
}

// followed returns the state after what others have stored. known spares reading OpenAPI documents again.
func (s *state) followed(delta *PolicyDelta, known *state) (*state, error) {
	var p problems
	for i, c := range delta.Changes {
		if product, ok := c.After.(*Product); ok {
			p.resource = product.Ref().String()
			product = clone(product).(*Product)
			readOperations(product, known.products[product.Metadata.Name], &p)
			delta.Changes[i].After = product
		}
	}
	if err := p.err("the stored policy cannot be read by this version"); err != nil {
		return nil, err
	}
	after := s.with(delta.Changes, delta.Revision)
	after.changedAt = delta.ChangedAt
	after.emptied = delta.Emptied && !after.serves()
	return after, nil
}

// stateEditor copies each map of a state before the first change to it.
type stateEditor struct {
	next state
	mine map[any]bool // what has been copied already
}

// own copies a map once.
func own[K comparable, V any](e *stateEditor, key any, m *map[K]V) map[K]V {
	if !e.mine[key] {
		e.mine[key] = true
		if *m = maps.Clone(*m); *m == nil {
			*m = map[K]V{}
		}
	}
	return *m
}

// put writes v under name, or deletes the name where there is no v.
func put[V any](m map[string]V, name string, v V, present bool) {
	if present {
		m[name] = v
	} else {
		delete(m, name)
	}
}

func (e *stateEditor) set(ref Ref, after Resource) {
	switch ref.Kind {
	case KindEnvironment:
		v, ok := after.(*Environment)
		put(own(e, KindEnvironment, &e.next.environments), ref.Name, v, ok)
	case KindProduct:
		v, ok := after.(*Product)
		put(own(e, KindProduct, &e.next.products), ref.Name, v, ok)
	case KindPlan:
		v, ok := after.(*Plan)
		put(own(e, KindPlan, &e.next.plans), ref.Name, v, ok)
	case KindPartner:
		v, _ := after.(*Partner)
		e.partner(ref.Name).partner = v
	default:
		e.setOwned(ref, after)
	}
}

func (e *stateEditor) setOwned(ref Ref, after Resource) {
	p := e.partner(ref.Partner)
	switch ref.Kind {
	case KindApplication:
		v, ok := after.(*Application)
		put(own(e, ref.Partner+"/a", &p.applications), ref.Name, v, ok)
	case KindSubscription:
		v, ok := after.(*Subscription)
		put(own(e, ref.Partner+"/s", &p.subscriptions), ref.Name, v, ok)
	case KindCredential:
		v, ok := after.(*Credential)
		put(own(e, ref.Partner+"/c", &p.credentials), ref.Name, v, ok)
		shard := e.next.credentials.shard(ref.Name)
		put(own(e, shard, shard), ref.Name, v, ok)
	}
}

// partner returns the partner's own copy of its state, made as needed.
func (e *stateEditor) partner(name string) *partnerState {
	partners := own(e, KindPartner, &e.next.partners)
	p := partners[name]
	if key := name + "/"; p == nil || !e.mine[key] {
		e.mine[key] = true
		fresh := partnerState{}
		if p != nil {
			fresh = *p
		}
		fresh.digest = &partnerDigest{}
		p = &fresh
		partners[name] = p
	}
	return p
}

// forget drops the partner that ref is or belongs to, where nothing is left of it.
func (e *stateEditor) forget(ref Ref) {
	name := ref.owner()
	p := e.next.partners[name]
	if p != nil && p.partner == nil && len(p.applications)+len(p.subscriptions)+len(p.credentials) == 0 {
		delete(e.next.partners, name)
	}
}

// get returns a resource, nil where there is none.
func (s *state) get(ref Ref) Resource {
	switch ref.Kind {
	case KindEnvironment:
		return present(s.environments[ref.Name])
	case KindProduct:
		return present(s.products[ref.Name])
	case KindPlan:
		return present(s.plans[ref.Name])
	}
	p := s.partners[ref.owner()]
	if p == nil {
		return nil
	}
	switch ref.Kind {
	case KindPartner:
		return present(p.partner)
	case KindApplication:
		return present(p.applications[ref.Name])
	case KindSubscription:
		return present(p.subscriptions[ref.Name])
	case KindCredential:
		return present(p.credentials[ref.Name])
	}
	return nil
}

// present turns a nil pointer into a nil Resource.
func present[T any, R interface {
	*T
	Resource
}](r R) Resource {
	if r == nil {
		return nil
	}
	return r
}

// partner returns a partner's state where the partner exists.
func (s *state) partner(name string) (*partnerState, bool) {
	p := s.partners[name]
	return p, p != nil && p.partner != nil
}

// list returns the resources of a kind, of one partner or of all, ordered by partner and name.
func (s *state) list(kind Kind, partner string) []Resource {
	switch kind {
	case KindEnvironment:
		return resources(s.environments)
	case KindProduct:
		return resources(s.products)
	case KindPlan:
		return resources(s.plans)
	}
	var all []Resource
	for _, name := range s.partnerNames(partner) {
		p := s.partners[name]
		switch kind {
		case KindPartner:
			if p.partner != nil {
				all = append(all, p.partner)
			}
		case KindApplication:
			all = append(all, resources(p.applications)...)
		case KindSubscription:
			all = append(all, resources(p.subscriptions)...)
		case KindCredential:
			all = append(all, resources(p.credentials)...)
		}
	}
	return all
}

func (s *state) partnerNames(only string) []string {
	if only == "" {
		return names(s.partners)
	}
	if s.partners[only] == nil {
		return nil
	}
	return []string{only}
}

// names are the keys of a map in order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func resources[R Resource](m map[string]R) []Resource {
	all := make([]Resource, 0, len(m))
	for _, r := range m {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Resource) int { return strings.Compare(a.Meta().Name, b.Meta().Name) })
	return all
}
