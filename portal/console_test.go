package portal

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/partnergate/partnergate/manager"
)

const adminToken = "the-token-that-the-manager-is-started-with"

// TestLoginsOpenOneSiteOnly takes members' logins to the console, and tokens to the portal.
func TestLoginsOpenOneSiteOnly(t *testing.T) {
	e := newEstate(t)
	for from, to := range map[*http.Cookie]string{
		e.cookie("/login", url.Values{"email": {acmeAdmin}, "password": {password}}): "partnergate_console",
		e.cookie("/admin/login", url.Values{"token": {adminToken}}):                  "partnergate_session",
	} {
		for path, login := range map[string]string{"/admin": "/admin/login", "/admin/partners": "/admin/login", "/products": "/login"} {
			r, err := http.NewRequest(http.MethodGet, e.server.URL+path, nil)
			must(t, err)
			r.AddCookie(&http.Cookie{Name: to, Value: from.Value})
			if a := e.browser().do(r); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), login) {
				t.Errorf("%s as %s at %s: %d", from.Name, to, path, a.status)
			}
		}
	}
	if a := e.loggedIn(acmeAdmin).get("/admin"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/admin/login" {
		t.Errorf("a member at the console: %d", a.status)
	}
}

// cookie is that of a login.
func (e *estate) cookie(path string, form url.Values) *http.Cookie {
	e.t.Helper()
	a := e.browser().post(path, form)
	cookies := (&http.Response{Header: a.header}).Cookies()
	if a.status != http.StatusSeeOther || len(cookies) != 1 {
		e.t.Fatalf("%s: %d, %v", path, a.status, cookies)
	}
	return cookies[0]
}

// operated gives the estate something for operators to look at; it returns the id of a working key.
func (e *estate) operated() string {
	e.t.Helper()
	ctx := context.Background()
	key := e.lived()
	_, err := e.service.CreateCredential(ctx, operator, "globex", "dashboard", "sandbox", 5*24*time.Hour)
	must(e.t, err)
	_, _, err = e.service.Put(ctx, operator, &manager.Subscription{
		Metadata: manager.Metadata{Name: "risk-sandbox", Partner: "globex"},
		Spec:     manager.SubscriptionSpec{Product: "risk-feeds", Environment: "sandbox", Plan: "starter", State: manager.StateRequested},
	}, manager.MustNotExist)
	must(e.t, err)
	many := []manager.Resource{&manager.Partner{Metadata: manager.Metadata{Name: "northwind"}, Spec: manager.PartnerSpec{Title: "Northwind"}}}
	for i := range 30 { // more than its page shows at a time
		name := fmt.Sprintf("branch-%02d", i)
		many = append(many,
			&manager.Application{Metadata: manager.Metadata{Name: name, Partner: "northwind"}, Spec: manager.ApplicationSpec{Title: fmt.Sprint("Branch ", i)}},
			&manager.Subscription{Metadata: manager.Metadata{Name: name, Partner: "northwind"}, Spec: manager.SubscriptionSpec{
				Product: "payments", Environment: "sandbox", Plan: "starter", Applications: []string{name}, State: manager.StateEnded,
			}})
	}
	_, err = e.service.Apply(ctx, operator, many, manager.ApplyOptions{})
	must(e.t, err)
	return key
}

// consoleLooks are all pages of the console, with the states of them that look different.
func consoleLooks(key string) []look {
	const unfold = "document.querySelectorAll('.fold').forEach((d) => { d.open = true })"
	return []look{
		{"console-overview", "/admin", ""},
		{"console-partners", "/admin/partners", ""},
		{"console-partners-none", "/admin/partners?q=nobody", ""},
		{"console-partner", "/admin/partners/acme", unfold},
		{"console-partner-many", "/admin/partners/northwind", ""},
		{"console-suspend", "/admin/partners/acme/state?to=suspended", ""},
		{"console-revoke", "/admin/partners/acme/keys/" + key + "/revoke", ""},
		{"console-products", "/admin/products", ""},
		{"console-product", "/admin/products/payments", ""},
		{"console-requests", "/admin/requests", "document.querySelectorAll('.log details')[3].open = true"},
		{"console-requests-none", "/admin/requests?request_id=nothing", ""},
		{"console-explain", "/admin/explain?partner=globex&environment=sandbox&method=GET&path=/risk/scores/DE-1", ""},
		{"console-proxies", "/admin/proxies", ""},
		{"console-audit", "/admin/audit", "document.querySelectorAll('.log details')[0].open = true"},
		{"console-menu", "/admin", "document.querySelector('.account').open = true"},
	}
}

// TestConsoleInTheBrowser signs in, looks at every page, and acts.
func TestConsoleInTheBrowser(t *testing.T) {
	e := newEstate(t)
	key := e.operated()
	b := newTab(t, e.server.URL)
	axe := axeSource(t)
	b.open("/admin/login")
	b.glance("console-login", axe)
	b.signIn()
	for _, l := range consoleLooks(key) {
		b.open(l.path)
		if l.before != "" {
			eval[chromedp.Void](b, l.before)
		}
		b.glance(l.name, axe)
	}
	b.resize(wide)
	b.suspendAcme(e)
	b.open("/admin/partners/acme/keys/" + key + "/revoke")
	b.follow("button.primary.danger")
	if said := eval[string](b, "document.querySelector('.notice').textContent"); !strings.Contains(said, "is revoked") {
		t.Errorf("the page says %q", said)
	}
	b.quiet()
}

// panelsThatTouch counts panels without a gap to the one above.
const panelsThatTouch = `[...document.querySelectorAll('.panel + .panel')].filter((panel) => {
	const above = panel.previousElementSibling.getBoundingClientRect(), here = panel.getBoundingClientRect()
	return here.left === above.left && here.top - above.bottom < 4
}).length`

// glance looks at a page in both themes, and at phones' widths: nothing may be
// wider than the screen, and nothing wrong for people with assistive technology.
func (b *tab) glance(name, axe string) {
	b.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		b.prefer(theme)
		b.resize(phone)
		b.picture(phone, name+"-phone-"+theme)
		b.resize(wide)
		b.picture(wide, name+"-wide-"+theme)
		b.accessible(name+", "+theme, axe, theme == "dark")
	}
	if touching := eval[int](b, panelsThatTouch); touching > 0 {
		b.t.Errorf("%d panels of %s touch the one above", touching, name)
	}
	b.resize(narrow)
	if over := eval[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		b.t.Errorf("%s is %d pixels wider than a screen of %d", name, over, narrow.width)
	}
	b.quiet()
}

// signIn types the token, once it has the focus.
func (b *tab) signIn() {
	b.t.Helper()
	b.open("/admin/login")
	b.await("document.activeElement.id === 'token'") // after the page has loaded
	b.through(chromedp.KeyEvent(adminToken + kb.Enter))
	if at := eval[string](b, "location.pathname"); at != "/admin" {
		b.t.Fatalf("after signing in the browser is at %s", at)
	}
}

// suspendAcme finds the partner without a new page, suspends it, and waits until the proxy has acknowledged.
func (b *tab) suspendAcme(e *estate) {
	b.t.Helper()
	b.open("/admin")
	b.follow(`.sections a[href="/admin/partners"]`)
	eval[chromedp.Void](b, "window.samePage = true; undefined")
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "acme"))
	b.await("document.querySelectorAll('#results tbody tr').length === 1 && location.search.includes('q=acme')")
	if !eval[bool](b, "window.samePage === true") {
		b.t.Error("the search loaded the page anew")
	}
	b.await(`document.querySelector('#results a[href="/admin/partners/acme"]')`)
	b.open("/admin/partners/acme") // a click may meet a row that a later answer replaces
	listed := eval[int](b, "document.querySelectorAll('[data-operation]').length")
	if want := e.callable("acme"); listed != want || want == 0 {
		b.t.Errorf("the page lists %d callable operations, the portal %d", listed, want)
	}
	e.sync(e.service.PolicyVersion())
	b.follow(`.page-head a[href$="state?to=suspended"]`)
	b.follow("button.primary.danger")
	b.await("document.querySelector('#change').textContent.includes('0 of 1')")
	e.sync(e.service.PolicyVersion())
	b.await("document.querySelector('#change').textContent.includes('1 of 1 proxy in contact decide')")
}

// callable counts what the portal's catalog lists for a partner.
func (e *estate) callable(partner string) (n int) {
	e.t.Helper()
	environments, err := e.service.PartnerEnvironments(context.Background(), partner)
	must(e.t, err)
	for _, environment := range environments {
		catalog, err := e.service.Catalog(context.Background(), partner, environment.Metadata.Name)
		must(e.t, err)
		for _, p := range catalog.Products {
			n += len(p.Operations)
		}
	}
	return n
}

// sync lets the estate's proxy decide by a version.
func (e *estate) sync(version int64) {
	e.t.Helper()
	ctx := context.Background()
	proxies, err := e.store.Proxies(ctx, time.Time{})
	must(e.t, err)
	next := proxies[0]
	next.LastSync, next.PolicyVersion, next.Sequence = noon, version, next.Sequence+1
	must(e.t, e.store.CommitSync(ctx, manager.SyncCommit{Proxy: &next}))
}
