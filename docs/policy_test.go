package docs

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

// sections are the parts of a page by their headings of the second level.
func sections(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		parts[heading] = body
	}
	return parts
}

// tableFields are the fields in the first cells of a section's table.
func tableFields(section string) (fields []string) {
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		fields = append(fields, row[1])
	}
	return fields
}

// fieldsOf lists the fields of a struct as documents write them. What has a section of its own is not gone into.
func fieldsOf(of reflect.Type, path string) (fields []string) {
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		at := path + name
		fields = append(fields, at)
		inner := of.Field(i).Type
		for {
			switch inner.Kind() {
			case reflect.Pointer:
				inner = inner.Elem()
				continue
			case reflect.Slice:
				at += "[]"
				inner = inner.Elem()
				continue
			case reflect.Map:
				at += ".NAME"
				inner = inner.Elem()
				continue
			}
			break
		}
		own := inner == reflect.TypeFor[manager.Limit]() || inner == reflect.TypeFor[manager.Rate]() && path != ""
		if inner.Kind() == reflect.Struct && inner.PkgPath() == of.PkgPath() && !own {
			fields = append(fields, fieldsOf(inner, at+".")...)
		}
	}
	return fields
}

// TestPolicyPageNamesEveryField holds the tables of policy.md against the structs that documents are read into, both ways.
func TestPolicyPageNamesEveryField(t *testing.T) {
	page := sections(t, "policy.md")
	for heading, of := range map[string]any{
		"Environment": manager.EnvironmentSpec{}, "Product": manager.ProductSpec{}, "Plan": manager.PlanSpec{}, "Partner": manager.PartnerSpec{},
		"Application": manager.ApplicationSpec{}, "Subscription": manager.SubscriptionSpec{}, "Limits": manager.Limit{},
	} {
		prefix := "spec."
		if heading == "Limits" {
			prefix = ""
		}
		want, got := fieldsOf(reflect.TypeOf(of), prefix), tableFields(page[heading])
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s has the fields\n%s\nthe page names\n%s", heading, strings.Join(want, "\n"), strings.Join(got, "\n"))
		}
	}
	for _, kind := range manager.Kinds {
		if page[string(kind)] == "" {
			t.Errorf("the page has no section about %s", kind)
		}
	}
}

// TestPolicyPageHasTheBounds compares the bounds that filters and page share.
func TestPolicyPageHasTheBounds(t *testing.T) {
	page := sections(t, "policy.md")
	for place, bound := range map[string]uint64{
		"Limits/`rate.requests`": policy.MaxRate, "Limits/`rate.burst`": policy.MaxRate, "Limits/`quota.requests`": policy.MaxQuota,
		"Limits/`concurrency.requests`": policy.MaxConcurrency, "Plan/`spec.limits`": policy.MaxLimits,
		"Documents/A **name**": policy.MaxName, "Keys of another gateway/8 to 256 bytes": policy.MaxImportedKey,
	} {
		heading, row, _ := strings.Cut(place, "/")
		at := strings.Index(page[heading], row)
		if at < 0 {
			t.Errorf("%s has no %s", heading, row)
			continue
		}
		line, _, _ := strings.Cut(page[heading][at:], "\n")
		if !strings.Contains(line, grouped(bound)) {
			t.Errorf("%s: %q does not say %s", heading, line, grouped(bound))
		}
	}
}

// grouped writes a number as people read it: 1,000,000.
func grouped(n uint64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return grouped(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
