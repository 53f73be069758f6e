package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const plan = `{"apiVersion":"partnergate.dev/v1alpha1","kind":"Plan","metadata":{"name":"gold"},"spec":{"limits":[{"name":"daily","quota":{"requests":7,"per":"day"}}]}}`

func TestResourceLife(t *testing.T) {
	a := newAPI(t)
	created := a.do("PUT", "/api/v1/plans/gold", plan)
	if created.status != http.StatusCreated || created.header.Get("Location") != "/api/v1/plans/gold" {
		t.Fatalf("create: %d %v %s", created.status, created.header, created.body)
	}
	tag := created.header.Get("ETag")
	again := a.do("PUT", "/api/v1/plans/gold", plan)
	if again.status != http.StatusOK || again.header.Get("ETag") != tag {
		t.Errorf("the same again: %d, ETag %s, want 200 and %s", again.status, again.header.Get("ETag"), tag)
	}
	var got struct {
		APIVersion, Kind string
		Metadata         struct {
			Name      string
			ManagedBy string `json:"managed_by"`
			Revision  int64
		}
		Spec map[string]any
	}
	read := a.must(&got, "GET", "/api/v1/plans/gold", "")
	if got.Kind != "Plan" || got.Metadata.Name != "gold" || got.Metadata.ManagedBy != "api" || tag != fmt.Sprintf("%q", fmt.Sprint(got.Metadata.Revision)) {
		t.Errorf("read: %s with ETag %s", read.body, tag)
	}
	if cached := a.do("GET", "/api/v1/plans/gold", "", "If-None-Match", tag); cached.status != http.StatusNotModified || cached.body != "" {
		t.Errorf("conditional read: %d %q", cached.status, cached.body)
	}
	var version struct {
		PolicyVersion int64 `json:"policy_version"`
	}
	a.must(&version, "DELETE", "/api/v1/plans/gold", "", "If-Match", tag)
	if version.PolicyVersion <= got.Metadata.Revision {
		t.Errorf("deleted by policy version %d, after revision %d", version.PolicyVersion, got.Metadata.Revision)
	}
	if gone := a.do("GET", "/api/v1/plans/gold", ""); gone.status != http.StatusNotFound {
		t.Errorf("after deleting: %d", gone.status)
	}
}

func TestPreconditions(t *testing.T) {
	a := newAPI(t)
	old := a.must(nil, "PUT", "/api/v1/plans/gold", plan).header.Get("ETag")
	changed := strings.Replace(plan, `"requests":7`, `"requests":8`, 1)
	current := a.must(nil, "PUT", "/api/v1/plans/gold", changed, "If-Match", old).header.Get("ETag")
	missing := strings.Replace(plan, "gold", "lead", 1)
	for _, c := range []struct {
		name, method, path, body, header, value string
		want                                    int
	}{
		{"stale tag", "PUT", "/api/v1/plans/gold", plan, "If-Match", old, 412},
		{"stale tag when deleting", "DELETE", "/api/v1/plans/gold", "", "If-Match", old, 412},
		{"weak tag", "PUT", "/api/v1/plans/gold", plan, "If-Match", "W/" + current, 412},
		{"foreign tag", "PUT", "/api/v1/plans/gold", plan, "If-Match", `"abc"`, 412},
		{"tag without quotes", "PUT", "/api/v1/plans/gold", plan, "If-Match", "7", 400},
		{"create only, but it exists", "PUT", "/api/v1/plans/gold", plan, "If-None-Match", "*", 412},
		{"If-None-Match with a tag", "PUT", "/api/v1/plans/gold", plan, "If-None-Match", current, 400},
		{"must exist, but does not", "PUT", "/api/v1/plans/lead", missing, "If-Match", "*", 412},
		{"tag of what does not exist", "PUT", "/api/v1/plans/lead", missing, "If-Match", current, 412},
		{"one of several tags", "PUT", "/api/v1/plans/gold", changed, "If-Match", old + ", " + current, 200},
		{"must exist, and does", "PUT", "/api/v1/plans/gold", changed, "If-Match", "*", 200},
		{"create only", "PUT", "/api/v1/plans/lead", missing, "If-None-Match", "*", 201},
		{"current tag", "DELETE", "/api/v1/plans/gold", "", "If-Match", current, 200},
	} {
		if got := a.do(c.method, c.path, c.body, c.header, c.value); got.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, got.status, c.want, got.body)
		}
	}
}

func TestBadInput(t *testing.T) {
	a := withEstate(t)
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	large := `{"spec":{"title":"` + strings.Repeat("x", 10<<20) + `"}}`
	product := func(openapi string) string {
		return `{"metadata":{"name":"p"},"spec":{"openapi":` + openapi + `,"environments":{"sandbox":{"hosts":["p.example.test"]}}}}`
	}
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		want                     int
		code                     string
	}{
		{"an object for a text", "POST", "/api/v1/partners/acme/members", `{"email": {"$ne": null}}`, nil, 422, "invalid"},
		{"another partner in the body", "PUT", "/api/v1/partners/acme/applications/x", `{"metadata":{"name":"x","partner":"globex"},"spec":{}}`, nil, 422, "invalid"},
		{"another name in the body", "PUT", "/api/v1/partners/acme", `{"metadata":{"name":"globex"},"spec":{}}`, nil, 422, "invalid"},
		{"another kind in the body", "PUT", "/api/v1/plans/x", `{"kind":"Product","metadata":{"name":"x"},"spec":{}}`, nil, 422, "invalid"},
		{"unknown field", "PUT", "/api/v1/plans/x", `{"metadata":{"name":"x"},"spec":{"limit":[]}}`, nil, 422, "invalid"},
		{"unknown field of a key", "POST", "/api/v1/partners/acme/applications/checkout/credentials", `{"environment":"sandbox","expire":"1h"}`, nil, 422, "invalid"},
		{"name that is no DNS label", "PUT", "/api/v1/plans/Gold_", `{"metadata":{"name":"Gold_"},"spec":{}}`, nil, 422, "invalid"},
		{"empty operations", "PUT", "/api/v1/partners/acme/subscriptions/payments-sandbox", `{"metadata":{"name":"payments-sandbox","partner":"acme"},"spec":{"product":"payments","environment":"sandbox","plan":"starter","operations":[]}}`, nil, 422, "invalid"},
		{"depth 10,001", "PUT", "/api/v1/plans/x", deep, nil, 400, "bad_request"},
		{"depth 10,001 to apply", "POST", "/api/v1/apply", `{"resources":` + deep + `}`, nil, 400, "bad_request"},
		{"depth 10,001 to apply as YAML", "POST", "/api/v1/apply", deep, []string{"Content-Type", "application/yaml"}, 422, "invalid"},
		{"no JSON", "PUT", "/api/v1/plans/x", `{"spec":`, nil, 400, "bad_request"},
		{"two JSON values", "PUT", "/api/v1/plans/x", `{"spec":{}} {}`, nil, 400, "bad_request"},
		{"10 MB", "PUT", "/api/v1/partners/acme", large, nil, 413, "too_large"},
		{"10 MB product", "PUT", "/api/v1/products/payments", large, nil, 413, "too_large"},
		{"10 MB to apply", "POST", "/api/v1/apply", large, nil, 413, "too_large"},
		{"2 MB plan", "PUT", "/api/v1/plans/x", large[:2<<20], nil, 413, "too_large"},
		{"form", "PUT", "/api/v1/plans/x", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		{"YAML where JSON is wanted", "PUT", "/api/v1/plans/x", "spec: {}", []string{"Content-Type", "application/yaml"}, 415, "unsupported_media_type"},
		{"external $ref", "PUT", "/api/v1/products/p", product(`{"openapi":"3.1.0","info":{"title":"x","version":"1"},"paths":{"/a":{"$ref":"https://evil.test/a.yaml"}}}`), nil, 422, "invalid"},
		{"no OpenAPI", "PUT", "/api/v1/products/p", product(`"hello\nworld"`), nil, 422, "invalid"},
		{"path of an OpenAPI document", "PUT", "/api/v1/products/p", product(`"/etc/passwd"`), nil, 422, "invalid"},
		{"unknown partner", "PUT", "/api/v1/partners/nobody/applications/x", `{"metadata":{"name":"x","partner":"nobody"},"spec":{}}`, nil, 404, "not_found"},
		{"limit 0", "GET", "/api/v1/plans?limit=0", "", nil, 422, "invalid"},
		{"limit 501", "GET", "/api/v1/plans?limit=501", "", nil, 422, "invalid"},
		{"unknown parameter", "GET", "/api/v1/plans?page=2", "", nil, 422, "invalid"},
		{"parameter twice", "GET", "/api/v1/usage?partner=acme&partner=globex", "", nil, 422, "invalid"},
		{"broken query", "GET", "/api/v1/usage?partner=%zz", "", nil, 400, "bad_request"},
		{"unknown group", "GET", "/api/v1/usage?group_by=colour", "", nil, 422, "invalid"},
		{"time that is none", "GET", "/api/v1/usage?from=yesterday", "", nil, 422, "invalid"},
		{"time to come as duration", "GET", "/api/v1/usage?from=1h", "", nil, 422, "invalid"},
		{"from after to", "GET", "/api/v1/usage?from=-1h&to=-2h", "", nil, 422, "invalid"},
		{"wrong flag", "POST", "/api/v1/apply?prune=maybe", `{"resources":[]}`, nil, 422, "invalid"},
		{"negative lifetime", "POST", "/api/v1/partners/acme/applications/checkout/credentials", `{"environment":"sandbox","expires_in":"-1h"}`, nil, 422, "invalid"},
		{"no environment", "POST", "/api/v1/partners/acme/applications/checkout/credentials", `{}`, nil, 422, "invalid"},
		{"unknown environment", "POST", "/api/v1/partners/acme/applications/checkout/credentials", `{"environment":"moon"}`, nil, 422, "invalid"},
		{"short password", "PUT", "/api/v1/partners/acme/members/dev@acme.test/password", `{"password":"short"}`, nil, 422, "invalid"},
		{"unknown route", "GET", "/api/v1/nothing", "", nil, 404, "not_found"},
		{"trailing slash", "GET", "/api/v1/plans/", "", nil, 404, "not_found"},
		{"wrong method", "PATCH", "/api/v1/plans/starter", "", nil, 405, "method_not_allowed"},
		{"unknown partner's list", "GET", "/api/v1/partners/nobody/applications", "", nil, 404, "not_found"},
		{"product in use", "DELETE", "/api/v1/products/payments", "", nil, 409, "needed"},
		{"catalog without environment", "GET", "/api/v1/partners/acme/catalog", "", nil, 422, "invalid"},
		{"catalog of an unknown environment", "GET", "/api/v1/partners/acme/catalog?environment=moon", "", nil, 404, "not_found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := a.do(c.method, c.path, c.body, c.headers...)
			if got.status != c.want || got.code() != c.code {
				t.Errorf("%d %q, want %d %q: %.300s", got.status, got.code(), c.want, c.code, got.body)
			}
			if got.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.body, got.header.Get("X-Request-Id")) {
				t.Errorf("not a problem with its request id: %v %.300s", got.header, got.body)
			}
		})
	}
	if got := a.do("GET", "/api/v1/policy", ""); !strings.Contains(got.body, `"policy_version":2`) {
		t.Errorf("bad input has changed the policy: %s", got.body)
	}
}

func TestLists(t *testing.T) {
	a := newAPI(t)
	for i := range 5 {
		body := strings.Replace(plan, "gold", fmt.Sprintf("plan-%d", i), 1)
		a.must(nil, "PUT", fmt.Sprintf("/api/v1/plans/plan-%d", i), body)
	}
	var names []string
	pages, cursor := 0, ""
	for {
		var page struct {
			Items []struct{ Metadata struct{ Name string } }
			Next  *string `json:"next_cursor"`
		}
		a.must(&page, "GET", "/api/v1/plans?limit=2&cursor="+cursor, "")
		for _, item := range page.Items {
			names = append(names, item.Metadata.Name)
		}
		pages++
		if page.Next == nil {
			t.Fatal("next_cursor is missing")
		}
		if cursor = *page.Next; cursor == "" {
			break
		}
	}
	if want := []string{"plan-0", "plan-1", "plan-2", "plan-3", "plan-4"}; !cmp.Equal(names, want) || pages != 3 {
		t.Errorf("got %v in %d pages", names, pages)
	}
	if got := a.do("GET", "/api/v1/plans?cursor=nonsense!", ""); got.status != 422 {
		t.Errorf("foreign cursor: %d %s", got.status, got.body)
	}
	if got := a.do("GET", "/api/v1/products", ""); got.body != `{"items":[],"next_cursor":""}` {
		t.Errorf("empty list: %s", got.body)
	}
}

// Name and partner may be left to the path.
func TestNameFromPath(t *testing.T) {
	a := withEstate(t)
	for _, body := range []string{`{"spec":{"title":"One"}}`, `{"metadata":{"name":"one"},"spec":{}}`, `{"metadata":{},"spec":{"title":"Three"}}`} {
		if got := a.must(nil, "PUT", "/api/v1/partners/acme/applications/one", body); !strings.Contains(got.body, `"name":"one","partner":"acme"`) {
			t.Errorf("%s: %s", body, got.body)
		}
	}
}

// What a file owns an operator can still change at once; it stays the file's.
func TestChangeOfWhatAFileOwns(t *testing.T) {
	a := withEstate(t)
	suspended := `{"metadata":{"name":"acme"},"spec":{"title":"Acme Corp","state":"suspended"}}`
	if got := a.must(nil, "PUT", "/api/v1/partners/acme", suspended); !strings.Contains(got.body, `"managed_by":"file"`) {
		t.Errorf("suspend: %s", got.body)
	}
	if got := a.must(nil, "GET", "/api/v1/partners/acme/catalog?environment=sandbox", ""); !strings.Contains(got.body, `"state":"suspended"`) || !strings.Contains(got.body, `"operations":[]`) {
		t.Errorf("catalog: %s", got.body)
	}
	a.must(nil, "DELETE", "/api/v1/partners/acme/subscriptions/payments-sandbox", "")
}

func TestApply(t *testing.T) {
	a := newAPI(t)
	var result struct {
		PolicyVersion int64 `json:"policy_version"`
		Results       []struct{ Kind, Partner, Name, Action string }
	}
	a.must(&result, "POST", "/api/v1/apply?dry_run=true", estate, "Content-Type", "application/yaml")
	if got := a.do("GET", "/api/v1/products/payments", ""); got.status != 404 {
		t.Errorf("a dry run has written: %d", got.status)
	}
	a.must(&result, "POST", "/api/v1/apply", estate, "Content-Type", "application/yaml; charset=utf-8")
	actions := map[string]string{}
	for _, r := range result.Results {
		actions[r.Kind+" "+r.Partner+" "+r.Name] = r.Action
	}
	if actions["Subscription acme payments-sandbox"] != "created" || actions["Product  payments"] != "created" || result.PolicyVersion == 0 {
		t.Errorf("got %+v", result)
	}
	one := `{"resources":[{"apiVersion":"partnergate.dev/v1alpha1","kind":"Application","metadata":{"name":"checkout","partner":"acme"},"spec":{"title":"New"}}]}`
	a.must(&result, "POST", "/api/v1/apply", one)
	if len(result.Results) != 1 || result.Results[0].Action != "updated" {
		t.Errorf("got %+v", result)
	}
	bad := `{"resources":[{"apiVersion":"partnergate.dev/v1alpha1","kind":"Plan","metadata":{"name":"ok"},"spec":{}},
		{"apiVersion":"partnergate.dev/v1alpha1","kind":"Plan","metadata":{"name":"bad"},"spec":{"limits":[{"name":"x","rate":{"requests":-1,"per":"second"}}]}}]}`
	if got := a.do("POST", "/api/v1/apply", bad); got.status != 422 || !strings.Contains(got.body, "limits[0]") {
		t.Errorf("a bad limit: %d %s", got.status, got.body)
	}
	if got := a.do("GET", "/api/v1/plans/ok", ""); got.status != 404 {
		t.Errorf("half of a bad apply was written: %d", got.status)
	}
}

// HEAD answers as GET does, with no body, to those who may read and to no others.
func TestHead(t *testing.T) {
	a := withEstate(t)
	for _, path := range []string{"/api/v1/plans", "/api/v1/partners/acme", "/api/v1/partners/acme/credentials", "/api/v1/policy", "/api/v1/usage", "/api/v1/plans/nothing"} {
		got, head := a.do("GET", path, ""), a.do("HEAD", path, "")
		if head.status != got.status || head.body != "" || head.header.Get("Content-Type") != got.header.Get("Content-Type") || head.header.Get("ETag") != got.header.Get("ETag") {
			t.Errorf("HEAD %s: %d %v, GET: %d %v", path, head.status, head.header, got.status, got.header)
		}
	}
	if got := a.do("HEAD", "/api/v1/plans", "", "Authorization", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", got.status)
	}
	if got := a.do("HEAD", "/api/v1/apply", ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("what cannot be had: %d", got.status)
	}
}

// What is too long to be counted is told from what is no duration.
func TestLongLifetime(t *testing.T) {
	a := withEstate(t)
	for given, want := range map[string]string{"9999999h": "too long", "99999d": "too long", "soon": "write a duration", "1ns": "give 1m to 3650d"} {
		if got := a.do("POST", credentials, `{"environment":"sandbox","expires_in":"`+given+`"}`); got.status != 422 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", given, got.status, got.body)
		}
	}
}
