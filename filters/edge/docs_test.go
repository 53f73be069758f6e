package edge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

// section is what stands in docs/filters.md between two marks.
func section(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "filters.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "<!-- "+name+":")
	text, _, ok2 := strings.Cut(rest, "<!-- end of "+name+" -->")
	if !ok || !ok2 {
		t.Fatalf("docs/filters.md has no section between the marks of %s", name)
	}
	return text
}

// TestCodesAreDocumented compares the page's table with the codes.
func TestCodesAreDocumented(t *testing.T) {
	var want strings.Builder
	want.WriteString("| status | code | grpc-status | meaning |\n|---|---|---|---|\n")
	for _, code := range policy.Refusals() {
		info := code.Info()
		fmt.Fprintf(&want, "| %d | `%s` | %s | %s |\n", info.Status, info.Name, info.GRPC, info.Title)
	}
	_, got, _ := strings.Cut(section(t, "codes"), "\n")
	if got != want.String() {
		t.Errorf("docs/filters.md has another table of codes than filters/policy; it should be\n%s", want.String())
	}
}

// TestMetricsAreDocumented finds every metric of the sources on the page, and
// no other.
func TestMetricsAreDocumented(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`["` + "`" + `](partnergate_[a-z_]+)`)
	documented := map[string]bool{}
	for _, match := range name.FindAllStringSubmatch(section(t, "metrics"), -1) {
		documented[match[1]] = true
	}
	used := map[string]bool{}
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range name.FindAllStringSubmatch(string(source), -1) {
			used[match[1]] = true
			if !documented[match[1]] {
				t.Errorf("%s uses %s, which docs/filters.md does not explain", path, match[1])
			}
		}
	}
	for metric := range documented {
		if !used[metric] {
			t.Errorf("docs/filters.md explains %s, which nothing raises", metric)
		}
	}
}
