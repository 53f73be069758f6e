package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// templated is an estate whose one partner may call all of these templates with GET.
func templated(templates []string) *policy.Source {
	const environment = "sandbox"
	product := policy.SourceProduct{Name: "all", Environments: []policy.SourceEnvironment{{Name: environment, Hosts: []string{sandboxHost}}}}
	for i, template := range templates {
		product.Operations = append(product.Operations, policy.SourceOperation{ID: fmt.Sprint("op", i), Method: "GET", Path: template})
	}
	src := &policy.Source{
		Lineage: [16]byte{1}, Version: 1, Time: start, Hosts: []policy.SourceHost{{Host: sandboxHost, Environment: environment}},
		Products: []policy.SourceProduct{product}, Plans: []policy.SourcePlan{{Name: "none", Weight: 1}}, Partners: []policy.SourcePartner{{Name: "acme"}},
		Grants: []policy.SourceGrant{{Partner: "acme", Environment: environment, Product: "all", Subscription: "all", Plan: "none"}},
	}
	addKey(src, "c", "acme", environment)
	return src
}

// FuzzMatch compares the matcher with one that is slow and plain. The templates are segments of a small vocabulary, one a byte, a template ends at a zero.
func FuzzMatch(f *testing.F) {
	f.Add([]byte{1, 3, 0, 3, 2}, "/a/b")
	f.Add([]byte{1, 1, 1, 2, 0, 1, 3, 1, 1, 0, 3, 1, 1, 1}, "/a/a/a/a")
	f.Add([]byte{3}, "/")
	f.Fuzz(func(t *testing.T, shape []byte, path string) {
		src := templated(templatesOf(shape))
		built, err := policy.Build(src, nil)
		if err != nil {
			return // two templates with one meaning
		}
		s, err := built.Load(nil)
		if err != nil {
			t.Fatal(err)
		}
		q := ask()
		q.Path = path
		d := s.Decide(&q)
		canonical, ok := policy.CanonicalPath(path, nil)
		if !ok {
			if d.Code != policy.PathNotCanonical {
				t.Fatalf("%q: %s", path, d.Code)
			}
			return
		}
		want := ""
		if found := best((oracleOf(src)), strings.Split(string(canonical), "/")[1:], 0); len(found) > 0 {
			want = found[0].ID
		}
		if d.Operation != want {
			t.Fatalf("%q among %v: %q %s, want %q", path, src.Products[0].Operations, d.Operation, d.Code, want)
		}
	})
}

func oracleOf(src *policy.Source) []candidate { return oracle{src}.candidates("sandbox", sandboxHost) }

func templatesOf(shape []byte) (templates []string) {
	words := []string{"", "a", "b", "{x}", "a.b~c", "A"}
	template := ""
	for _, b := range append(slices.Clone(shape[:min(len(shape), 64)]), 0) {
		if word := words[int(b)%len(words)]; word != "" {
			template += "/" + word
		} else if template != "" && !slices.Contains(templates, template) {
			templates, template = append(templates, template), ""
		}
	}
	return templates
}

// TestMatchingIsBounded asks for paths whose every segment fits a literal and a parameter. No template is walked twice, so that the work is bounded by how
// many there are; a path longer than any template costs no more than the longest.
func TestMatchingIsBounded(t *testing.T) {
	const depth = 10 // 2^10 templates, the worst that so many can be
	var templates []string
	for i := range 1 << depth {
		template := ""
		for bit := range depth {
			template += "/" + [2]string{"a", "{x}"}[i>>bit&1]
		}
		templates = append(templates, template+"/end")
	}
	s := build(t, templated(templates))
	for name, path := range map[string]string{
		"no template ends so": strings.Repeat("/a", depth) + "/other",
		"64 segments":         strings.Repeat("/a", 64),
		"65 segments":         strings.Repeat("/a", 65),
		"8 kB of segments":    strings.Repeat("/a", 4096),
		"8 kB of one segment": "/" + strings.Repeat("a", 8192),
		"8 kB of escapes":     "/" + strings.Repeat("%41", 2700),
	} {
		q := ask()
		q.Path = path
		began := time.Now()
		const rounds = 50
		for range rounds {
			if d := s.Decide(&q); d.Code != policy.OperationNotFound {
				t.Fatalf("%s: %s", name, d.Code)
			}
		}
		each := time.Since(began) / rounds
		t.Log(name, each)
		if each > 100*time.Millisecond { // a search without bound would take years
			t.Errorf("%s: %v a decision", name, each)
		}
	}
}

// TestTheDeepestTemplate has 64 segments, each a literal and a parameter; the path differs from all of them in its end.
func TestTheDeepestTemplate(t *testing.T) {
	var templates []string
	for at := range 64 {
		segments := slices.Repeat([]string{"a"}, 64)
		segments[at] = "{x}"
		templates = append(templates, "/"+strings.Join(segments, "/"))
	}
	s := build(t, templated(templates))
	q := ask()
	q.Path = strings.Repeat("/a", 63) + "/b"
	if d := s.Decide(&q); d.Code == policy.OperationNotFound || d.Operation != "op63" {
		t.Errorf("%s %q", d.Code, d.Operation)
	}
	q.Path = strings.Repeat("/a", 62) + "/b/b"
	if d := s.Decide(&q); d.Code != policy.OperationNotFound {
		t.Errorf("%s %q", d.Code, d.Operation)
	}
}
