package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// The document and the router have the same routes.
func TestOpenAPIHasTheRoutes(t *testing.T) {
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(openAPIDocument, &document); err != nil {
		t.Fatal(err)
	}
	var documented []string
	for path, item := range document.Paths {
		for method := range item {
			if method != "parameters" {
				documented = append(documented, strings.ToUpper(method)+" "+path)
			}
		}
	}
	var routed []string
	parameter := regexp.MustCompile(`:([a-z]+)`)
	a := &api{}
	for _, route := range a.router(prometheus.NewRegistry()).Routes() {
		if route.Method == http.MethodHead {
			continue // goes without saying, where there is a GET
		}
		routed = append(routed, route.Method+" "+parameter.ReplaceAllString(route.Path, "{$1}"))
	}
	for _, r := range routed {
		if !slices.Contains(documented, r) {
			t.Errorf("openapi.json lacks %s", r)
		}
	}
	for _, d := range documented {
		if !slices.Contains(routed, d) {
			t.Errorf("the router lacks %s", d)
		}
	}
}

func TestOpenAPIIsValid(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(openAPIDocument)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// Each reference in the document leads somewhere, and each operation has an id of its own.
func TestOpenAPIHoldsTogether(t *testing.T) {
	var document any
	if err := json.Unmarshal(openAPIDocument, &document); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok && !leads(document, ref) {
				t.Errorf("%s leads nowhere", ref)
			}
			if id, ok := v["operationId"].(string); ok {
				if ids[id] {
					t.Errorf("the operation id %s stands twice", id)
				}
				ids[id] = true
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(document)
}

func leads(document any, ref string) bool {
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		object, ok := document.(map[string]any)
		if !ok {
			return false
		}
		if document, ok = object[name]; !ok {
			return false
		}
	}
	return true
}

// bodies are what the schemas of the document describe.
var bodies = map[string]any{
	"Version": rest.Version{}, "PolicyState": rest.Policy{}, "Proxy": rest.Proxy{}, "Problem": rest.Problem{}, "Applied": manager.ApplyResult{},
	"Credential": rest.Key{}, "NewKey": manager.NewKey{}, "Imported": manager.ImportResult{},
	"Member": rest.Member{}, "Token": rest.Token{}, "NewToken": manager.NewToken{}, "AuditEntry": rest.AuditEntry{},
	"Usage": rest.Usage{}, "Request": rest.Request{}, "Explanation": rest.Explanation{}, "Catalog": rest.Catalog{}, "Operation": rest.CatalogOperation{},
}

// requests are the bodies that operations take, by their ids.
var requests = map[string]any{
	"createCredential": rest.KeyRequest{}, "rotateCredential": rest.Rotation{}, "importCredentials": rest.Import{},
	"inviteMember": rest.MemberRequest{}, "setPassword": rest.PasswordRequest{}, "unlockLogin": rest.Unlock{},
	"createToken": rest.TokenRequest{}, "deleteResources": rest.Deletion{},
}

// The document has the fields that server and client have, and none is
// required that may be left out.
func TestOpenAPIHasTheFields(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(openAPIDocument)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range bodies {
		schema := document.Components.Schemas[name]
		if schema == nil {
			t.Errorf("there is no schema %s", name)
			continue
		}
		compareFields(t, name, reflect.TypeOf(body), schema.Value)
	}
	asked := 0
	for _, item := range document.Paths.Map() {
		for _, operation := range item.Operations() {
			body, ours := requests[operation.OperationID]
			if !ours {
				continue
			}
			asked++
			compareFields(t, operation.OperationID, reflect.TypeOf(body), operation.RequestBody.Value.Content["application/json"].Schema.Value)
		}
	}
	if asked != len(requests) {
		t.Errorf("%d of %d operations are in the document", asked, len(requests))
	}
}

// compareFields follows structs and lists to what is neither.
func compareFields(t *testing.T, where string, of reflect.Type, schema *openapi3.Schema) {
	t.Helper()
	switch {
	case of.Kind() == reflect.Pointer:
		compareFields(t, where, of.Elem(), schema)
	case of.Kind() == reflect.Slice && schema.Items != nil:
		compareFields(t, where+"[]", of.Elem(), schema.Items.Value)
	case of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]():
	default:
		described := slices.Collect(maps.Keys(schema.Properties))
		for _, f := range reflect.VisibleFields(of) {
			name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			property := schema.Properties[name]
			if property == nil {
				t.Errorf("%s: openapi.json lacks %s", where, name)
				continue
			}
			if slices.Contains(schema.Required, name) && option != "" {
				t.Errorf("%s: %s is required, and may be left out", where, name)
			}
			described = slices.DeleteFunc(described, func(d string) bool { return d == name })
			compareFields(t, where+"."+name, f.Type, property.Value)
		}
		if len(described) > 0 {
			t.Errorf("%s: openapi.json has also %v", where, described)
		}
	}
}
