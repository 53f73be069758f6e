package manager_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/partnergate/partnergate/manager"
)

const openAPIHead = "openapi: 3.1.0\ninfo: {title: x, version: '1'}\n"

// operationsOf stores a product and returns its operations in few words.
func operationsOf(t *testing.T, document, basePath string) string {
	t.Helper()
	s := newService(t, newClock())
	product := &manager.Product{Metadata: manager.Metadata{Name: "p"}, Spec: manager.ProductSpec{OpenAPI: document, BasePath: basePath}}
	stored, _, err := s.Put(t.Context(), admin, product, manager.AnyRevision)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, o := range stored.(*manager.Product).Spec.Operations {
		lines = append(lines, fmt.Sprintf("%s: %s %s %q %v %v", o.ID, o.Method, o.Path, o.Summary, o.Tags, o.Deprecated))
	}
	return strings.Join(lines, "\n")
}

func TestOperations(t *testing.T) {
	for _, tt := range []struct{ name, document, basePath, want string }{
		{"in the document's order", openAPIHead + `
paths:
  /z/{id}: {post: {operationId: last}, get: {operationId: first, tags: [a, b], deprecated: true}, parameters: []}
  /a: {summary: Of the path, delete: {}, put: {summary: Its own}}
`, "/base", `last: POST /base/z/{id} "" [] false
first: GET /base/z/{id} "" [a b] true
DELETE /a: DELETE /base/a "Of the path" [] false
PUT /a: PUT /base/a "Its own" [] false`},
		{"JSON", `{"openapi": "3.0.0", "info": {"title": "x", "version": "1"}, "paths": {"/b": {"get": {}}, "/a": {"put": {}, "get": {}}}}`, "",
			"GET /b: GET /b \"\" [] false\nPUT /a: PUT /a \"\" [] false\nGET /a: GET /a \"\" [] false"},
		{"anchors and merge keys", openAPIHead + `
x-common: &common {tags: [shared], summary: Common}
paths:
  /a: {get: {<<: *common, operationId: a, summary: Own}}
  /b: {get: {operationId: b, <<: [*common]}}
`, "", "a: GET /a \"Own\" [shared] false\nb: GET /b \"Common\" [shared] false"},
		{"a path item that stands elsewhere", openAPIHead + `
paths: {/a: {$ref: "#/components/pathItems/A"}, x-note: 1}
components: {pathItems: {A: {put: {operationId: put}, get: {operationId: get}}}}
`, "", "get: GET /a \"\" [] false\nput: PUT /a \"\" [] false"},
		{"a slash at the end is another path", openAPIHead + "paths: {/a: {get: {operationId: without}}, /a/: {get: {operationId: with}}, /: {get: {operationId: root}}}", "/b",
			"without: GET /b/a \"\" [] false\nwith: GET /b/a/ \"\" [] false\nroot: GET /b/ \"\" [] false"},
		{"escapes stay", openAPIHead + "paths: {/a%20b/%C3%A4: {get: {operationId: a}}}", "", "a: GET /a%20b/%C3%A4 \"\" [] false"},
		{"no operations yet", openAPIHead + "paths: {}", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, operationsOf(t, tt.document, tt.basePath)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHostileOpenAPI: no document costs more than its size.
func TestHostileOpenAPI(t *testing.T) {
	lists := openAPIHead + "paths: {}\nx-a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	schemas := openAPIHead + "paths: {}\ncomponents:\n  schemas:\n    A: &a {type: object, properties: {x: {type: string}}}\n"
	for c := 'b'; c <= 't'; c++ {
		p := string(c - 1)
		lists += fmt.Sprintf("x-%c: &%c [%s]\n", c, c, strings.Repeat("*"+p+",", 10))
		schemas += fmt.Sprintf("    %c: &%c {type: object, properties: {x: *%s, y: *%s, z: *%s}}\n", c-32, c, p, p, p)
	}
	var many strings.Builder
	many.WriteString(openAPIHead + "paths:\n")
	for i := 0; many.Len() < 5<<20-200; i++ {
		fmt.Fprintf(&many, "  /a%d/{id}: {get: {}}\n", i)
	}
	nested := func(n int) string {
		return openAPIHead + "paths: {}\ncomponents: {schemas: {A: " + strings.Repeat("{type: array, items: ", n) + "{type: string}" + strings.Repeat("}", n) + "}}\n"
	}
	var references strings.Builder
	references.WriteString(openAPIHead + "paths: {}\ncomponents:\n  schemas:\n    S40: {type: string}\n")
	for i := range 40 {
		fmt.Fprintf(&references, "    S%d: {type: object, properties: {a: {$ref: '#/components/schemas/S%d'}, b: {$ref: '#/components/schemas/S%d'}}}\n", i, i+1, i+1)
	}
	for _, tt := range []struct{ name, document, want string }{
		{"aliases of aliases", lists, "with its aliases written out it has more than 15 MB"},
		{"schemas of schemas", schemas, "with its aliases written out it has more than 15 MB"},
		{"an alias of itself", openAPIHead + "paths: {}\nx-a: &a [*a]\n", ""},
		{"too many operations", many.String(), "has more than 10000 operations"},
		{"too large", many.String() + many.String(), "has more than 5 MB"},
		{"nested", nested(50), ""},
		{"nested too deep", nested(300), "nested deeper than 100"},
		{"10,001 deep", nested(10001), ""},
		{"JSON, 10,001 deep", strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001), ""},
		{"references of references", references.String(), ""},
		{"a circle of references", openAPIHead + "paths: {}\ncomponents: {schemas: {A: {$ref: '#/components/schemas/B'}, B: {$ref: '#/components/schemas/A'}}}\n", ""},
		{"a path item of itself", openAPIHead + "paths: {/a: {$ref: '#/paths/~1a'}}\n", ""},
		{"a key twice", openAPIHead + "paths:\n  /a: {get: {}}\n  /a: {put: {}}\n", `line 5: "/a" stands twice, first in line 4`},
		{"an external reference", openAPIHead + "paths: {/a: {get: {responses: {'200': {$ref: 'file:///etc/passwd'}}}}}\n", `the reference to "file:///etc/passwd" leaves the document`},
		{"a list", "- a\n- b\n", "the version is missing"},
		{"noise", "\x01\x02\n\xff", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := manager.Validate([]manager.Resource{&manager.Product{Metadata: manager.Metadata{Name: "x"}, Spec: manager.ProductSpec{OpenAPI: tt.document}}})
			if err != nil && manager.CodeOf(err) != manager.CodeInvalid || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("want %q, got %.300v", tt.want, err)
			}
		})
	}
}

// TestParameters: those of the path in its order, declared or not, then the others; an operation's own go before.
func TestParameters(t *testing.T) {
	held := heldOf(t, openAPIHead+`
paths:
  '/a/{first}/{second}':
    parameters:
      - {name: second, in: path, required: true, description: Of the path, schema: {type: string}}
      - {name: page, in: query, schema: {type: integer}}
      - {name: elsewhere, in: path, required: true, schema: {type: string}}
    get:
      parameters:
        - {$ref: '#/components/parameters/Day'}
        - {name: page, in: query, required: true, description: Its own, schema: {type: integer, format: int32}}
        - {name: session, in: cookie, schema: {type: string}}
        - {name: x-mode, in: header, schema: {type: string, enum: [fast, 2, true, {odd: 1}]}}
    put: {}
components: {parameters: {Day: {name: day, in: query, schema: {type: [string, 'null'], format: date}}}}
`, "/base", func(int, manager.Operation) bool { return true })
	for i, want := range []string{
		`path first true "" [] "", path second true "string" [] "Of the path", query day false "string or null (date)" [] "", query page true "integer (int32)" [] "Its own", header x-mode false "string" [fast 2 true] ""`,
		`path first true "" [] "", path second true "string" [] "Of the path", query page false "integer" [] ""`,
	} {
		var words []string
		for _, p := range held.Operations[i].Detail.Parameters {
			words = append(words, fmt.Sprintf("%s %s %t %q %v %q", p.In, p.Name, p.Required, p.Type, p.Values, p.Description))
		}
		if diff := cmp.Diff(want, strings.Join(words, ", ")); diff != "" {
			t.Error(diff)
		}
	}
}

// TestOpenAPIThatMultiplies: references that are copied for each place are bounded by what comes of them, others are not.
func TestOpenAPIThatMultiplies(t *testing.T) {
	schema := "{anyOf: [" + strings.Repeat("{type: string}, ", 1000) + "]}"
	many := func(reference string) string {
		return "{get: {responses: {'200': {description: a, content: {text/plain: {schema: {anyOf: [" + strings.Repeat("{$ref: '"+reference+"'}, ", 2000) + "]}}}}}}}"
	}
	var paths, tower strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&paths, ", /%d: {$ref: '#/components/pathItems/P'}", i)
	}
	for i := range 30 {
		fmt.Fprintf(&tower, "x-%d: {anyOf: [%s]}\n", i, strings.Repeat(fmt.Sprintf("{$ref: '#/x-%d'}, ", i+1), 10))
	}
	for name, test := range map[string]struct {
		document string
		refused  bool
	}{
		"path items":            {"paths: {/a: {}" + paths.String() + "}\ncomponents: {pathItems: {P: {get: {responses: {'200': {description: a, content: {text/plain: {schema: " + schema + "}}}}}}}}", true},
		"an extension":          {"x-s: " + schema + "\npaths: {/a: " + many("#/x-s") + "}", true},
		"a tower":               {tower.String() + "x-30: {}\npaths: {/a: " + many("#/x-0") + "}", true},
		"unknown to components": {"paths: {/a: " + many("#/components/schemas/S/definitions/D") + "}\ncomponents: {schemas: {S: {definitions: {D: " + schema + "}}}}", true},
		"an inner extension":    {"paths: {/a: " + many("#/components/schemas/S/items/x-s") + "}\ncomponents: {schemas: {S: {items: {x-s: " + schema + "}}}}", true},
		"a circle":              {"x-s: {properties: {s: {$ref: '#/x-s'}}}\npaths: {/a: " + many("#/x-s") + "}", false},
		"components":            {"paths: {/a: " + many("#/components/schemas/S") + "}\ncomponents: {schemas: {S: " + schema + "}}", false},
		"fields of components":  {"paths: {/a: " + many("#/components/schemas/S/properties/a") + "}\ncomponents: {schemas: {S: {properties: {a: " + schema + "}}}}", false},
		"items of a list":       {"paths: {/a: " + many("#/components/schemas/S/anyOf/0/items") + "}\ncomponents: {schemas: {S: {anyOf: [{items: " + schema + "}]}}}", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := manager.ReadOperations(&manager.Product{Metadata: manager.Metadata{Name: "p"}, Spec: manager.ProductSpec{OpenAPI: openAPIHead + test.document}})
			if refused := err != nil && strings.Contains(err.Error(), "with what its references copy"); refused != test.refused || !refused && err != nil {
				t.Errorf("%v", err)
			}
		})
	}
}
