package portal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// posts are all changes that the portal takes, as acme's admin could make them.
func posts(key string) map[string]url.Values {
	return map[string]url.Values{
		"/applications":                                  {"name": {"sneaked-in"}},
		"/applications/checkout/keys":                    {"environment": {"sandbox"}, "lifetime": {"never"}},
		"/applications/checkout/rename":                  {"title": {"sneaked-in"}},
		"/applications/checkout/delete":                  {"key": {key}},
		"/applications/nightly-reconciliation/delete":    {}, // which nothing needs
		"/applications/checkout/keys/" + key + "/rotate": {"overlap": {"1h"}},
		"/applications/checkout/keys/" + key + "/revoke": {},
	}
}

func TestHeaders(t *testing.T) {
	e := newEstate(t)
	member, nobody := e.loggedIn(acmeAdmin), e.browser()
	answers := map[string]answer{
		"login": nobody.get("/login"), "not found": nobody.get("/nowhere"), "redirect": nobody.get("/usage"),
		"error doc": nobody.get("/docs/errors/limit_exceeded"), "products": member.get("/products"), "catalog": member.get("/catalog.json"),
		"wrong password": nobody.post("/login", url.Values{"email": {acmeAdmin}, "password": {"wrong"}}),
		"static":         nobody.get(e.asset("portal.js")),
	}
	for name, a := range answers {
		policy := a.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the content policy lacks %s: %s", name, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the content policy is unsafe: %s", name, policy)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: headers %v", name, a.header)
		}
		if cache := a.header.Get("Cache-Control"); name != "static" && cache != "no-store" {
			t.Errorf("%s: Cache-Control is %s", name, cache)
		}
		if regexp.MustCompile(`(?i)<script>|<script [^>]*>[^<]|<style|[ "]style=|[ "]on[a-z]+=`).MatchString(a.body) && name != "static" {
			t.Errorf("%s: the page has inline script or style", name)
		}
	}
}

// asset is the address of a static file.
func (e *estate) asset(name string) string {
	e.t.Helper()
	page := e.browser().get("/login").body
	found := regexp.MustCompile(`/static/[0-9a-f]+/` + regexp.QuoteMeta(name)).FindString(page)
	if found == "" {
		e.t.Fatalf("the login page does not use %s: run `make portal`", name)
	}
	return found
}

func TestAssets(t *testing.T) {
	e := newEstate(t)
	b := e.browser()
	for _, name := range []string{"base.css", "portal.js", "icon.svg", "vendor/pico.css", "vendor/htmx.js"} {
		at := e.asset(name)
		r := b.get(at)
		if r.status != http.StatusOK || r.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || r.body == "" {
			t.Errorf("%s: status %d, %v", at, r.status, r.header)
		}
		old := "/static/000000000000/" + name
		if r := b.get(old); r.status != http.StatusOK || r.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: status %d, %v", old, r.status, r.header)
		}
	}
	for _, path := range []string{"/static/", "/static/x/../portal.go", "/static/000000000000/vendor/", "/static/000000000000/none.js"} {
		if r := b.get(path); r.status != http.StatusNotFound && r.status != http.StatusMovedPermanently && r.status != http.StatusTemporaryRedirect {
			t.Errorf("%s: status %d", path, r.status)
		}
	}
}

func TestSessionCookie(t *testing.T) {
	for publicURL, secure := range map[string]bool{"http://portal.example.test": false, "https://portal.example.test/": true} {
		e := newEstateAt(t, publicURL)
		r := e.browser().post("/login", url.Values{"email": {strings.ToUpper(acmeAdmin)}, "password": {password}})
		cookies := (&http.Response{Header: r.header}).Cookies()
		if len(cookies) != 1 || r.status != http.StatusSeeOther || r.header.Get("Location") != "/products" {
			t.Fatalf("login: status %d, %v", r.status, r.header)
		}
		c := cookies[0]
		if c.Name != "partnergate_session" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != secure || c.Path != "/" {
			t.Errorf("%s: the cookie is %s", publicURL, c)
		}
		if _, err := e.store.Session(context.Background(), sha256.Sum256([]byte(c.Value)), noon); err != nil {
			t.Errorf("the session is not stored under its digest: %v", err)
		}
		e.absent("the session's token", c.Value)
		e.absent("the password", password)
	}
}

// absent checks that a secret is in no file of the store and in no log.
func (e *estate) absent(what, secret string) {
	e.t.Helper()
	files, err := filepath.Glob(e.path + "*")
	must(e.t, err)
	if len(files) == 0 {
		e.t.Fatal("the store has no file")
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(e.t, err)
		if bytes.Contains(content, []byte(secret)) {
			e.t.Errorf("%s stands in the store (%s)", what, filepath.Base(file))
		}
	}
	if strings.Contains(e.log.String(), secret) {
		e.t.Errorf("%s stands in the log", what)
	}
}

func TestUnknownMemberAndWrongPasswordAnswerTheSame(t *testing.T) {
	e := newEstate(t)
	wrong := e.browser().post("/login", url.Values{"email": {acmeAdmin}, "password": {"wrong password, this"}})
	unknown := e.browser().post("/login", url.Values{"email": {"nobody@acme.test"}, "password": {"wrong password, this"}})
	without := func(a answer, email string) string { return strings.ReplaceAll(a.body, email, "") } // each form keeps what was typed
	if wrong.status != http.StatusUnauthorized || wrong.status != unknown.status || without(wrong, acmeAdmin) != without(unknown, "nobody@acme.test") {
		t.Errorf("they can be told apart: %d and %d", wrong.status, unknown.status)
	}
	if wrong.header.Get("Set-Cookie") != "" {
		t.Error("a failed login sets a cookie")
	}
}

func TestSessionGivenBeforeLoginIsReplaced(t *testing.T) {
	e := newEstate(t)
	b := e.browser()
	at, err := url.Parse(e.server.URL)
	must(t, err)
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: "partnergate_session", Value: "planted-by-somebody-else", Path: "/"}})
	if r := b.post("/login", url.Values{"email": {acmeAdmin}, "password": {password}}); r.status != http.StatusSeeOther {
		t.Fatalf("login: status %d", r.status)
	}
	first := b.client.Jar.Cookies(at)[0].Value
	if first == "planted-by-somebody-else" {
		t.Error("the planted token is the session's")
	}
	b.post("/login", url.Values{"email": {acmeAdmin}, "password": {password}})
	if second := b.client.Jar.Cookies(at)[0].Value; second == first {
		t.Error("a second login keeps the first one's token")
	}
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: "partnergate_session", Value: first, Path: "/"}})
	if r := b.get("/products"); r.status != http.StatusSeeOther {
		t.Errorf("the token from before the second login still works: status %d", r.status)
	}
}

func TestWhatEndsASession(t *testing.T) {
	ctx := context.Background()
	ends := map[string]func(e *estate){
		"logout": nil,
		"new password": func(e *estate) {
			must(t, e.service.SetPassword(ctx, operator, "acme", acmeAdmin, "another long password"))
		},
	}
	for name, end := range ends {
		e := newEstate(t)
		b := e.loggedIn(acmeAdmin)
		at, err := url.Parse(e.server.URL)
		must(t, err)
		cookie := b.client.Jar.Cookies(at)[0]
		if end == nil {
			if r := b.post("/logout", nil); r.status != http.StatusSeeOther || r.header.Get("Location") != "/login" {
				t.Errorf("logout: status %d", r.status)
			}
		} else {
			end(e)
		}
		b.client.Jar.SetCookies(at, []*http.Cookie{cookie})
		if r := b.get("/products"); r.status != http.StatusSeeOther || r.header.Get("Location") != "/login" {
			t.Errorf("after %s the cookie still works: status %d", name, r.status)
		}
	}
}

func TestRemovedMemberSeesNothing(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	must(t, e.service.RemoveMember(context.Background(), operator, "acme", acmeAdmin))
	if r := b.get("/products"); r.status != http.StatusForbidden || strings.Contains(r.body, "payments") {
		t.Errorf("status %d", r.status)
	}
	if r := b.get("/catalog.json"); r.status != http.StatusForbidden {
		t.Errorf("catalog.json: status %d", r.status)
	}
}

func TestLoginLeadsBackToThePageAskedFor(t *testing.T) {
	e := newEstate(t)
	b := e.browser()
	to := b.get("/requests?outcome=limit_exceeded").header.Get("Location")
	field := regexp.MustCompile(`name="next" value="([^"]*)"`).FindStringSubmatch(b.get(to).body)
	if field == nil {
		t.Fatalf("the login page at %s has no next", to)
	}
	r := b.post("/login", url.Values{"email": {acmeAdmin}, "password": {password}, "next": {html.UnescapeString(field[1])}})
	if r.header.Get("Location") != "/requests?outcome=limit_exceeded" {
		t.Errorf("it leads to %s", r.header.Get("Location"))
	}
	for _, evil := range []string{"https://evil.test/", "//evil.test/x", `/\evil.test`, "/\t/evil.test", "javascript:alert(1)", "evil", "http:evil"} {
		r := b.post("/login", url.Values{"email": {acmeAdmin}, "password": {password}, "next": {evil}})
		if r.header.Get("Location") != "/products" {
			t.Errorf("next=%q leads to %s", evil, r.header.Get("Location"))
		}
	}
}

func TestPagesNeedALogin(t *testing.T) {
	e := newEstate(t)
	key := e.key("acme", "checkout", "sandbox")
	b := e.browser()
	for _, path := range []string{"/products", "/products/payments", "/applications", "/applications/new", "/applications/checkout/keys/new", "/applications/checkout/rename",
		"/applications/checkout/delete", "/usage", "/requests"} {
		if r := b.get(path); r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), "/login") {
			t.Errorf("%s: status %d", path, r.status)
		}
	}
	for path, form := range posts(key.ID) {
		if r := b.post(path, form); r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), "/login") {
			t.Errorf("POST %s: status %d", path, r.status)
		}
	}
	e.unchanged(key)
}

// unchanged checks that none of posts had an effect.
func (e *estate) unchanged(key *manager.NewKey) {
	e.t.Helper()
	keys, err := e.service.Credentials(context.Background(), "acme", "")
	must(e.t, err)
	if len(keys) != 1 || keys[0].Metadata.Name != key.ID || keys[0].State != manager.CredentialActive {
		e.t.Errorf("the keys changed: %v", keys)
	}
	if _, err := e.service.Resource(context.Background(), manager.Ref{Kind: manager.KindApplication, Partner: "acme", Name: "sneaked-in"}); err == nil {
		e.t.Error("an application was made")
	}
	checkout, err := e.applicationOf("acme", "checkout")
	if err != nil || checkout.Spec.Title != "Checkout service" {
		e.t.Errorf("the application was renamed or deleted: %+v, %v", checkout, err)
	}
	if _, err := e.applicationOf("acme", "nightly-reconciliation"); err != nil {
		e.t.Errorf("an application was deleted: %v", err)
	}
}

func TestViewersOnlyLook(t *testing.T) {
	e := newEstate(t)
	key := e.key("acme", "checkout", "sandbox")
	b := e.loggedIn(acmeView)
	page := b.get("/applications").body
	if strings.Contains(page, "/rename") || strings.Contains(page, "/delete") || strings.Contains(page, "/rotate") || strings.Contains(page, "/revoke") || strings.Contains(page, "/keys/new") {
		t.Error("a viewer is offered what it may not do")
	}
	for path, form := range posts(key.ID) {
		if r := b.post(path, form); r.status != http.StatusForbidden {
			t.Errorf("POST %s: status %d", path, r.status)
		}
	}
	e.unchanged(key)
}

func TestCrossSitePosts(t *testing.T) {
	e := newEstate(t)
	key := e.key("acme", "checkout", "sandbox")
	b := e.loggedIn(acmeAdmin)
	all := posts(key.ID)
	all["/login"] = url.Values{"email": {acmeAdmin}, "password": {password}}
	all["/logout"], all["/partner"], all["/theme"], all["/nowhere"] = nil, url.Values{"partner": {"acme"}}, url.Values{"theme": {"dark"}}, nil
	for path, form := range all {
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"} {
			r, err := http.NewRequest(http.MethodPost, e.server.URL+path, strings.NewReader(form.Encode()))
			must(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(name, value)
			if a := b.do(r); a.status != http.StatusForbidden {
				t.Errorf("POST %s with %s: status %d", path, name, a.status)
			}
		}
	}
	e.unchanged(key)
	if r := b.get("/products"); r.status != http.StatusOK {
		t.Errorf("the session is gone: status %d", r.status)
	}
}

func TestLargeBodies(t *testing.T) {
	e := newEstate(t)
	large := "email=a&password=" + strings.Repeat("x", 1<<20)
	bodies := map[string]io.Reader{
		"with its length": strings.NewReader(large),
		"in chunks":       io.MultiReader(strings.NewReader(large)),
	}
	for name, body := range bodies {
		r, err := http.NewRequest(http.MethodPost, e.server.URL+"/login", body)
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if a := e.browser().do(r); a.status != http.StatusRequestEntityTooLarge || a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: status %d", name, a.status)
		}
	}
}

func TestOtherPartnersDoNotExist(t *testing.T) {
	e := newEstate(t)
	key := e.key("acme", "checkout", "sandbox")
	e.traffic(key)
	b := e.loggedIn(globexDev)
	id := "/keys/" + key.ID
	for _, path := range []string{"/products/risk-feeds", "/products/ledger", "/applications/checkout/keys/new", "/applications/checkout/rename", "/applications/checkout/delete", "/applications/checkout" + id + "/rotate", "/applications/checkout" + id + "/revoke",
		"/applications/dashboard" + id + "/rotate", "/applications/dashboard" + id + "/revoke"} {
		r := b.get(path)
		nothing := b.get(strings.NewReplacer("risk-feeds", "zzz", "ledger", "zzz", "checkout", "zzz", key.ID, "zzzzzzzzzzzz").Replace(path))
		if r.status != http.StatusNotFound || nothing.status != http.StatusNotFound {
			t.Errorf("%s: status %d, and %d for what does not exist", path, r.status, nothing.status)
		}
		if strings.Contains(r.body, "Acme") || strings.Contains(r.body, "Risk feeds") {
			t.Errorf("%s tells of another partner", path)
		}
	}
	for path, form := range posts(key.ID) {
		if path == "/applications" {
			continue
		}
		for _, p := range []string{path, strings.Replace(path, "checkout/keys/", "dashboard/keys/", 1)} {
			if r := b.post(p, form); r.status != http.StatusNotFound {
				t.Errorf("POST %s: status %d", p, r.status)
			}
		}
	}
	e.unchanged(key)
	if r := b.post("/partner", url.Values{"partner": {"acme"}}); r.status != http.StatusNotFound {
		t.Errorf("choosing another's partner: status %d", r.status)
	}
	for _, path := range []string{"/requests?partner=acme", "/usage?partner=acme", "/applications?partner=acme", "/products?partner=acme"} {
		if page := b.get(path).body; strings.Contains(page, key.ID) || strings.Contains(page, "checkout") || strings.Contains(page, "Acme") {
			t.Errorf("%s tells of acme", path)
		}
	}
	if page := b.get("/requests").body; !strings.Contains(page, "globex-0001") {
		t.Error("globex does not see its own request")
	}
}

func TestSwitchingPartners(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(both)
	if page := b.get("/products").body; !strings.Contains(page, `name="partner" value="globex"`) || !strings.Contains(page, "Risk feeds") {
		t.Error("it does not begin with acme, or offers no switch")
	}
	if r := b.post("/partner", url.Values{"partner": {"globex"}}); r.status != http.StatusSeeOther {
		t.Fatalf("switching: status %d", r.status)
	}
	if page := b.get("/products").body; strings.Contains(page, "Risk feeds") || !strings.Contains(page, "2 operations that you can call") {
		t.Error("the page is still about acme")
	}
	if r := b.post("/applications", url.Values{"name": {"sneaked-in"}}); r.status != http.StatusForbidden {
		t.Errorf("a developer of acme, who is a viewer of globex, makes an application there: status %d", r.status)
	}
	must(t, e.service.RemoveMember(context.Background(), operator, "globex", both))
	if page := b.get("/products").body; !strings.Contains(page, "Risk feeds") {
		t.Error("a membership taken away is still used")
	}
}
