package manager_test

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// FuzzOpenAPI: no OpenAPI document crashes the reader, and what is wrong with one is an error that names it.
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
				_ = manager.Validate([]manager.Resource{d.Resource}) // either way, but without a panic
			}
		}
	})
}
