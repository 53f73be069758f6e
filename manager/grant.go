package manager

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Grant is how far a token goes. What its role may do at all stands in
// permission.go; what of the policy it may touch and see is said here.
type Grant struct {
	Role  TokenRole
	Teams []string // nil: all; else only products of these teams, and subscriptions to them
}

// Confined tells whether the grant ends at some teams.
func (g *Grant) Confined() bool { return g != nil && g.Teams != nil }

// Covers tells whether a product of the team is within the grant.
func (g *Grant) Covers(team string) bool { return !g.Confined() || slices.Contains(g.Teams, team) }

// permits checks changes that lead from one policy to the next.
func (g *Grant) permits(before, after *state, changes []Change) error {
	if g == nil {
		return nil
	}
	for _, c := range changes {
		if g.Role == TokenSupport && !supportMay(before.get(c.Ref), c.After) {
			return forbidden("a token of the role support may suspend and resume %s, and revoke keys, but not change anything else", c.Ref)
		}
		if g.Confined() && (!g.coversResource(before, before.get(c.Ref)) || !g.coversResource(after, c.After)) {
			return g.beyond(c.Ref)
		}
		if err := g.keepsOff(before, after, c); err != nil {
			return err
		}
	}
	return nil
}

// beyond refuses a confined grant a resource that it does not cover.
func (g *Grant) beyond(ref Ref) error {
	return forbidden("this token may change only products of %s and subscriptions to these, not %s", teamWords(g.Teams), ref)
}

// keepsOff refuses a product of a confined grant that serves what a product of
// another team serves: whoever subscribed to the one could call the other.
func (g *Grant) keepsOff(before, after *state, c Change) error {
	p, ok := c.After.(*Product)
	if !ok || !g.Confined() || !callable(p) {
		return nil
	}
	if was := before.products[c.Ref.Name]; was != nil && callable(was) && servesTheSame(was, p) {
		return nil
	}
	for _, name := range names(after.products) {
		other := after.products[name]
		if g.Covers(other.Spec.Team) || !callable(other) {
			continue
		}
		if host, path := meeting(p, other); host != "" {
			return forbidden("%s would serve %s on %s, where a product of another team has operations; choose another host or path, or ask an operator whose token is not confined to teams", c.Ref, path, host)
		}
	}
	return nil
}

// servesTheSame tells whether two versions of a product have the same hosts and paths.
func servesTheSame(a, b *Product) bool {
	path := func(x, y Operation) bool { return x.Path == y.Path }
	return reflect.DeepEqual(a.Spec.Environments, b.Spec.Environments) && slices.EqualFunc(a.Spec.Operations, b.Spec.Operations, path)
}

// meeting returns a host and a path of a that a request to b could have; "" where there is none.
func meeting(a, b *Product) (host, path string) {
	for environment, at := range a.Spec.Environments {
		for _, host := range at.Hosts {
			if !slices.Contains(b.Spec.Environments[environment].Hosts, host) {
				continue
			}
			for _, o := range a.Spec.Operations {
				if slices.ContainsFunc(b.Spec.Operations, func(other Operation) bool { return templatesMeet(o.Path, other.Path) }) {
					return host, o.Path
				}
			}
		}
	}
	return "", ""
}

// templatesMeet tells whether one path can match both templates, whatever the method.
func templatesMeet(a, b string) bool {
	return slices.EqualFunc(strings.Split(a, "/"), strings.Split(b, "/"), func(x, y string) bool {
		return x == y || strings.HasPrefix(x, "{") || strings.HasPrefix(y, "{")
	})
}

// unconfined refuses a confined grant what concerns no product.
func (g *Grant) unconfined(what string) error {
	if g.Confined() {
		return forbidden("this token may change only products of %s and subscriptions to these, not %s", teamWords(g.Teams), what)
	}
	return nil
}

func forbidden(format string, args ...any) error {
	return &Error{Code: CodeForbidden, Message: fmt.Sprintf(format, args...)}
}

func teamWords(teams []string) string {
	switch len(teams) {
	case 0:
		return "no team"
	case 1:
		return "the team " + teams[0]
	}
	return "the teams " + strings.Join(teams, ", ")
}

// coversResource is true for nil: for what is not there before or after.
func (g *Grant) coversResource(s *state, r Resource) bool {
	if r == nil {
		return true
	}
	product := s.products[productOf(r)]
	return product != nil && g.Covers(product.Spec.Team)
}

// productOf is the product that a resource is or subscribes to, "" where there is none.
func productOf(r Resource) string {
	switch r := r.(type) {
	case *Product:
		return r.Metadata.Name
	case *Subscription:
		return r.Spec.Product
	}
	return ""
}

// supportMay tells whether a change does no more than suspend, resume or revoke.
func supportMay(before, after Resource) bool {
	switch b := before.(type) {
	case *Partner:
		a, ok := after.(*Partner)
		if !ok {
			return false
		}
		same := *a
		same.Spec.State = b.Spec.State
		return sameSpec(b, &same)
	case *Subscription:
		a, ok := after.(*Subscription)
		if !ok || !suspendable(b.Spec.State) || !suspendable(a.Spec.State) {
			return false
		}
		same := *a
		same.Spec.State = b.Spec.State
		return sameSpec(b, &same)
	case *Credential:
		a, ok := after.(*Credential)
		if !ok || a.RevokedAt == nil {
			return false
		}
		same := *a
		same.Metadata, same.RevokedAt = b.Metadata, b.RevokedAt
		return same == *b
	}
	return false
}

func suspendable(s State) bool { return s == StateActive || s == StateSuspended }

// Sees tells whether a resource is within what the grant may read: products of
// other teams and subscriptions to them are not there for a confined one.
func (s *Service) Sees(g *Grant, r Resource) bool {
	product := productOf(r)
	if !g.Confined() || product == "" {
		return true
	}
	if p, ok := r.(*Product); ok {
		return g.Covers(p.Spec.Team)
	}
	stored := s.current().products[product]
	return stored != nil && g.Covers(stored.Spec.Team)
}

// ProductsOf are the names of the products that a confined grant may read; nil means all.
func (s *Service) ProductsOf(g *Grant) []string {
	if !g.Confined() {
		return nil
	}
	covered := []string{}
	products := s.current().products
	for _, name := range names(products) {
		if g.Covers(products[name].Spec.Team) {
			covered = append(covered, name)
		}
	}
	return covered
}

// MayPut tells whether the grant permits to replace what is stored by r, which
// is no product. Whether the policy would be valid then is another question.
func (s *Service) MayPut(g *Grant, r Resource) bool {
	policy := s.current()
	return g.permits(policy, policy, []Change{{Ref: r.Ref(), After: r}}) == nil
}
