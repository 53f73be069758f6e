package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

func TestRouteWithoutAccess(t *testing.T) {
	e := newEstate(t)
	s, err := newServer(Config{Service: e.service, PublicURL: "http://portal.example.test"})
	must(t, err)
	for name, r := range map[string]route{
		"nothing said":                 {pattern: "GET /x", page: s.products},
		"a member's page for anybody":  {pattern: "GET /x", access: anybody, page: s.products},
		"an open page called a member": {pattern: "GET /x", access: members, open: http.HandlerFunc(robots)},
		"unknown":                      {pattern: "GET /x", access: 99, page: s.products},
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

// theirs are acme's names for each parameter of a path. A route with another
// parameter fails the test until it is said here what that may not reach.
var theirs = map[string]string{"application": "checkout", "name": "risk-feeds", "email": acmeView, "code": "limit_exceeded"}

// TestEveryRouteKeepsPartnersApart asks every route of the portal's own table
// as nobody, as a viewer, and as an admin of another partner with acme's names.
func TestEveryRouteKeepsPartnersApart(t *testing.T) {
	e := newEstate(t)
	key := e.key("acme", "checkout", "sandbox")
	e.traffic(key)
	theirs["id"] = key.ID
	must(t, e.service.InviteMember(t.Context(), operator, "globex", globexDev, manager.RoleAdmin))
	link, err := e.service.Invite(t.Context(), manager.Actor{Name: acmeAdmin, Owner: manager.OwnerPortal}, "acme", "late@acme.test", manager.RoleViewer)
	must(t, err)
	s, err := newServer(Config{Service: e.service, PublicURL: "http://portal.example.test"})
	must(t, err)
	nobody, viewer, stranger := e.browser(), e.loggedIn(acmeView), e.loggedIn(globexDev)
	ask := func(b *browser, method, path string) answer {
		if method == http.MethodPost {
			return b.post(path, url.Values{"partner": {"acme"}, "role": {"admin"}, "overlap": {"1h"}, "environment": {"sandbox"}, "lifetime": {"never"}})
		}
		return b.get(path + "?partner=acme")
	}
	for _, r := range s.table() {
		if r.access == anybody {
			continue
		}
		method, path, _ := strings.Cut(r.pattern, " ")
		parameters := regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1)
		for _, p := range parameters {
			if theirs[p[1]] == "" {
				t.Fatalf("%s: say in theirs what {%s} is of another partner's", r.pattern, p[1])
			}
			path = strings.Replace(path, p[0], url.PathEscape(theirs[p[1]]), 1)
		}
		if a := ask(nobody, method, path); r.access == programs && a.status != http.StatusUnauthorized ||
			r.access != programs && (a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/login")) {
			t.Errorf("%s for nobody: %d to %s", r.pattern, a.status, a.header.Get("Location"))
		}
		if a := ask(viewer, method, path); (r.access == admins || r.access == makers) && a.status != http.StatusForbidden {
			t.Errorf("%s for a viewer: %d", r.pattern, a.status)
		}
		a := ask(stranger, method, path)
		if len(parameters) > 0 && a.status != http.StatusNotFound {
			t.Errorf("%s with acme's names for an admin of globex: %d", r.pattern, a.status)
		}
		for _, word := range []string{"Acme", key.ID, acmeAdmin, acmeView, "late@acme.test", link.Token, "Risk feeds"} {
			if strings.Contains(a.body, word) && !strings.Contains(path, url.PathEscape(word)) {
				t.Errorf("%s tells an admin of globex of %s", r.pattern, word)
			}
		}
	}
	e.unchanged(key)
	if links, err := e.service.Invitations(t.Context(), operator, "acme"); err != nil || len(links) != 1 {
		t.Errorf("acme's invitations: %v, %v", links, err)
	}
	if all, err := e.service.Members(t.Context(), "acme"); err != nil || len(all) != 3 {
		t.Errorf("acme's members: %v, %v", all, err)
	}
}

// TestEveryChangeNeedsTheSameSite sends every change of the table from another site.
func TestEveryChangeNeedsTheSameSite(t *testing.T) {
	e := newEstate(t)
	s, err := newServer(Config{Service: e.service, PublicURL: "http://portal.example.test"})
	must(t, err)
	b := e.loggedIn(acmeAdmin)
	for _, r := range s.table() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if method == http.MethodGet {
			continue
		}
		path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x")
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
