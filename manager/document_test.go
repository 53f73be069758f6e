package manager_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/partnergate/partnergate/manager"
)

func TestReadResource(t *testing.T) {
	for _, tt := range []struct {
		name, kind, body string
		reason           string
		want             []string // fields in error; none: it reads
	}{
		{"the least", "Plan", `{"spec": {}}`, "", nil},
		{"with a head", "Plan", `{"apiVersion": "partnergate.dev/v1alpha1", "kind": "Plan", "metadata": {"name": "gold", "revision": 7, "managed_by": "file"}, "spec": {"weight": 2}}`, "", nil},
		{"an operator instead of text", "Partner", `{"email": {"$ne": null}}`, "", []string{"spec", "email"}},
		{"an operator in a field", "Partner", `{"spec": {"title": {"$ne": null}}}`, "", []string{"spec.title"}},
		{"null", "Subscription", `{"spec": {"operations": null}}`, "", []string{"spec.operations"}},
		{"another kind", "Plan", `{"kind": "Partner", "apiVersion": "v1", "spec": {}}`, "", []string{"apiVersion", "kind"}},
		{"a field twice", "Plan", `{"spec": {"weight": 1, "weight": 2}}`, "", []string{"spec.weight"}},
		{"a number too large", "Plan", `{"spec": {"weight": 9223372036854775808}}`, "", []string{"spec.weight"}},
		{"a fraction", "Plan", `{"spec": {"weight": 1.5}}`, "", []string{"spec.weight"}},
		{"an exponent", "Plan", `{"spec": {"weight": 1e3}}`, "", []string{"spec.weight"}},
		{"several mistakes", "Plan", `{"spec": {"weihgt": 1, "limits": [{"nam": "x"}, 3]}}`, "", []string{"spec.weihgt", "spec.limits[0].nam", "spec.limits[1]"}},
		{"a list", "Plan", `[]`, "", []string{""}},
		{"nothing", "Plan", ``, manager.ReasonMalformed, []string{}},
		{"half", "Plan", `{"spec": {`, manager.ReasonMalformed, []string{}},
		{"two values", "Plan", `{"spec": {}} {}`, manager.ReasonMalformed, []string{}},
		{"not JSON", "Plan", `spec: {}`, manager.ReasonMalformed, []string{}},
		{"not UTF-8", "Plan", "{\"spec\": {\"title\": \"\xff\"}}", manager.ReasonMalformed, []string{}},
		{"10,001 deep", "Plan", strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001), manager.ReasonMalformed, []string{}},
		{"10,001 lists", "Plan", strings.Repeat(`[`, 10001) + strings.Repeat("]", 10001), manager.ReasonMalformed, []string{}},
		{"too large", "Plan", `{"spec": {"title": "` + strings.Repeat("x", 10<<20) + `"}}`, manager.ReasonMalformed, []string{}},
		{"no such kind", "Credential", `{}`, "", []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := manager.ReadResource(manager.Kind(tt.kind), []byte(tt.body))
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *manager.Error
			if !errors.As(err, &e) || e.Reason != tt.reason {
				t.Fatalf("got %v", err)
			}
			got := []string{}
			for _, f := range e.Fields {
				got = append(got, f.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestReadResourceIgnoresWhatTheManagerWrites(t *testing.T) {
	r, err := manager.ReadResource(manager.KindPlan, []byte(`{"metadata": {"name": "gold", "managed_by": "file", "revision": 9, "created_at": "2026-01-01T00:00:00Z"}, "spec": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(manager.Metadata{Name: "gold"}, *r.Meta()); diff != "" {
		t.Error(diff)
	}
}

// TestInlineOpenAPI: a product takes its document as text, as a mapping or as
// a JSON object.
func TestInlineOpenAPI(t *testing.T) {
	for _, r := range estate(t) {
		if p, ok := r.(*manager.Product); ok && !strings.Contains(p.Spec.OpenAPI, "\n") {
			t.Errorf("%s: the document stands in one line", p.Metadata.Name)
		}
	}
	r, err := manager.ReadResource(manager.KindProduct, []byte(`{"metadata": {"name": "p"}, "spec": {"openapi": {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {"/b": {"get": {}}, "/a": {"put": {}, "get": {}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.Validate([]manager.Resource{r}); err != nil {
		t.Error(err)
	}
}

func TestManyProblems(t *testing.T) {
	_, err := manager.ReadDocuments("noise.yaml", []byte(strings.Repeat("- x\n---\n", 5000)), nil)
	var e *manager.Error
	if !errors.As(err, &e) || len(e.Fields) != 1000 || !strings.HasPrefix(e.Message, "noise.yaml: 5000 problems, of which the first 1000 follow") {
		t.Errorf("%d fields: %.200v", len(e.Fields), err)
	}
}

func TestHostileDocuments(t *testing.T) {
	for name, text := range map[string]string{
		"flow 10,001 deep":      strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
		"open flow":             strings.Repeat("{a: ", 200_000),
		"block lists":           strings.Repeat("- ", 10001) + "x",
		"block mappings":        indented(2000),
		"deep keys":             strings.Repeat("? ", 10001) + "x",
		"not UTF-8":             "a: \xff",
		"NUL":                   "a: \x00",
		"a key that is a list":  "[a, b]: c",
		"unfinished quotes":     "a: \"b",
		"9 MB":                  strings.Repeat("# padding\n", 900_000),
		"an anchor that is one": "&a &b c",
	} {
		t.Run(name, func(t *testing.T) {
			if documents, err := manager.ReadDocuments("hostile.yaml", []byte(text), nil); manager.CodeOf(err) != manager.CodeInvalid {
				t.Errorf("%d documents, %.200v", len(documents), err)
			}
		})
	}
	for name, text := range map[string]string{"nothing": "", "a comment": "# nothing\n", "separators": "---\n---\n# x\n---\n", "a directive": "%YAML 1.2\n---\n# x\n"} {
		if documents, err := manager.ReadDocuments("empty.yaml", []byte(text), nil); err != nil || len(documents) > 0 {
			t.Errorf("%s: %d documents, %v", name, len(documents), err)
		}
	}
}

// indented nests mappings by indentation.
func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "%*sa:\n", i, "")
	}
	return b.String()
}

func TestReadDocumentsFromJSONAndWindows(t *testing.T) {
	for name, text := range map[string]string{
		"JSON":             `{"apiVersion": "partnergate.dev/v1alpha1", "kind": "Plan", "metadata": {"name": "gold"}, "spec": {"weight": 2, "title": "a\u00e9\"b"}}`,
		"Windows":          "\ufeffapiVersion: partnergate.dev/v1alpha1\r\nkind: Plan\r\nmetadata: {name: gold}\r\nspec:\r\n  weight: 2\r\n  title: aé\"b\r\n---\r\n",
		"under separators": "---\n# gold\n\napiVersion: partnergate.dev/v1alpha1\nkind: Plan\nmetadata: {name: gold}\nspec: {weight: 2, title: 'aé\"b'}\n...\n---\n",
	} {
		documents, err := manager.ReadDocuments("gold", []byte(text), nil)
		if err != nil || len(documents) != 1 {
			t.Errorf("%s: %d documents, %v", name, len(documents), err)
			continue
		}
		if spec := documents[0].Resource.(*manager.Plan).Spec; spec.Weight != 2 || spec.Title != `aé"b` {
			t.Errorf("%s: %+v", name, spec)
		}
	}
}

// TestWriteDocument: what is written reads as what it was, whatever the texts are.
func TestWriteDocument(t *testing.T) {
	for _, r := range estate(t) {
		expectSameDocument(t, r)
	}
	text := rapid.OneOf(rapid.String(), rapid.StringMatching("(?s)[ \t\n:#'\"\\-{}\\[\\]&*!|>%@`?,a0~.é]{0,20}"), rapid.SampledFrom([]string{"null", "true", "1.0", "0x1F", "~", "---", "on", "1e3", "2026-01-01"}))
	label := rapid.StringMatching("[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?")
	rapid.Check(t, func(t *rapid.T) {
		starts := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "starts")).UTC()
		expectSameDocument(t, &manager.Subscription{
			Metadata: manager.Metadata{Name: label.Draw(t, "name"), Partner: label.Draw(t, "partner"), ManagedBy: manager.OwnerFile, Revision: 3},
			Spec: manager.SubscriptionSpec{
				Product: text.Draw(t, "product"), Environment: text.Draw(t, "environment"), Plan: label.Draw(t, "plan"),
				State:      manager.StateSuspended,
				Operations: rapid.SliceOfN(text, 1, 3).Draw(t, "operations"), StartsAt: &starts,
				Overrides: &manager.Overrides{Limits: []manager.Limit{{Name: text.Draw(t, "limit"), Scope: manager.ScopePartner, Quota: &manager.Quota{Requests: rapid.Int64().Draw(t, "requests"), Per: "day"}}}},
			},
		})
		expectSameDocument(t, &manager.Product{
			Metadata: manager.Metadata{Name: label.Draw(t, "name")},
			Spec: manager.ProductSpec{
				Title: text.Draw(t, "title"), Lifecycle: manager.LifecycleDraft, OpenAPI: "\n" + text.Draw(t, "openapi"), Discoverable: true,
				Environments: map[string]manager.ProductEnvironment{label.Draw(t, "environment"): {Hosts: []string{text.Draw(t, "host")}}},
			},
		})
	})
}

type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func expectSameDocument(t tester, r manager.Resource) {
	t.Helper()
	data, err := manager.WriteDocument(r)
	if err != nil {
		t.Fatalf("%v", err)
	}
	documents, err := manager.ReadDocuments("written.yaml", data, nil)
	if err != nil || len(documents) != 1 {
		t.Fatalf("%v\n%s", err, data)
	}
	if diff := cmp.Diff(r, documents[0].Resource, cmpopts.IgnoreFields(manager.Metadata{}, "ManagedBy", "Revision"), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(manager.Limit{}, "Scope"),
		cmpopts.IgnoreFields(manager.ProductSpec{}, "Lifecycle", "Operations")); diff != "" {
		t.Fatalf("%s\n%s", diff, data)
	}
}

// TestWrittenDocuments shows what people see of an export.
func TestWrittenDocuments(t *testing.T) {
	var all []string
	for _, r := range estate(t) {
		data, err := manager.WriteDocument(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(data))
	}
	got := strings.Join(all, "---\n")
	path := filepath.Join("testdata", "written.out.yaml")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestMarshalResource(t *testing.T) {
	expires := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, r := range []manager.Resource{
		&manager.Plan{Metadata: manager.Metadata{Name: "gold", Revision: 3, ManagedBy: manager.OwnerAPI}, Spec: manager.PlanSpec{Weight: 2}},
		&manager.Credential{Metadata: manager.Metadata{Name: "abcdefghijkl", Partner: "acme"}, Application: "checkout", Environment: "sandbox", Digest: [32]byte{1, 2, 3}, ExpiresAt: &expires},
	} {
		data, err := manager.MarshalResource(r)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			APIVersion string
			Kind       manager.Kind
			Metadata   manager.Metadata
			Spec       map[string]any
		}
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if got.APIVersion != manager.APIVersion || got.Kind != r.Ref().Kind || got.Metadata != *r.Meta() || len(got.Spec) == 0 {
			t.Errorf("%s", data)
		}
		if _, shown := got.Spec["digest"]; shown {
			t.Errorf("the digest is shown: %s", data)
		}
	}
	if _, err := manager.WriteDocument(&manager.Credential{}); err == nil {
		t.Error("a credential has a document")
	}
}

// A file may be long, one document of it not that long.
func TestReadDocumentsBoundsEachDocument(t *testing.T) {
	const plan = "apiVersion: partnergate.dev/v1alpha1\nkind: Plan\nmetadata: {name: %s}\nspec: {}\n---\n"
	filler := strings.Repeat("# a comment, one of many\n", 180_000) // over 4 MB
	long := fmt.Sprintf(plan, "one") + filler + "---\n" + filler + "---\n" + fmt.Sprintf(plan, "two")
	if read, err := manager.ReadDocuments("long.yaml", []byte(long), nil); err != nil || len(read) != 2 {
		t.Errorf("a long file: %d documents, %v", len(read), err)
	}
	_, err := manager.ReadDocuments("long.yaml", []byte(fmt.Sprintf(plan, "one")+filler+filler), nil)
	if err == nil || !strings.Contains(err.Error(), "long.yaml:5: the document has more than 8 MB") {
		t.Errorf("a long document: %v", err)
	}
}
