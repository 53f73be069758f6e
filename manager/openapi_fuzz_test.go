package manager_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/partnergate/partnergate/manager"
)

// FuzzOpenAPI: no OpenAPI document crashes the reader, what is wrong with one is
// an error that names it, and of what is right any part can be given to a partner.
func FuzzOpenAPI(f *testing.F) {
	for _, seed := range []string{
		"openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {/a/{id}: {get: {operationId: a, parameters: [{name: id, in: path, required: true, schema: {type: string}}], responses: {'200': {description: ok}}}}}\n",
		`{"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"$ref": "#/paths/~1a"}}}`,
		"openapi: 3.0.0\npaths: {/a: {get: {responses: {default: {$ref: '#/components/responses/x'}}}}}\ncomponents: {responses: {x: {$ref: '#/components/responses/x'}}}\n",
		"openapi: 3.1.0\npaths: null\n", "swagger: '2.0'\n", "openapi: [", "a: &a [*a, *a]\n", "openapi: 3.1.0\npaths: {//: {}, '/{': {get: }}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		indented := "    " + strings.ReplaceAll(document, "\n", "\n    ")
		yaml := "apiVersion: partnergate.dev/v1alpha1\nkind: Product\nmetadata: {name: p}\nspec:\n  environments: {sandbox: {hosts: [a.test]}}\n  openapi: "
		for _, text := range []string{yaml + "\n" + indented, yaml + "|\n" + indented} {
			documents, err := manager.ReadDocuments("fuzz.yaml", []byte(text), nil)
			if err != nil && manager.CodeOf(err) != manager.CodeInvalid {
				t.Errorf("an error that nobody can act on: %v", err)
			}
			for _, d := range documents {
				product, ok := d.Resource.(*manager.Product)
				if manager.Validate([]manager.Resource{d.Resource}) == nil && ok { // either way, but without a panic
					fuzzNarrowed(t, product.Spec.OpenAPI)
				}
			}
		}
	})
}

// fuzzNarrowed narrows a valid document to every other operation: just these are in what comes of it.
func fuzzNarrowed(t *testing.T, document string) {
	held := heldOf(t, document, "", func(i int, _ manager.Operation) bool { return i%2 == 0 })
	narrowed, err := held.OpenAPI(memberUse)
	if err != nil {
		if !strings.Contains(err.Error(), "has more than") { // aliases can multiply what they name
			t.Error(err)
		}
		return
	}
	var read struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(narrowed, &read); err != nil {
		t.Fatalf("no JSON: %v in %.1000s", err, narrowed)
	}
	var got, want []string
	for path, item := range read.Paths {
		for key := range item {
			if key != "parameters" && key != "summary" && key != "description" {
				got = append(got, strings.ToUpper(key)+" "+path)
			}
		}
	}
	for _, o := range held.Operations {
		if !slices.Contains(openapi3.PathItemMethods(), o.Method) {
			return // those stand elsewhere
		}
		want = append(want, o.Method+" "+o.Path)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("narrowed to %q it lists %q", want, got)
	}
}
