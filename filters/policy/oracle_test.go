package policy_test

import (
	"slices"
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
)

// oracle decides slowly and plainly, from the words of the documentation: the template first, among the operations of a host whoever
// holds them, a literal before a parameter from the left, with backtracking; then the method; then the grant.
type oracle struct{ src *policy.Source }

type candidate struct {
	product  string
	segments []string
	policy.SourceOperation
}

// admits returns the product and operation for which c is let through at start, as far as the limits; empty where it is not.
func (o oracle) admits(c *policy.SourceCredential, method, host, path string) (product, operation string) {
	suspended := slices.ContainsFunc(o.src.Partners, func(p policy.SourcePartner) bool { return p.Name == c.Partner && p.Suspended })
	if suspended || !slices.Contains(hostsOf(c.Environment), host) {
		return "", ""
	}
	for _, found := range best(o.candidates(c.Environment, host), strings.Split(path, "/")[1:], 0) {
		if found.Method == method && o.grants(c, found) {
			return found.product, found.ID
		}
	}
	return "", ""
}

func (o oracle) candidates(environment, host string) (all []candidate) {
	for _, p := range o.src.Products {
		if slices.Contains(productHosts(p, environment), host) {
			for _, operation := range p.Operations {
				all = append(all, candidate{p.Name, strings.Split(operation.Path, "/")[1:], operation})
			}
		}
	}
	return all
}

// best are the candidates that fit the path from segment i on and whose template comes first.
func best(all []candidate, path []string, i int) []candidate {
	if i == len(path) {
		return slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return len(c.segments) != i })
	}
	with := func(fits func(segment string) bool) []candidate {
		return slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return len(c.segments) <= i || !fits(c.segments[i]) })
	}
	if literal := with(func(s string) bool { return s == path[i] }); len(literal) > 0 {
		if found := best(literal, path, i+1); len(found) > 0 {
			return found
		}
	}
	parameter := with(func(s string) bool { return s[0] == '{' && path[i] != "" })
	if len(parameter) == 0 {
		return nil
	}
	return best(parameter, path, i+1)
}

func (o oracle) grants(c *policy.SourceCredential, found candidate) bool {
	return slices.ContainsFunc(o.src.Grants, func(g policy.SourceGrant) bool {
		return g.Partner == c.Partner && g.Environment == c.Environment && g.Product == found.product && !g.Suspended &&
			(g.StartsAt == 0 || start >= g.StartsAt) && (g.EndsAt == 0 || start < g.EndsAt) &&
			(g.Operations == nil || slices.Contains(g.Operations, found.ID)) &&
			(g.Applications == nil || slices.Contains(g.Applications, c.Application))
	})
}
