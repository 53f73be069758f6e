package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/httpapi"
)

// token makes a named token and returns the header that carries it.
func (a *api) token(name string, role manager.TokenRole, teams ...string) string {
	a.t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "role": role, "teams": teams})
	if err != nil {
		a.t.Fatal(err)
	}
	var made manager.NewToken
	a.must(&made, "POST", "/api/v1/tokens", string(body))
	return "Bearer " + made.Token
}

var pathParameter = regexp.MustCompile(`:(\w+)`)

// filledPath puts values into a route's path. A route with a parameter that
// has none fails the test until it is said what it is.
func filledPath(t *testing.T, route httpapi.Route, values map[string]string) string {
	t.Helper()
	return pathParameter.ReplaceAllStringFunc(route.Path, func(p string) string {
		value, said := values[p[1:]]
		if !said {
			t.Fatalf("%s %s: say what %s is", route.Method, route.Path, p)
		}
		return url.PathEscape(value)
	})
}

// promised is what each role may do, as docs/manager-api.md has it:
// this table is the promise, and access.go must keep it.
var promised = map[manager.TokenRole]string{
	manager.TokenAdmin:    "read policy, read partners, read usage, explain, read audit, read tokens, write policy, suspend, write keys, revoke keys, write members, unlock logins, write tokens",
	manager.TokenOperator: "read policy, read partners, read usage, explain, read audit, write policy, suspend, write keys, revoke keys, write members, unlock logins",
	manager.TokenAuditor:  "read policy, read partners, read usage, explain, read audit, read tokens",
	manager.TokenSupport:  "read partners, read usage, explain, suspend, revoke keys, unlock logins",
}

// TestEveryRouteByRole asks every route of the router with a token of every
// role: what the role does not have is 403 and changes nothing.
func TestEveryRouteByRole(t *testing.T) {
	a := withEstate(t)
	holders := map[string]struct {
		role     manager.TokenRole
		confined bool
		header   string
	}{}
	for _, role := range manager.TokenRoles {
		holders[string(role)] = struct {
			role     manager.TokenRole
			confined bool
			header   string
		}{role, false, a.token(string(role), role)}
		if role != manager.TokenAdmin {
			holders[string(role)+" of a team"] = struct {
				role     manager.TokenRole
				confined bool
				header   string
			}{role, true, a.token(string(role)+"-team", role, "another-team")}
		}
	}
	values := map[string]string{"partner": "nobody", "name": "nothing", "id": "nothing", "email": "nobody@acme.test"}
	before := a.service.PolicyVersion()
	for _, route := range httpapi.Routes() {
		if route.Open {
			continue
		}
		path := filledPath(t, route, values)
		for _, none := range []string{"", "Bearer " + edgeToken, "Bearer pgt_" + strings.Repeat("a", 40)} {
			if got := a.do(route.Method, path, "", "Authorization", none); got.status != http.StatusUnauthorized {
				t.Errorf("%s %s without a token: %d", route.Method, route.Path, got.status)
			}
		}
		for name, h := range holders {
			may := strings.Contains(", "+promised[h.role]+",", ", "+route.Needs+",")
			if httpapi.Granted(h.role, false, route.Needs) != may {
				t.Errorf("%s %s: %s has %q %v, promised is %v", route.Method, route.Path, h.role, route.Needs, !may, may)
			}
			got := a.do(route.Method, path, "{", "Authorization", h.header)
			if may = httpapi.Granted(h.role, h.confined, route.Needs); may == (got.status == http.StatusForbidden) || got.status == http.StatusUnauthorized {
				t.Errorf("%s %s by %s: %d %s", route.Method, route.Path, name, got.status, got.body)
			}
		}
	}
	if after := a.service.PolicyVersion(); after != before {
		t.Errorf("the policy changed from %d to %d", before, after)
	}
}

// TestEveryRouteKeepsPartnersApart asks every route below a partner with what
// belongs to another partner: it is not there.
func TestEveryRouteKeepsPartnersApart(t *testing.T) {
	a := withEstate(t)
	var key struct{ ID string }
	a.must(&key, "POST", credentials, `{"environment":"sandbox"}`)
	before := a.service.PolicyVersion()
	asked := 0
	for _, route := range httpapi.Routes() {
		if !strings.Contains(route.Path, ":partner/") || strings.Count(route.Path, ":") < 2 {
			continue
		}
		asked++
		name := "checkout"
		if strings.Contains(route.Path, "subscriptions") {
			name = "payments-sandbox"
		}
		path := filledPath(t, route, map[string]string{"partner": "globex", "name": name, "id": key.ID, "email": "dev@acme.test"})
		body, want := "{}", http.StatusNotFound
		switch {
		case strings.HasSuffix(route.Path, "/password"):
			body = `{"password":"correct horse battery"}`
		case strings.HasSuffix(route.Path, "/credentials") && route.Method == "POST":
			body = `{"environment":"sandbox"}`
		case route.Method == http.MethodPut: // would make one of globex, but for the partner in the body
			body, want = fmt.Sprintf(`{"metadata":{"name":%q,"partner":"acme"},"spec":{}}`, name), http.StatusUnprocessableEntity
		}
		if got := a.do(route.Method, path, body); got.status != want || strings.Contains(got.body, "Checkout") {
			t.Errorf("%s %s: %d, want %d: %s", route.Method, path, got.status, want, got.body)
		}
	}
	if asked < 10 {
		t.Errorf("only %d routes were asked", asked)
	}
	if after := a.service.PolicyVersion(); after != before {
		t.Errorf("the policy changed from %d to %d", before, after)
	}
}

// documented is what each row of the table of roles in docs/manager-api.md is about.
var documented = map[string]manager.Permission{
	"read environments":            manager.MayReadPolicy,
	"read partners":                manager.MayReadPartners,
	"read usage and requests":      manager.MayReadUsage,
	"`explain`, `can-i`":           manager.MayExplain,
	"read the audit log":           manager.MayReadAudit,
	"list tokens":                  manager.MayReadTokens,
	"write policy":                 manager.MayWritePolicy,
	"suspend and resume":           manager.MaySuspend,
	"make, import and rotate keys": manager.MayWriteKeys,
	"revoke keys":                  manager.MayRevokeKeys,
	"invite and remove members":    manager.MayWriteMembers,
	"unlock logins":                manager.MayUnlockLogins,
	"make and revoke tokens":       manager.MayWriteTokens,
}

// TestRolesAreAsDocumented compares the table of roles with what is granted:
// each role's column, and whether a token of a team has any of it.
func TestRolesAreAsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/manager-api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "| what | admin | operator | auditor | support | with `--team` |\n")
	if !found {
		t.Fatal("the table of roles is gone")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 8 {
			break
		}
		about := aboutRow(cells[1])
		if strings.HasPrefix(cells[1], "---") {
			continue
		}
		if about == "" {
			t.Errorf("say in this test what the row %q is about", cells[1])
			continue
		}
		seen[about] = true
		permission := documented[about]
		for i, role := range manager.TokenRoles {
			yes := strings.TrimSpace(cells[2+i]) == "yes"
			if granted := httpapi.Granted(role, false, string(permission)); granted != yes {
				t.Errorf("%s by %s: %v, documented is %v", permission, role, granted, yes)
			}
		}
		yes := strings.TrimSpace(cells[6]) != "no"
		if granted := httpapi.Granted(manager.TokenAdmin, true, string(permission)); granted != yes {
			t.Errorf("%s by a token of a team: %v, documented is %v", permission, granted, yes)
		}
	}
	for about := range documented {
		if !seen[about] {
			t.Errorf("the table has no row about %s", about)
		}
	}
}

func aboutRow(cell string) string {
	for about := range documented {
		if strings.HasPrefix(strings.TrimSpace(cell), about) {
			return about
		}
	}
	return ""
}

// TestPagesOfATeam reads a list page by page with a token that is confined to a
// team: each page is full, and its cursor names nothing of other teams.
func TestPagesOfATeam(t *testing.T) {
	a := newAPI(t)
	estate, err := os.ReadFile("../testdata/teams.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a.must(nil, "POST", "/api/v1/apply", string(estate), "Content-Type", "application/yaml")
	token := a.token("of-risk", manager.TokenOperator, "risk")
	for _, path := range []string{"/api/v1/products", "/api/v1/partners/acme/subscriptions"} {
		var page struct {
			Items      []struct{ Metadata struct{ Name string } }
			NextCursor string `json:"next_cursor"`
		}
		got := a.must(&page, "GET", path+"?limit=1", "", "Authorization", token)
		if len(page.Items) != 1 || page.Items[0].Metadata.Name != "risk" || page.NextCursor != "" {
			t.Errorf("%s: %s", path, got.body)
		}
	}
}
