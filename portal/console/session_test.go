package console

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

func TestSessionCookie(t *testing.T) {
	e := newEstate(t)
	e.site.Sessions.Cookie.Secure = true
	text := e.token("riley", manager.TokenAuditor)
	a := e.browser().post("/admin/login", url.Values{"token": {" " + text + "\n"}, "next": {"/admin/audit"}})
	cookies := (&http.Response{Header: a.header}).Cookies()
	if a.status != http.StatusSeeOther || a.to() != "/admin/audit" || len(cookies) != 1 {
		t.Fatalf("%d to %s, %v", a.status, a.to(), cookies)
	}
	c := cookies[0]
	if c.Name != "partnergate_console" || c.Path != "/admin" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("the cookie is %s", c)
	}
	for _, secret := range []string{text, c.Value} {
		e.absent(secret)
	}
	for _, elsewhere := range []string{"//evil.test", "https://evil.test/", "/admin/login", "\\evil"} {
		if a := e.browser().post("/admin/login", url.Values{"token": {text}, "next": {elsewhere}}); a.to() != "/admin" {
			t.Errorf("next=%s leads to %s", elsewhere, a.to())
		}
	}
}

// absent checks that a secret is in no file of the store and in no log.
func (e *estate) absent(secret string) {
	e.t.Helper()
	files, err := filepath.Glob(e.path + "*")
	must(e.t, err)
	for _, name := range files {
		content, err := os.ReadFile(name)
		must(e.t, err)
		if strings.Contains(string(content), secret) {
			e.t.Errorf("%s holds %.8s…", filepath.Base(name), secret)
		}
	}
	if len(files) == 0 || strings.Contains(e.log.String(), secret) {
		e.t.Errorf("there are %d files, or the log holds %.8s…", len(files), secret)
	}
}

func TestSessionEnds(t *testing.T) {
	e := newEstate(t)
	ctx := context.Background()
	ended := func(what string, b *browser) {
		t.Helper()
		if a := b.get("/admin/partners"); a.status != http.StatusSeeOther || a.to() != "/admin/login?next=%2Fadmin%2Fpartners" {
			t.Errorf("%s: %d to %s", what, a.status, a.to())
		}
	}
	short, err := e.service.CreateAdminToken(ctx, operator, "short", manager.TokenAdmin, nil, time.Hour)
	must(t, err)
	revoked, expired, idle, left := e.signedIn(e.token("revoked", manager.TokenAdmin)), e.signedIn(short.Token), e.signedIn(bootstrapToken), e.signedIn(bootstrapToken)
	must(t, e.service.RevokeAdminToken(ctx, operator, "revoked"))
	ended("after its token was revoked", revoked)
	left.post("/admin/logout", nil)
	ended("after signing out", left)
	for range 2 {
		e.wait(25 * time.Minute)
		for _, b := range []*browser{expired, idle} {
			if a := b.get("/admin/partners"); a.status != http.StatusOK {
				t.Errorf("after 25 minutes: %d", a.status)
			}
		}
	}
	e.wait(15 * time.Minute)
	ended("after its token's end", expired)
	e.wait(16 * time.Minute)
	ended("after half an hour in which nobody came", idle)
}

// TestPagesThatAskByThemselves follows a change as a page does before which nobody need sit.
func TestPagesThatAskByThemselves(t *testing.T) {
	e := newEstate(t)
	b := e.signedIn(bootstrapToken)
	ends := func(asks string) time.Time {
		t.Helper()
		e.wait(time.Minute)
		r, err := http.NewRequest(http.MethodGet, e.server.URL+"/admin/changes/1", nil)
		must(t, err)
		r.Header.Set("HX-Request", asks)
		if a := b.do(r); a.status != http.StatusOK {
			t.Fatalf("status %d", a.status)
		}
		session, err := e.store.Session(context.Background(), sha256.Sum256([]byte(b.client.Jar.Cookies(r.URL)[0].Value)), e.now())
		must(t, err)
		return session.ExpiresAt
	}
	first := ends("")
	if by := ends("true").Sub(first); by != 0 {
		t.Errorf("a page that asks by itself keeps the session %v longer", by)
	}
	if !ends("").After(first) {
		t.Error("who looks at the page does not keep the session")
	}
}

// TestSignOutIsFinal signs out while a page is on its way, which keeps the session of who looks at it.
func TestSignOutIsFinal(t *testing.T) {
	e := newEstate(t)
	b := e.signedIn(bootstrapToken)
	at, err := url.Parse(e.server.URL + "/admin")
	must(t, err)
	r := httptest.NewRequest(http.MethodGet, "/admin", nil)
	for _, c := range b.client.Jar.Cookies(at) {
		r.AddCookie(c)
	}
	page := e.site.Public(func(w http.ResponseWriter, r *http.Request) {
		if p, err := e.site.sessionHolder(r.Context()); p == nil || err != nil {
			t.Errorf("nobody is signed in: %v", err)
		}
		b.post("/admin/logout", nil)
		w.WriteHeader(http.StatusOK)
	})
	page.ServeHTTP(httptest.NewRecorder(), r)
	after := httptest.NewRecorder()
	e.site.routes().ServeHTTP(after, r)
	if after.Code != http.StatusSeeOther || !strings.HasPrefix(after.Header().Get("Location"), "/admin/login") {
		t.Errorf("the session is back: %d", after.Code)
	}
}

func TestTooManyTries(t *testing.T) {
	e := newEstate(t)
	b := e.browser()
	for range 10 {
		if a := b.post("/admin/login", url.Values{"token": {"pgt_" + strings.Repeat("a", 40)}}); a.status != http.StatusUnauthorized || !strings.Contains(a.body, "no token that works") {
			t.Fatalf("a wrong token: %d", a.status)
		}
	}
	a := b.post("/admin/login", url.Values{"token": {"pgt_" + strings.Repeat("a", 40)}})
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "Try again in 15 minutes") {
		t.Errorf("the next: %d, %v", a.status, a.header)
	}
	e.signedIn(bootstrapToken) // whoever has failed behind the same address
	e.wait(16 * time.Minute)
	if a := b.post("/admin/login", url.Values{"token": {"wrong"}}); a.status != http.StatusUnauthorized {
		t.Errorf("after 16 minutes: %d", a.status)
	}
}

func TestHeaders(t *testing.T) {
	e := newEstate(t)
	b := e.signedIn(bootstrapToken)
	for _, path := range []string{"/admin", "/admin/login", "/admin/partners", "/admin/nowhere"} {
		a := b.get(path)
		if p := a.header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}
