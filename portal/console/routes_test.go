package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

func TestRouteThatDoesNotSayWhatItNeeds(t *testing.T) {
	s := &server{}
	for name, r := range map[string]route{
		"nothing said":         {pattern: "GET /x", page: s.overview},
		"a page for anybody":   {pattern: "GET /x", needs: anybody, page: s.overview},
		"open to some":         {pattern: "GET /x", needs: holders, open: s.loginForm},
		"what no role has":     {pattern: "GET /x", needs: "rule the world", page: s.overview},
		"a page and a handler": {pattern: "GET /x", needs: holders, page: s.overview, open: s.loginForm},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if said, ok := recover().(string); !ok || !strings.Contains(said, "GET /x") {
					t.Errorf("it started: %v", said)
				}
			}()
			s.guarded(r)
		})
	}
}

// rules are what each route of the table needs. A route without its rule here fails the test.
var rules = map[string]manager.Permission{
	"GET /admin/{$}":                       anybody,
	"GET /admin/login":                     anybody,
	"POST /admin/login":                    anybody,
	"POST /admin/logout":                   anybody,
	"GET /admin":                           holders,
	"GET /admin/partners":                  manager.MayReadPartners,
	"GET /admin/partners/{partner}":        manager.MayReadPartners,
	"GET /admin/partners/{partner}/state":  manager.MaySuspend,
	"POST /admin/partners/{partner}/state": manager.MaySuspend,
	"GET /admin/partners/{partner}/subscriptions/{subscription}/state":  manager.MaySuspend,
	"POST /admin/partners/{partner}/subscriptions/{subscription}/state": manager.MaySuspend,
	"GET /admin/partners/{partner}/keys/{id}/revoke":                    manager.MayRevokeKeys,
	"POST /admin/partners/{partner}/keys/{id}/revoke":                   manager.MayRevokeKeys,
	"GET /admin/products":           manager.MayReadPolicy,
	"GET /admin/products/{product}": manager.MayReadPolicy,
	"GET /admin/requests":           manager.MayReadUsage,
	"GET /admin/explain":            manager.MayExplain,
	"GET /admin/proxies":            manager.MayReadPolicy,
	"GET /admin/audit":              manager.MayReadAudit,
	"GET /admin/changes/{version}":  manager.MayReadPolicy,
}

// theirs are names for each parameter of a path. The team of risk-feeds has another product than the confined tokens'.
var theirs = map[string]string{"partner": "acme", "subscription": "risk-sandbox", "id": "nothing", "product": "risk-feeds", "version": "1"}

func filledPath(t *testing.T, pattern string) (method, path string) {
	t.Helper()
	method, path, _ = strings.Cut(pattern, " ")
	path = regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(path, func(p string) string {
		value := theirs[strings.Trim(p, "{}")]
		if value == "" {
			t.Fatalf("%s: say in theirs what %s is", pattern, p)
		}
		return value
	})
	return method, path
}

func (b *browser) ask(method, path string) answer {
	if method == http.MethodPost {
		return b.post(path, url.Values{})
	}
	return b.get(path)
}

// TestEveryRouteByRole asks every route of the table as nobody and with a token
// of every role, confined to a team and not: what the grant does not include is
// 403 and changes nothing, and what belongs to other teams is not there.
func TestEveryRouteByRole(t *testing.T) {
	e := newEstate(t)
	type holder struct {
		name    string
		grant   manager.Grant
		browser *browser
	}
	nobody := e.browser()
	all := []holder{{"bootstrap", manager.Grant{Role: manager.TokenAdmin}, e.signedIn(bootstrapToken)}}
	for _, role := range manager.TokenRoles {
		all = append(all, holder{string(role), manager.Grant{Role: role}, e.signedIn(e.token(string(role), role))})
		if role != manager.TokenAdmin {
			team := manager.Grant{Role: role, Teams: []string{"another-team"}}
			all = append(all, holder{string(role) + " of a team", team, e.signedIn(e.token(string(role)+"-team", role, team.Teams...))})
		}
	}
	before := e.service.PolicyVersion()
	for _, r := range e.site.table() {
		needs, said := rules[r.pattern]
		if !said || needs != r.needs {
			t.Errorf("%s needs %q, the rule is %q", r.pattern, r.needs, needs)
		}
		if needs == anybody {
			continue
		}
		method, path := filledPath(t, r.pattern)
		if a := nobody.ask(method, path); a.status != http.StatusSeeOther || !strings.HasPrefix(a.to(), "/admin/login") {
			t.Errorf("%s for nobody: %d to %s", r.pattern, a.status, a.to())
		}
		for _, h := range all {
			a := h.browser.ask(method, path)
			may := needs == holders || h.grant.Has(needs)
			if may == (a.status == http.StatusForbidden) || a.status == http.StatusSeeOther || a.status >= http.StatusInternalServerError {
				t.Errorf("%s by %s: %d, it may: %v\n%s", r.pattern, h.name, a.status, may, a.body)
			}
			foreign := strings.Contains(r.pattern, "{subscription}") || strings.Contains(r.pattern, "{product}")
			if may && foreign && h.grant.Confined() && a.status != http.StatusNotFound {
				t.Errorf("%s of another team by %s: %d", r.pattern, h.name, a.status)
			}
			if h.grant.Confined() && strings.Contains(a.body, "isk feeds") {
				t.Errorf("%s tells %s of another team's product", r.pattern, h.name)
			}
		}
	}
	if len(rules) != len(e.site.table()) {
		t.Errorf("there are %d rules for %d routes", len(rules), len(e.site.table()))
	}
	if after := e.service.PolicyVersion(); after != before {
		t.Errorf("the policy changed from %d to %d", before, after)
	}
}

// TestEveryChangeNeedsTheSameSite sends every change of the table from another site.
func TestEveryChangeNeedsTheSameSite(t *testing.T) {
	e := newEstate(t)
	b := e.signedIn(bootstrapToken)
	for _, r := range e.site.table() {
		method, path := filledPath(t, r.pattern)
		if method == http.MethodGet {
			continue
		}
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"} {
			request, err := http.NewRequest(method, e.server.URL+path, strings.NewReader(""))
			must(t, err)
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set(name, value)
			if a := b.do(request); a.status != http.StatusForbidden || !strings.Contains(a.body, "another site") {
				t.Errorf("%s with %s: status %d", r.pattern, name, a.status)
			}
		}
	}
}
