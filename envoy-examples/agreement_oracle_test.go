package envoyexamples

import (
	"fmt"
	"strings"

	"github.com/partnergate/partnergate/manager"
)

// matcher finds what a path means, from the words of the design and not from the code that decides: the template first, among the
// operations of a host that can be called at all, a literal before a parameter from the left, with backtracking; then the method.
type matcher map[string][]template // by host

type template struct {
	route
	segments []string
}

func (g *generated) matcher(environment string) matcher {
	m := matcher{}
	for _, p := range g.products {
		if p.Spec.Lifecycle != manager.LifecyclePublished && p.Spec.Lifecycle != manager.LifecycleDeprecated {
			continue
		}
		for _, host := range p.Spec.Environments[environment].Hosts {
			for _, r := range g.routes[p.Metadata.Name] {
				m[host] = append(m[host], template{r, strings.Split(r.path, "/")[1:]})
			}
		}
	}
	return m
}

// means lists the operations that a call means: one of each product that has it.
func (m matcher) means(host, method, path string) (found []route) {
	if path == "" {
		return nil
	}
	for _, t := range choose(m[host], strings.Split(path, "/")[1:], 0) {
		if t.method == method {
			found = append(found, t.route)
		}
	}
	return found
}

// choose keeps the templates that fit the path from segment i on and are the best there.
func choose(candidates []template, path []string, i int) (best []template) {
	if i == len(path) {
		return keep(candidates, func(t template) bool { return len(t.segments) == i })
	}
	longer := keep(candidates, func(t template) bool { return len(t.segments) > i })
	if best = choose1(longer, path, i, path[i]); len(best) > 0 || path[i] == "" {
		return best
	}
	return choose(keep(longer, func(t template) bool { return strings.HasPrefix(t.segments[i], "{") }), path, i+1)
}

func choose1(candidates []template, path []string, i int, literal string) []template {
	if fit := keep(candidates, func(t template) bool { return t.segments[i] == literal }); len(fit) > 0 {
		return choose(fit, path, i+1)
	}
	return nil
}

func keep(from []template, fits func(template) bool) (kept []template) {
	for _, t := range from {
		if fits(t) {
			kept = append(kept, t)
		}
	}
	return kept
}

// spelling writes a path in an odd way, and says how it is to be understood: as which path, or, with "", not at all.
type spelling struct {
	name  string
	spell func(g *generated, path string) (spelled, means string)
}

var spellings = []spelling{
	{"a trailing slash", func(_ *generated, p string) (string, string) { return p + "/", p + "/" }},
	{"an extra segment", func(_ *generated, p string) (string, string) { return p + "/extra", p + "/extra" }},
	{"a query", func(_ *generated, p string) (string, string) { return p + "?next=//%2e%2e/..", p }},
	{"a double slash", func(g *generated, p string) (string, string) { return g.atSlash(p, "//"), "" }},
	{"a dot segment", func(g *generated, p string) (string, string) { return g.atSlash(p, "/./"), "" }},
	{"an encoded dot segment", func(g *generated, p string) (string, string) { return g.atSlash(p, "/%2e/"), "" }},
	{"a way up and down", func(g *generated, p string) (string, string) { return g.atSlash(p, "/x/../"), "" }},
	{"an encoded way up", func(g *generated, p string) (string, string) { return g.atSlash(p, "/x/%2E%2e/"), "" }},
	{"a way up with a parameter", func(g *generated, p string) (string, string) { return g.atSlash(p, "/x/..;a=b/"), "" }},
	{"an encoded slash", func(g *generated, p string) (string, string) { return p[:1] + g.atSlash(p[1:]+"/", "%2f"), "" }},
	{"a backslash", func(g *generated, p string) (string, string) { return g.atSlash(p, `/\`), "" }},
	{"a bad escape", func(_ *generated, p string) (string, string) { return p + "%zz", "" }},
	{"a path parameter", func(g *generated, p string) (string, string) {
		s := p[:1] + g.atSlash(p[1:]+"/", ";x/")
		return s[:len(s)-1], s[:len(s)-1]
	}},
	{"another case", func(g *generated, p string) (string, string) { s := g.otherCase(p); return s, s }},
	{"an encoded letter", func(g *generated, p string) (string, string) { return g.encoded(p), p }},
}

// atSlash replaces one of the slashes of a path.
func (g *generated) atSlash(path, by string) string {
	n := 1 + g.random.IntN(strings.Count(path, "/"))
	at := 0
	for ; n > 0; at++ {
		if path[at] == '/' {
			n--
		}
	}
	return path[:at-1] + by + path[at:]
}

// letters are the places of a path's letters.
func letters(path string) (places []int) {
	for i, c := range path {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			places = append(places, i)
		}
	}
	return places
}

func (g *generated) otherCase(path string) string {
	i := pick(g, letters(path)...)
	return path[:i] + string(path[i]^0x20) + path[i+1:]
}

func (g *generated) encoded(path string) string {
	b := []byte(path)
	var spelled strings.Builder
	chosen := pick(g, letters(path)...)
	for i, c := range b {
		if i == chosen || c != '/' && g.chance(10) {
			fmt.Fprintf(&spelled, pick(g, "%%%02x", "%%%02X"), c)
		} else {
			spelled.WriteByte(c)
		}
	}
	return spelled.String()
}
