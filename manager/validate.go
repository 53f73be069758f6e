package manager

import (
	"reflect"
	"strings"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// Validate makes the checks that need no store: each resource by itself, and
// together what they say about each other. A reference to a resource that is
// not among them is left to Apply. All problems come back in one *Error.
func Validate(resources []Resource) error {
	var p problems
	prepared := prepare(resources, newState(), &p)
	if len(p.fields) == 0 {
		changes := make([]Change, len(prepared))
		for i, r := range prepared {
			changes[i] = Change{Ref: r.Ref(), After: r}
		}
		alone := newState().with(changes, 0)
		(&policyCheck{problems: &p, state: alone, partial: true}).changes(changes)
	}
	return p.err("the documents are not valid")
}

// prepare copies resources into the form in which they are stored: defaults
// filled in, operations read, the manager's fields empty. What is wrong with
// each by itself, and what stands twice, goes to p. before spares reading an
// OpenAPI document again.
func prepare(resources []Resource, before *state, p *problems) []Resource {
	prepared := make([]Resource, 0, len(resources))
	seen := make(map[Ref]bool, len(resources))
	for _, r := range resources {
		ref := r.Ref()
		p.resource = ref.String()
		if newResource(ref.Kind) == nil {
			p.addf(0, "kind", "a %s is not applied; make it with its own call", ref.Kind)
			continue
		}
		if seen[ref] {
			p.add(0, "metadata.name", "stands twice among the documents; keep one")
			continue
		}
		seen[ref] = true
		prepared = append(prepared, prepareOne(r, before, p))
	}
	p.resource = ""
	return prepared
}

func prepareOne(r Resource, before *state, p *problems) Resource {
	r = normalize(r)
	checkName(r, p)
	if product, ok := r.(*Product); ok {
		readOperations(product, before.products[product.Metadata.Name], p)
	}
	checkSpec(r, p)
	return r
}

// readOperations fills in a product's operations, from the stored product where they are the same.
func readOperations(product, stored *Product, p *problems) {
	s := &product.Spec
	if stored != nil && stored.Spec.Operations != nil && stored.Spec.OpenAPI == s.OpenAPI && stored.Spec.BasePath == s.BasePath {
		s.Operations = stored.Spec.Operations
		return
	}
	if problem := basePathProblem(s.BasePath); problem != "" {
		p.add(0, "spec.basePath", problem)
		return
	}
	s.Operations = readOpenAPI(s.OpenAPI, s.BasePath, p)
}

// normalize copies r with the defaults filled in and the manager's fields empty.
func normalize(r Resource) Resource {
	r = clone(r)
	m := r.Meta()
	*m = Metadata{Name: m.Name, Partner: m.Partner}
	switch r := r.(type) {
	case *Product:
		defaultTo(&r.Spec.Lifecycle, LifecyclePublished)
		r.Spec.Operations = nil
		if len(r.Spec.Environments) == 0 {
			r.Spec.Environments = nil // as it is after storing
		}
	case *Plan:
		r.Spec.Limits = normalizeLimits(r.Spec.Limits)
	case *Partner:
		defaultTo(&r.Spec.State, StateActive)
		r.Spec.Members = normalizeMembers(r.Spec.Members)
	case *Subscription:
		defaultTo(&r.Spec.State, StateActive)
		r.Spec.StartsAt, r.Spec.EndsAt = milliseconds(r.Spec.StartsAt), milliseconds(r.Spec.EndsAt)
		if o := r.Spec.Overrides; o != nil {
			r.Spec.Overrides = &Overrides{Limits: normalizeLimits(o.Limits)}
		}
	}
	return r
}

// milliseconds cuts a time to what snapshots and stores keep.
func milliseconds(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	cut := t.UTC().Truncate(time.Millisecond)
	return &cut
}

func normalizeLimits(limits []Limit) []Limit {
	all := make([]Limit, len(limits))
	for i, l := range limits {
		defaultTo(&l.Scope, ScopeSubscription)
		all[i] = l
	}
	return all
}

func normalizeMembers(members []MemberSeed) []MemberSeed {
	var all []MemberSeed
	for _, m := range members {
		m.Email = normalEmail(m.Email)
		defaultTo(&m.Role, RoleViewer)
		all = append(all, m)
	}
	return all
}

func defaultTo[T ~string](v *T, value T) {
	if *v == "" {
		*v = value
	}
}

// specForComparison is the spec of r as it is stored, without what is read from it.
func specForComparison(r Resource) any {
	r = normalize(r)
	return reflect.ValueOf(r).Elem().FieldByName("Spec").Interface()
}

// sameSpec tells whether two prepared resources say the same.
func sameSpec(a, b Resource) bool {
	return reflect.DeepEqual(specForComparison(a), specForComparison(b))
}

func checkName(r Resource, p *problems) {
	ref := r.Ref()
	checkLabel(ref.Name, "metadata.name", p)
	switch {
	case ref.Kind.owned() && ref.Partner == "":
		p.add(0, "metadata.partner", "missing; name the partner that it belongs to")
	case ref.Kind.owned():
		checkLabel(ref.Partner, "metadata.partner", p)
	case r.Meta().Partner != "":
		p.addf(0, "metadata.partner", "resources of the kind %s belong to no partner; leave it out", ref.Kind)
	}
}

// checkLabel checks that a name is a DNS label (RFC 1123), as names in URLs,
// host names and keys have to be.
func checkLabel(name, path string, p *problems) {
	switch {
	case name == "":
		p.add(0, path, "missing; give a name")
	case !isLabel(name):
		p.addf(0, path, "%q is no name; use at most 63 of a-z, 0-9 and -, with a letter or digit at both ends", shortened(name))
	}
}

func isLabel(s string) bool {
	if s == "" || len(s) > policy.MaxName || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// isHost tells whether s is a host name as the filters look it up: lower case,
// without port and trailing dot.
func isHost(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// shortened keeps what people sent from filling a message.
func shortened(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Normalized is r as the manager stores it: defaults filled in, what the
// manager writes left out.
func Normalized(r Resource) Resource { return normalize(r) }
