package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/partnergate/partnergate/filters/policy"
)

// Small vocabularies, so that products meet on hosts, templates and methods.
var (
	agreeEnvironments = []string{"production", "sandbox", "staging"}
	agreeApplications = []string{"first", "second"}
	agreeMethods      = []string{"DELETE", "GET", "POST"}
	agreeSegments     = []string{"a", "A", "b", "a.b~c", "{x}", "{y}"}
)

// TestSurfaceIsWhatDecideAdmits draws estates and asks for every partner, environment, application, product, operation and host: what
// Surface lists is what Decide lets through, and nothing else, however the path is spelled.
func TestSurfaceIsWhatDecideAdmits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := drawSource(t)
		snapshot := build(t, src)
		for _, c := range src.Credentials {
			agree(t, src, snapshot, &c)
		}
	})
}

// drawSource draws what the manager could have validated.
func drawSource(t *rapid.T) *policy.Source {
	src := &policy.Source{Lineage: [16]byte{1}, Version: 1, Time: start, Plans: []policy.SourcePlan{{Name: "none", Weight: 1}}}
	for _, environment := range agreeEnvironments {
		for _, host := range hostsOf(environment) {
			src.Hosts = append(src.Hosts, policy.SourceHost{Host: host, Environment: environment})
		}
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "products") {
		src.Products = append(src.Products, drawProduct(t, fmt.Sprintf("product-%d", i)))
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "partners") {
		partner := policy.SourcePartner{Name: fmt.Sprintf("partner-%d", i), Suspended: rapid.IntRange(0, 5).Draw(t, "suspended") == 0}
		src.Partners = append(src.Partners, partner)
		for e, environment := range agreeEnvironments {
			for a, application := range agreeApplications {
				id := fmt.Sprintf("%c%c%c", 'a'+i, 'a'+e, 'a'+a)
				addKey(src, id, partner.Name, environment).Application = application
			}
			drawGrants(t, src, partner.Name, environment)
		}
	}
	return src
}

func hostsOf(environment string) []string {
	return []string{environment + ".one.test", environment + ".two.test"}
}

func drawProduct(t *rapid.T, name string) policy.SourceProduct {
	p := policy.SourceProduct{Name: name}
	template := rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(agreeSegments), 1, 4).Draw(t, "segments"), "/")
	})
	for i := range rapid.IntRange(1, 8).Draw(t, "operations") {
		o := policy.SourceOperation{ID: fmt.Sprintf("op%d", i), Method: rapid.SampledFrom(agreeMethods).Draw(t, "method"), Path: template.Draw(t, "path")}
		if !slices.ContainsFunc(p.Operations, func(other policy.SourceOperation) bool { return route(other) == route(o) }) {
			p.Operations = append(p.Operations, o)
		}
	}
	for _, environment := range agreeEnvironments {
		if hosts := hostsOf(environment)[rapid.IntRange(0, 2).Draw(t, "hosts"):]; len(hosts) > 0 {
			p.Environments = append(p.Environments, policy.SourceEnvironment{Name: environment, Hosts: hosts})
		}
	}
	return p
}

// route is an operation without the names of its parameters.
func route(o policy.SourceOperation) string {
	return o.Method + " " + strings.NewReplacer("{x}", "{}", "{y}", "{}").Replace(o.Path)
}

// drawGrants gives a partner products that do not meet, as the manager sees to.
func drawGrants(t *rapid.T, src *policy.Source, partner, environment string) {
	held := map[string]bool{} // host and route
	for _, p := range src.Products {
		var routes []string
		for _, host := range productHosts(p, environment) {
			for _, o := range p.Operations {
				routes = append(routes, host+" "+route(o))
			}
		}
		if !rapid.Bool().Draw(t, "granted") || slices.ContainsFunc(routes, func(r string) bool { return held[r] }) {
			continue
		}
		for _, r := range routes {
			held[r] = true
		}
		g := policy.SourceGrant{Partner: partner, Environment: environment, Product: p.Name, Subscription: p.Name, Plan: "none",
			Suspended: rapid.IntRange(0, 5).Draw(t, "suspended") == 0,
			StartsAt:  rapid.SampledFrom([]int64{0, 0, start - hour, start, start + 1}).Draw(t, "starts"),
			EndsAt:    rapid.SampledFrom([]int64{0, 0, start, start + 1, start + hour}).Draw(t, "ends")}
		if rapid.IntRange(0, 3).Draw(t, "some operations") == 0 {
			g.Operations = []string{rapid.SampledFrom(p.Operations).Draw(t, "operation").ID}
		}
		if rapid.IntRange(0, 3).Draw(t, "some applications") == 0 {
			g.Applications = []string{rapid.SampledFrom(agreeApplications).Draw(t, "application")}
		}
		src.Grants = append(src.Grants, g)
	}
}

func productHosts(p policy.SourceProduct, environment string) []string {
	for _, e := range p.Environments {
		if e.Name == environment {
			return e.Hosts
		}
	}
	return nil
}

// agree compares what one key is shown with what it gets.
func agree(t *rapid.T, src *policy.Source, s *policy.Snapshot, c *policy.SourceCredential) {
	listed := map[string]bool{} // product and operation
	for _, o := range s.Surface(c.Partner, c.Environment, c.Application, start) {
		if o.Code == policy.Admitted {
			listed[o.Product+" "+o.Operation] = true
		}
	}
	reached := map[string]bool{}
	for _, p := range src.Products {
		for _, o := range p.Operations {
			for _, host := range hostsOf(c.Environment) {
				path := concrete(o.Path)
				product, operation := admitted(t, s, c, o.Method, host, path)
				if p, id := (oracle{src}).admits(c, o.Method, host, path); p != product || id != operation {
					t.Fatalf("%s of %s: %s %s on %s means %q %q, and gets %q %q", c.Application, c.Partner, o.Method, path, host, p, id, product, operation)
				}
				if product != "" && !listed[product+" "+operation] {
					t.Fatalf("%s of %s gets %s %s on %s as %s of %s, which is not listed", c.Application, c.Partner, o.Method, path, host, operation, product)
				}
				reached[product+" "+operation] = true
				spelledOddly(t, src, s, c, o.Method, host, path)
			}
		}
	}
	for operation := range listed {
		if !reached[operation] {
			t.Fatalf("%s of %s is shown %s in %s, and cannot call it", c.Application, c.Partner, operation, c.Environment)
		}
	}
}

// concrete fills parameters with a value that is no literal.
func concrete(template string) string {
	return strings.NewReplacer("{x}", "value-1", "{y}", "value-2").Replace(template)
}

// admitted asks Decide; it returns the product and operation of a request that is let through as far as the limits.
func admitted(t *rapid.T, s *policy.Snapshot, c *policy.SourceCredential, method, host, path string) (product, operation string) {
	q := policy.Request{Method: method, Host: host, Path: path, Key: keyOf(c.Environment, c.ID), Keys: 1, Now: start}
	d := s.Decide(&q)
	if d.Code != policy.Undecided {
		return "", ""
	}
	if d.Partner != c.Partner || d.Environment != c.Environment || d.Application != c.Application {
		t.Fatalf("decided for %s, %s, %s", d.Partner, d.Environment, d.Application)
	}
	return d.Product, d.Operation
}

// spelledOddly spells a path in ways that mean the same, another path, or nothing.
func spelledOddly(t *rapid.T, src *policy.Source, s *policy.Snapshot, c *policy.SourceCredential, method, host, path string) {
	product, operation := admitted(t, s, c, method, host, path)
	letter := fmt.Sprintf("/%%%02X", path[1]) + path[2:]
	for _, same := range []string{letter, strings.ToLower(letter), path + "?x=/../%2f//"} {
		if same == strings.ToLower(letter) && strings.ToLower(path) != path {
			continue // that is another path
		}
		if p, o := admitted(t, s, c, method, host, same); p != product || o != operation {
			t.Fatalf("%s gets %q %q, and %s gets %q %q", path, product, operation, same, p, o)
		}
	}
	for _, other := range []string{path + "/", path + "/more", path + ";x", strings.ToUpper(path), strings.ToLower(path)} {
		product, operation := oracle{src}.admits(c, method, host, other)
		if p, o := admitted(t, s, c, method, host, other); p != product || o != operation {
			t.Fatalf("%s means %q %q, and gets %q %q", other, product, operation, p, o)
		}
	}
	for _, none := range []string{"/" + path, "/." + path, "/x/.." + path, "/%2e" + path, "/x/%2E%2e" + path, path + "%00", path + "%2F", path + `\`, "/..;" + path} {
		q := policy.Request{Method: method, Host: host, Path: none, Key: keyOf(c.Environment, c.ID), Keys: 1, Now: start}
		if d := s.Decide(&q); d.Code != policy.PathNotCanonical {
			t.Fatalf("%s gets %s", none, d.Code)
		}
	}
}
