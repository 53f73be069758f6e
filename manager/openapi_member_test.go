package manager_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v4"

	"github.com/partnergate/partnergate/manager"
)

var memberUse = manager.OpenAPIUse{
	Servers: []manager.OpenAPIServer{{URL: "https://api.example.test", Description: "Production"}},
	Errors:  "https://partners.example.test/docs/errors/",
}

// heldOf is a product of which the operations that keep chooses can be called.
func heldOf(t testing.TB, document, basePath string, keep func(i int, o manager.Operation) bool) *manager.CatalogProduct {
	t.Helper()
	product := &manager.Product{Metadata: manager.Metadata{Name: "p"}, Spec: manager.ProductSpec{OpenAPI: document, BasePath: basePath}}
	if err := manager.ReadOperations(product); err != nil {
		t.Fatal(err)
	}
	held := &manager.CatalogProduct{Product: product}
	for i, o := range product.Spec.Operations {
		if keep(i, o) {
			held.Operations = append(held.Operations, manager.CatalogOperation{Product: "p", Method: o.Method, Path: o.Path, Operation: o.ID, Detail: &product.Spec.Operations[i]})
		}
	}
	return held
}

// TestNarrowedOpenAPI: what a partner does not hold leaves no trace, and what it holds is whole.
func TestNarrowedOpenAPI(t *testing.T) {
	golden(t, "narrowed", func(t *testing.T, _ string, data []byte) string {
		head, _, _ := strings.Cut(string(data), "\n")
		var ids []string
		if err := yaml.Unmarshal([]byte("["+strings.TrimPrefix(head, "# held: ")+"]"), &ids); err != nil {
			t.Fatal(err)
		}
		held := heldOf(t, string(data), "/shop/v1", func(_ int, o manager.Operation) bool { return slices.Contains(ids, o.ID) })
		if len(held.Operations) != len(ids) {
			t.Fatalf("%d of the operations %v exist", len(held.Operations), ids)
		}
		narrowed, err := held.OpenAPI(memberUse)
		if err != nil {
			t.Fatal(err)
		}
		document := loadNarrowed(t, narrowed)
		if err := document.Validate(t.Context(), openapi3.DisableExamplesValidation()); err != nil {
			t.Errorf("the document is not valid: %v", err)
		}
		for _, word := range []string{"Secret", "inner", "upstream", "removeOrder", "stock", "Warehouse", "Force", "x-owner"} {
			if strings.Contains(string(narrowed), word) && word != "Secret" || strings.Contains(string(narrowed), `"Secret"`) {
				t.Errorf("it tells of %s", word)
			}
		}
		return string(narrowed)
	})
}

func loadNarrowed(t testing.TB, narrowed []byte) *openapi3.T {
	t.Helper()
	if !json.Valid(narrowed) {
		t.Fatalf("no JSON: %.1000s", narrowed)
	}
	document, err := openapi3.NewLoader().LoadFromData(narrowed)
	if err != nil {
		t.Fatalf("it cannot be loaded: %v\n%.3000s", err, narrowed)
	}
	return document
}

// routesOf are the operations of a document as a catalog names them.
func routesOf(document *openapi3.T, basePath string) []string {
	var routes []string
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			id := o.OperationID
			if id == "" {
				id = method + " " + path
			}
			routes = append(routes, id+": "+method+" "+basePath+path)
		}
	}
	slices.Sort(routes)
	return routes
}

func catalogRoutes(held *manager.CatalogProduct) []string {
	var routes []string
	for _, o := range held.Operations {
		routes = append(routes, o.Operation+": "+o.Method+" "+o.Path)
	}
	slices.Sort(routes)
	return routes
}

// checkNarrowed narrows a document to every other operation, and reads what comes of it.
func checkNarrowed(t testing.TB, document string) {
	t.Helper()
	for parity := range 2 {
		held := heldOf(t, document, "/base", func(i int, _ manager.Operation) bool { return i%2 == parity })
		narrowed, err := held.OpenAPI(memberUse)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := routesOf(loadNarrowed(t, narrowed), "/base"), catalogRoutes(held); !slices.Equal(got, want) {
			t.Errorf("narrowed to %q it lists %q", want, got)
		}
	}
}

func TestNarrowedOpenAPIOfOddDocuments(t *testing.T) {
	for name, document := range map[string]string{
		"no responses":            openAPIHead + "paths: {'/a/{id}': {get: {}, put: {}}, /b: {post: {}}}",
		"a circle of references":  openAPIHead + "paths: {/a: {get: {responses: {'200': {$ref: '#/components/responses/A'}}}}}\ncomponents: {responses: {A: {description: a, content: {text/plain: {schema: {$ref: '#/components/schemas/B'}}}}}, schemas: {B: {type: object, properties: {b: {$ref: '#/components/schemas/B'}}}}}",
		"anchors and merge keys":  openAPIHead + "x-common: &common {tags: [shared]}\npaths: {/a: {get: {<<: *common, operationId: a}}, /b: {get: {operationId: b, <<: [*common]}}}",
		"references to fields":    openAPIHead + "paths:\n  /a: {get: {responses: {'200': {description: a, content: {text/plain: {schema: {type: string}}}}}}}\n  /b: {get: {responses: {'401': {$ref: '#/paths/~1a/get/responses/200'}}}}",
		"a path item of another":  openAPIHead + "paths: {/a: {get: {}, put: {}}, /b: {$ref: '#/paths/~1a'}}",
		"the same names as ours":  openAPIHead + "paths: {/a: {get: {responses: {'401': {$ref: '#/components/responses/GatewayRefusal401'}}}}}\ncomponents: {responses: {GatewayRefusal401: {description: own}}}",
		"another method":          openAPIHead + "paths: {/a: {get: {}, additionalOperations: {COPY: {operationId: copy}}}}",
		"a circle of fields":      openAPIHead + "paths: {/a: {get: {responses: {'200': {description: a, content: {text/plain: {schema: {$ref: '#/components/schemas/S'}}}}}}}}\ncomponents: {schemas: {S: {definitions: {A: {$ref: '#/components/schemas/S/definitions/B/x'}, B: {$ref: '#/components/schemas/S/definitions/A/x'}}}}}",
		"a schema that is a bool": openAPIHead + "paths: {/a: {get: {responses: {'200': {description: a, content: {text/plain: {schema: true}}}}}}}",
	} {
		t.Run(name, func(t *testing.T) { checkNarrowed(t, document) })
	}
}

// TestNarrowedOpenAPIOfWhatMultiplies has many paths refer to one large path item, which is copied for each.
func TestNarrowedOpenAPIOfWhatMultiplies(t *testing.T) {
	const paths, objects = 200, 3000
	var document strings.Builder
	document.WriteString(openAPIHead + "paths:\n")
	held := &manager.CatalogProduct{Product: &manager.Product{}}
	for i := range paths {
		path := fmt.Sprintf("/%d", i)
		fmt.Fprintf(&document, "  %s: {$ref: '#/components/pathItems/P'}\n", path)
		held.Operations = append(held.Operations, manager.CatalogOperation{Method: "GET", Path: path, Operation: "GET " + path})
	}
	document.WriteString("components: {pathItems: {P: {get: {parameters: [" + strings.Repeat("{}, ", objects) + "]}}}}\n")
	held.Product.Spec.OpenAPI = document.String() // past what reading it refuses, such as a store of an older version has it
	if _, err := held.OpenAPI(memberUse); err == nil || !strings.Contains(err.Error(), "has more than 500000 objects") {
		t.Errorf("of all: %v", err)
	}
	held.Operations = held.Operations[:10]
	if _, err := held.OpenAPI(memberUse); err != nil {
		t.Errorf("of few: %v", err)
	}
}

// TestNarrowedOpenAPISaysWhereAndHow: servers, keys and refusals.
func TestNarrowedOpenAPISaysWhereAndHow(t *testing.T) {
	held := heldOf(t, openAPIHead+"paths: {'/a/{id}': {get: {operationId: a, parameters: [{name: id, in: path, required: true, schema: {type: string}}]}}}", "/base", func(int, manager.Operation) bool { return true })
	narrowed, err := held.OpenAPI(memberUse)
	if err != nil {
		t.Fatal(err)
	}
	document := loadNarrowed(t, narrowed)
	if s := document.Servers; len(s) != 1 || s[0].URL != "https://api.example.test/base" || s[0].Description != "Production" {
		t.Errorf("the servers are %+v", s)
	}
	o := document.Paths.Value("/a/{id}").Get
	if o.Security == nil || len(*o.Security) != 2 {
		t.Errorf("it asks for %v, not one of two ways to send a key", o.Security)
	}
	schemes := document.Components.SecuritySchemes
	if key := schemes["ApiKey"].Value; key.Name != "x-api-key" || key.In != "header" || schemes["BearerKey"].Value.Scheme != "bearer" {
		t.Errorf("the schemes are %+v", schemes)
	}
	for _, status := range []string{"400", "401", "403", "404", "429", "500", "503"} {
		r := o.Responses.Value(status)
		if r == nil || r.Value.Content["application/problem+json"].Schema.Value.Properties["request_id"] == nil {
			t.Errorf("the gateway's refusals with %s are not described", status)
		}
	}
	if words := *o.Responses.Value("401").Value.Description; !regexp.MustCompile("`credential_revoked`: ").MatchString(words) {
		t.Errorf("401 is described as %q", words)
	}
}
