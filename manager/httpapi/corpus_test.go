package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// TestBadInputOfTheAdminAPI is the list of what the admin API must refuse, by the names that it has there.
func TestBadInputOfTheAdminAPI(t *testing.T) {
	a := withEstate(t)
	var key struct{ ID string }
	a.must(&key, "POST", credentials, `{"environment":"sandbox"}`)
	plan := func(spec string) string { return `{"metadata":{"name":"starter"},"spec":` + spec + `}` }
	product := func(openapi string) string {
		return `{"metadata":{"name":"payments"},"spec":{"openapi":` + openapi + `,"environments":{"sandbox":{"hosts":["x.test"]}}}}`
	}
	deep := strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		want                     int
	}{
		{"an operator of a query as email", "POST", "/api/v1/partners/acme/members", `{"email": {"$ne": null}}`, nil, 422},
		{"an operator of a query as name", "POST", "/api/v1/tokens", `{"name": {"$gt": ""}, "role": "admin"}`, nil, 422},
		{"an operator of a query in the query", "GET", "/api/v1/audit?actor[$ne]=x", "", nil, 422},
		{"another partner's id in a body", "PUT", "/api/v1/partners/acme/applications/checkout", `{"metadata":{"partner":"globex"},"spec":{}}`, nil, 422},
		{"another name in a body", "PUT", "/api/v1/partners/acme/applications/checkout", `{"metadata":{"name":"other"},"spec":{}}`, nil, 422},
		{"partner A on /partners/B/", "GET", "/api/v1/partners/globex/applications/checkout", "", nil, 404},
		{"a key of A on /partners/B/", "DELETE", "/api/v1/partners/globex/credentials/" + key.ID, "", nil, 404},
		{"depth 10,001", "PUT", "/api/v1/plans/starter", deep, nil, 400},
		{"depth 10,001 of lists", "POST", "/api/v1/apply", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), nil, 400},
		{"stale If-Match", "PUT", "/api/v1/plans/starter", plan("{}"), []string{"If-Match", `"1"`}, 412},
		{"stale If-Match of a deletion", "DELETE", "/api/v1/plans/starter", "", []string{"If-Match", `"1"`}, 412},
		{"stale If-Match of a key", "DELETE", "/api/v1/credentials/" + key.ID, "", []string{"If-Match", `"1"`}, 412},
		{"stale If-Match of a rotation", "POST", "/api/v1/credentials/" + key.ID + "/rotate", "{}", []string{"If-Match", `"1"`}, 412},
		{"a 10 MB body", "PUT", "/api/v1/plans/starter", plan(`"` + strings.Repeat("x", 10<<20) + `"`), nil, 413},
		{"a 10 MB product", "PUT", "/api/v1/products/payments", product(`"` + strings.Repeat("x", 10<<20) + `"`), nil, 413},
		{"a 10 MB token", "POST", "/api/v1/tokens", `{"name":"` + strings.Repeat("x", 10<<20) + `"}`, nil, 413},
		{"a 1 MB password", "PUT", "/api/v1/partners/acme/members/dev@acme.test/password", `{"password":"` + strings.Repeat("x", 1<<20-100) + `"}`, nil, 413},
		{"a password of 300 characters", "PUT", "/api/v1/partners/acme/members/dev@acme.test/password", `{"password":"` + strings.Repeat("x", 300) + `"}`, nil, 422},
		{"an OpenAPI document with an external $ref", "PUT", "/api/v1/products/payments",
			product(`{"openapi":"3.1.0","info":{"title":"x","version":"1"},"paths":{"/x":{"$ref":"http://169.254.169.254/x.yaml"}}}`), nil, 422},
		{"an OpenAPI document with a $ref to a file", "PUT", "/api/v1/products/payments",
			product(`{"openapi":"3.1.0","info":{"title":"x","version":"1"},"paths":{"/x":{"$ref":"/etc/passwd"}}}`), nil, 422},
		{"an unknown field", "PUT", "/api/v1/plans/starter", plan(`{"limit":[]}`), nil, 422},
		{"an unknown field of a token", "POST", "/api/v1/tokens", `{"name":"x","role":"auditor","team":"core"}`, nil, 422},
		{"no JSON", "POST", "/api/v1/tokens", `{"name":`, nil, 400},
		{"a form", "POST", "/api/v1/tokens", "name=x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"a cursor that no list gave", "GET", "/api/v1/tokens?cursor=%25", "", nil, 422},
		{"a cursor that no log gave", "GET", "/api/v1/audit?cursor=AAAA", "", nil, 422},
		{"a page of 501", "GET", "/api/v1/audit?limit=501", "", nil, 422},
		{"a second token of a name", "POST", "/api/v1/tokens", `{"name":"bootstrap","role":"admin"}`, nil, 422},
		{"an admin of a team", "POST", "/api/v1/tokens", `{"name":"x","role":"admin","teams":["core"]}`, nil, 422},
		{"an operator of no team", "POST", "/api/v1/tokens", `{"name":"x","role":"operator","teams":[]}`, nil, 422},
		{"a token that is none", "DELETE", "/api/v1/tokens/nothing", "", nil, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := a.service.PolicyVersion()
			got := a.do(c.method, c.path, c.body, c.headers...)
			if got.status != c.want || got.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d, want %d: %.300s", got.status, c.want, got.body)
			}
			if a.service.PolicyVersion() != before {
				t.Error("the policy changed")
			}
		})
	}
	t.Run("a member making itself admin", func(t *testing.T) {
		dev := manager.Actor{Name: "viewer@acme.test", Owner: manager.OwnerPortal}
		a.must(nil, "POST", "/api/v1/partners/acme/members", `{"email":"viewer@acme.test","role":"viewer"}`)
		err := a.service.InviteMember(context.Background(), dev, "acme", "viewer@acme.test", manager.RoleAdmin)
		if manager.CodeOf(err) != manager.CodeForbidden {
			t.Errorf("got %v", err)
		}
	})
}

// Every list has pages, and each is read to its end without a gap.
func TestListsHavePages(t *testing.T) {
	a := withEstate(t)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		a.must(nil, "POST", "/api/v1/tokens", `{"name":"`+name+`","role":"auditor"}`)
		a.must(nil, "POST", "/api/v1/partners/acme/members", `{"email":"`+name+`@acme.test"}`)
		a.must(nil, "POST", credentials, `{"environment":"sandbox"}`)
		a.must(nil, "PUT", "/api/v1/plans/"+name, `{"spec":{}}`)
		a.must(nil, "PUT", "/api/v1/partners/acme/applications/"+name, `{"spec":{}}`)
	}
	for path, want := range map[string]int{
		"/api/v1/tokens": 5, "/api/v1/partners/acme/members": 6, credentials: 5, "/api/v1/partners/acme/credentials": 5,
		"/api/v1/plans": 6, "/api/v1/partners/acme/applications": 6, "/api/v1/audit?kind=Plan": 6, "/api/v1/audit?kind=Token": 5, "/api/v1/proxies": 0,
	} {
		seen := map[string]bool{}
		for cursor := ""; ; {
			var page struct {
				Items []map[string]any
				Next  string `json:"next_cursor"`
			}
			joint := "?"
			if strings.Contains(path, "?") {
				joint = "&"
			}
			got := a.must(&page, "GET", path+joint+"limit=2&cursor="+cursor, "")
			if !strings.Contains(got.body, `"next_cursor"`) || len(page.Items) > 2 {
				t.Fatalf("%s: %s", path, got.body)
			}
			for _, item := range page.Items {
				seen[identity(item)] = true
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d items, want %d: %v", path, len(seen), want, seen)
		}
	}
}

func identity(item map[string]any) string {
	if metadata, ok := item["metadata"].(map[string]any); ok {
		item = metadata
	}
	for _, name := range []string{"id", "email", "name"} {
		if text, ok := item[name].(string); ok {
			return text
		}
	}
	return ""
}

func TestNamedTokens(t *testing.T) {
	a := withEstate(t)
	var made manager.NewToken
	created := a.must(&made, "POST", "/api/v1/tokens", `{"name":"ci","role":"operator","expires_in":"30d"}`)
	if created.status != http.StatusCreated || made.ExpiresAt == nil || created.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", created.status, created.header, created.body)
	}
	as := []string{"Authorization", "Bearer " + made.Token}
	a.must(nil, "PUT", "/api/v1/plans/by-ci", `{"spec":{}}`, append(as, "X-Request-Id", "from-ci")...)
	a.must(nil, "POST", "/api/v1/apply", estate, append(as, "Content-Type", "application/yaml")...)
	got := a.do("GET", "/api/v1/audit?actor=ci&name=by-ci", "")
	for _, want := range []string{`"actor":"ci"`, `"action":"created"`, `"request_id":"from-ci"`, `"address":"127.0.0.1"`, `"on_behalf_of":"api"`, `"after":{`, `"actor_kind":"token"`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the audit log lacks %s: %s", want, got.body)
		}
	}
	if list := a.must(nil, "GET", "/api/v1/tokens", ""); !strings.Contains(list.body, `"last_used_at"`) || strings.Contains(list.body, made.Token) || strings.Contains(list.body, "digest") {
		t.Errorf("the list: %s", list.body)
	}
	a.must(nil, "DELETE", "/api/v1/tokens/ci", "")
	if got := a.do("GET", "/api/v1/plans", "", as...); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
		t.Errorf("after revoking: %d %s", got.status, got.body)
	}
	if strings.Contains(a.log.String(), made.Token) {
		t.Error("the token stands in the log")
	}
}

// A token of a team sees its products and what concerns them, and nothing of others'.
func TestTokenOfATeam(t *testing.T) {
	a := withEstate(t)
	a.must(nil, "PUT", "/api/v1/products/risk", `{"spec":{"team":"risk","openapi":{"openapi":"3.1.0","info":{"title":"R","version":"1"},"paths":{"/risk":{"get":{"operationId":"risk","responses":{"200":{"description":"ok"}}}}}},"environments":{"sandbox":{"hosts":["risk.test"]}}}}`)
	a.must(nil, "PUT", "/api/v1/partners/acme/subscriptions/risk", `{"spec":{"product":"risk","environment":"sandbox","plan":"starter"}}`)
	team := []string{"Authorization", a.token("risk-team", manager.TokenOperator, "risk")}
	for _, c := range []struct {
		method, path, body string
		want               int
		has, lacks         string
	}{
		{"GET", "/api/v1/products", "", 200, `"risk"`, "payments"},
		{"GET", "/api/v1/products/risk", "", 200, "risk", "payments"},
		{"GET", "/api/v1/products/payments", "", 404, "", "Payments"},
		{"GET", "/api/v1/partners/acme/subscriptions", "", 200, `"risk"`, "payments"},
		{"GET", "/api/v1/partners/acme/subscriptions/payments-sandbox", "", 404, "", "starter"},
		{"GET", "/api/v1/partners/acme/catalog?environment=sandbox", "", 200, `"risk"`, "payments"},
		{"GET", "/api/v1/usage", "", 200, "rows", ""},
		{"GET", "/api/v1/usage?product=payments", "", 404, "", "rows"},
		{"GET", "/api/v1/requests?product=payments", "", 404, "", "items"},
		{"GET", "/api/v1/audit", "", 200, `"product":"risk"`, "payments"},
		{"GET", "/api/v1/plans/starter", "", 200, "starter", ""},
		{"GET", "/api/v1/tokens", "", 403, "", "risk-team\",\"role"},
		{"PUT", "/api/v1/products/payments", `{"spec":{}}`, 422, "", ""},
		{"DELETE", "/api/v1/partners/acme/subscriptions/payments-sandbox", "", 403, "", ""},
		{"PUT", "/api/v1/plans/starter", `{"spec":{}}`, 403, "", ""},
		{"PUT", "/api/v1/partners/acme/subscriptions/payments-sandbox", `{"spec":{"product":"payments","environment":"sandbox","plan":"starter"}}`, 403, "", "revision"},
		{"PUT", "/api/v1/partners/acme/subscriptions/risk", `{"spec":{"product":"risk","environment":"sandbox","plan":"starter"}}`, 200, "revision", ""},
		{"DELETE", "/api/v1/partners/acme/subscriptions/risk", "", 200, "policy_version", ""},
	} {
		got := a.do(c.method, c.path, c.body, team...)
		if got.status != c.want || !strings.Contains(got.body, c.has) || c.lacks != "" && strings.Contains(got.body, c.lacks) {
			t.Errorf("%s %s: %d, want %d with %q without %q: %s", c.method, c.path, got.status, c.want, c.has, c.lacks, got.body)
		}
	}
	for _, method := range []string{"PUT", "DELETE"} { // no precondition tells what is there
		for name, value := range map[string]string{"If-Match": `"7"`, "If-None-Match": "*"} {
			body := `{"spec":{"product":"risk","environment":"sandbox","plan":"starter"}}`
			got := a.do(method, "/api/v1/partners/acme/subscriptions/payments-sandbox", body, append(team, name, value)...)
			if got.status != 403 {
				t.Errorf("%s with %s: %d %s", method, name, got.status, got.body)
			}
		}
	}
}
