package portal

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

// TestTwoPartnersInTheBrowser logs in as each, by keyboard alone, and compares what they see.
func TestTwoPartnersInTheBrowser(t *testing.T) {
	e := newEstate(t)
	seen := map[string][]string{}
	for _, email := range []string{acmeAdmin, globexDev} {
		b := newTab(t, e.server.URL)
		b.open("/login")
		b.await("document.activeElement.id === 'email'") // browsers give it the focus after the page has loaded
		b.through(chromedp.KeyEvent(email + kb.Tab + password + kb.Enter))
		seen[email] = eval[[]string](b, "[...document.querySelectorAll('.product h2')].map((h) => h.textContent)")
		listed := eval[int](b, "document.querySelectorAll('[data-product=payments]').length")
		b.follow(`a[href^="/products/payments?"]`)
		const operations = "Object.values(d.paths).flatMap((p) => Object.keys(p)).filter((k) => k !== 'parameters').length"
		if got := eval[int](b, "fetch(document.querySelector('#openapi a[download]').href).then((r) => r.json()).then((d) => "+operations+")"); got != listed {
			t.Errorf("the document that %s downloads has %d operations, and the catalog %d", email, got, listed)
		}
		b.quiet()
	}
	if got := strings.Join(seen[acmeAdmin], ", "); got != "Payments, Risk feeds, Ledger, Identity checks" {
		t.Errorf("acme sees %s", got)
	}
	if got := strings.Join(seen[globexDev], ", "); got != "Payments" {
		t.Errorf("globex sees %s", got)
	}
}

// TestKeysInTheBrowser makes, copies, rotates and revokes a key as a person does, and renames and deletes an application.
func TestKeysInTheBrowser(t *testing.T) {
	e := newEstate(t)
	b := newTab(t, e.server.URL)
	b.login(acmeAdmin)
	b.follow(`.sections a[href^="/applications"]`)
	b.follow(`a[href="/applications/checkout/keys/new?environment=sandbox"]`)
	b.follow("button.primary")
	key := eval[string](b, "document.getElementById('key').textContent")
	_, id, ok := policy.ParseKey(key)
	if !ok {
		t.Fatalf("the page shows %q", key)
	}
	b.do(chromedp.Click(chromedp.CSS(".secret .copy")))
	b.await("document.querySelector('.secret .copy-word').textContent === 'Copied' && document.getElementById('announce').textContent === 'Copied'")
	b.follow(".actions .primary")
	if page := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(page, key) || !strings.Contains(page, id) {
		t.Error("the key is shown again, or is not listed")
	}
	b.follow(`a[href="/applications/checkout/keys/` + id + `/rotate"]`)
	b.do(chromedp.Click(chromedp.CSS(`input[value="1h"]`)))
	b.follow("button.primary")
	_, next, _ := policy.ParseKey(eval[string](b, "document.getElementById('key').textContent"))
	b.follow(".actions .primary")
	b.follow(`a[href="/applications/checkout/keys/` + id + `/revoke"]`)
	b.follow("button.primary.danger")
	keys, err := e.service.Credentials(context.Background(), "acme", "checkout")
	must(t, err)
	for _, key := range keys {
		if want := map[string]string{id: manager.CredentialRevoked, next: manager.CredentialActive}[key.Metadata.Name]; key.State != want {
			t.Errorf("the key %s is %s, not %s", key.Metadata.Name, key.State, want)
		}
	}
	if said := eval[string](b, "document.querySelector('.notice').textContent"); !strings.Contains(said, "is revoked") {
		t.Errorf("the page says %q", said)
	}
	e.key("acme", "nightly-reconciliation", "sandbox")
	b.follow(`a[href="/applications/nightly-reconciliation/rename"]`)
	eval[chromedp.Void](b, "document.getElementById('title').value = ''; undefined")
	b.do(chromedp.SendKeys(chromedp.CSS("#title"), "Night run"))
	b.follow("button.primary")
	if said := eval[string](b, "document.querySelector('.notice').textContent"); !strings.Contains(said, "is called Night run now") {
		t.Errorf("the page says %q", said)
	}
	b.follow(`a[href="/applications/nightly-reconciliation/delete"]`)
	b.follow("button.primary.danger")
	if said := eval[string](b, "document.querySelector('.notice').textContent"); !strings.Contains(said, "Night run is deleted. Gateways refuse its key") {
		t.Errorf("the page says %q", said)
	}
	b.quiet()
}

// TestFiltersInTheBrowser filters and pages without a new page.
func TestFiltersInTheBrowser(t *testing.T) {
	e := newEstate(t)
	e.traffic(e.key("acme", "checkout", "sandbox"))
	b := newTab(t, e.server.URL)
	b.login(acmeAdmin)
	b.open("/requests")
	eval[chromedp.Void](b, "window.samePage = true; undefined")
	b.do(chromedp.Focus(chromedp.CSS(`#pager a[rel="next"]`)), chromedp.KeyEvent(kb.Enter))
	b.await("document.querySelectorAll('#log > li').length === 100")
	b.await("document.activeElement === document.querySelector('#log > li:nth-child(51) summary')")
	b.do(chromedp.Click(chromedp.CSS(`#pager a[rel="next"]`)))
	b.await("document.querySelectorAll('#log > li').length === 130 && !document.querySelector('#pager a[rel=\"next\"]')")
	b.choose("outcome", "limit_exceeded")
	b.await("document.querySelectorAll('#log > li').length === 19")
	if at := eval[string](b, "location.search"); !strings.Contains(at, "outcome=limit_exceeded") {
		t.Errorf("the address is %s", at)
	}
	if to := eval[string](b, `document.querySelector('#environments a[href*="production"]').href`); !strings.Contains(to, "outcome=limit_exceeded") {
		t.Errorf("another environment would forget the filter: %s", to)
	}
	if !eval[bool](b, "window.samePage === true") {
		t.Error("the page was loaded anew")
	}
	b.await("document.getElementById('announce').textContent === '19 requests'")
	b.choose("range", "exact")
	b.await("document.querySelector('#results [role=\"alert\"]') && document.activeElement === document.getElementById('range') && document.getElementById('from').checkVisibility()")
	b.choose("range", "24h")
	b.await("document.querySelectorAll('#log > li').length === 19 && !document.getElementById('from').checkVisibility()")
	b.forget("status of 422")
	b.choose("request_id", "nothing") // typed with Enter it would be asked for twice, and the second answer come after the logout
	b.await("document.querySelector('.empty h2')?.textContent === 'Nothing fits these filters'")
	b.quiet()
	eval[chromedp.Void](b, "fetch('/logout', {method: 'POST', redirect: 'manual'}).then(() => undefined)")
	b.through(chromedp.SendKeys(chromedp.CSS("#request_id"), kb.Enter))
	if at := eval[string](b, "location.pathname"); at != "/login" {
		t.Errorf("a filter after the session's end leads to %s", at)
	}
}

// choose picks a value of a field that has the focus, as the keyboard does.
func (b *tab) choose(id, value string) {
	b.t.Helper()
	eval[chromedp.Void](b, fmt.Sprintf("((e) => { e.focus(); e.value = %q; e.dispatchEvent(new Event('change', {bubbles: true})); })(document.getElementById(%q)); undefined", value, id))
}

// TestMistakesAreToldWhereTheyAre makes mistakes in forms: what was typed stays, and the focus is on what is wrong.
func TestMistakesAreToldWhereTheyAre(t *testing.T) {
	e := newEstate(t)
	b := newTab(t, e.server.URL)
	focus := func(id string) {
		t.Helper()
		b.await(fmt.Sprintf("document.activeElement.id === %q && document.activeElement.getAttribute('aria-invalid') === 'true' && document.querySelector('[role=\"alert\"]').checkVisibility()", id))
	}
	b.open("/login")
	b.do(chromedp.SendKeys(chromedp.CSS("#email"), acmeAdmin), chromedp.SendKeys(chromedp.CSS("#password"), "wrong"))
	b.follow("button.primary")
	focus("password")
	if kept := eval[string](b, "document.getElementById('email').value + document.getElementById('password').value"); kept != acmeAdmin {
		t.Errorf("the form keeps %q", kept)
	}
	b.through(chromedp.SendKeys(chromedp.CSS("#password"), password+kb.Enter))
	b.open("/applications/new")
	b.do(chromedp.SendKeys(chromedp.CSS("#title"), "Kept as typed"), chromedp.SendKeys(chromedp.CSS("#name"), "Not A Label"))
	b.follow("button.primary")
	focus("name")
	if kept := eval[string](b, "document.getElementById('title').value + document.getElementById('name').value"); kept != "Kept as typedNot A Label" {
		t.Errorf("the form keeps %q", kept)
	}
	b.open("/members/invite")
	b.do(chromedp.SendKeys(chromedp.CSS("#email"), acmeView))
	b.follow("button.primary")
	focus("email")
	b.forget("status of 4")
	b.quiet()
}

// TestOperationsHaveAddresses follows an operation on a card to its documentation.
func TestOperationsHaveAddresses(t *testing.T) {
	e := newEstate(t)
	b := newTab(t, e.server.URL)
	b.login(acmeAdmin)
	b.follow(`.product li[data-operation="createPayment"] a`)
	b.await("document.querySelector('.operation[open]')?.dataset.operation === 'createPayment' && location.hash === '#' + document.querySelector('.operation[open]').id")
	b.do(chromedp.Focus(chromedp.CSS(".account > summary")), chromedp.KeyEvent(kb.Enter))
	b.await("document.querySelector('.account').open")
	b.do(chromedp.Focus(chromedp.CSS("#main a")))
	b.await("!document.querySelector('.account').open")
	b.quiet()
}

// TestKeyboard walks with Tab: first the way past the navigation, then everything in sight.
func TestKeyboard(t *testing.T) {
	e := newEstate(t)
	b := newTab(t, e.server.URL)
	b.login(acmeAdmin)
	b.do(chromedp.KeyEvent(kb.Tab))
	if first := eval[string](b, "document.activeElement.textContent"); first != "Skip to content" {
		t.Errorf("the first stop is %q", first)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	b.await("document.activeElement.id === 'main'")
	b.open("/products")
	want := eval[int](b, "[...document.querySelectorAll('a, button, summary')].filter((e) => e.checkVisibility()).length")
	stops := map[string]bool{}
	for range want {
		b.do(chromedp.KeyEvent(kb.Tab))
		stops[eval[string](b, "(document.activeElement.href ?? '') + document.activeElement.textContent + document.activeElement.parentElement.textContent.slice(0, 40)")] = true
		if eval[bool](b, "getComputedStyle(document.activeElement).outlineStyle === 'none'") {
			t.Errorf("the focus on %q cannot be seen", eval[string](b, "document.activeElement.outerHTML.slice(0, 120)"))
		}
	}
	if len(stops) != want {
		t.Errorf("Tab stops at %d of %d controls", len(stops), want)
	}
	b.do(chromedp.Focus(chromedp.CSS(".account > summary")), chromedp.KeyEvent(kb.Enter))
	b.await("document.querySelector('.account').open")
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Escape))
	b.await("!document.querySelector('.account').open && document.activeElement.matches('.account > summary')")
	b.quiet()
}

// TestEnvironmentInSight has more environments than fit side by side, and looks at the last.
func TestEnvironmentInSight(t *testing.T) {
	e := newEstate(t)
	many := make([]manager.Resource, 20)
	for i := range many {
		many[i] = &manager.Environment{Metadata: manager.Metadata{Name: fmt.Sprintf("region-%02d", i)}}
	}
	_, err := e.service.Apply(t.Context(), operator, many, manager.ApplyOptions{})
	must(t, err)
	b := newTab(t, e.server.URL)
	b.resize(phone)
	b.login(acmeAdmin)
	inSight := `(() => {
		const current = document.querySelector(".environments [aria-current]").getBoundingClientRect();
		return current.left >= 0 && current.right <= innerWidth && scrollY === 0;
	})()`
	for _, path := range []string{"/products", "/products?environment=region-19", "/requests?environment=region-10"} {
		b.open(path)
		if !eval[bool](b, inSight) {
			t.Errorf("%s: the environment is out of sight", path)
		}
	}
	b.choose("outcome", "limit_exceeded")
	b.await(`document.querySelector('#environments a[href*="limit_exceeded"]') && ` + inSight)
	b.quiet()
}

// TestThemes follows the system until the reader chooses, and keeps the choice, with and without scripts.
func TestThemes(t *testing.T) {
	e := newEstate(t)
	b := newTab(t, e.server.URL)
	ground := func() string { return eval[string](b, "getComputedStyle(document.body).backgroundColor") }
	b.prefer("light")
	b.open("/login")
	light := ground()
	b.prefer("dark")
	dark := ground()
	if light == dark {
		t.Errorf("light and dark are both %s", light)
	}
	b.do(chromedp.Click(chromedp.CSS(`.theme button[value="light"]`)))
	b.await("document.documentElement.dataset.theme === 'light'")
	if ground() != light {
		t.Error("the choice of light does not show")
	}
	b.login(acmeAdmin)
	if ground() != light {
		t.Error("the next page forgot the choice")
	}
	b.quiet()
	plain := e.loggedIn(acmeAdmin)
	if r := plain.post("/theme", url.Values{"theme": {"dark"}, "back": {"/usage"}}); r.header.Get("Location") != "/usage" {
		t.Errorf("without scripts the choice leads to %s", r.header.Get("Location"))
	}
	if !strings.Contains(plain.get("/usage").body, `<html lang="en" data-theme="dark">`) {
		t.Error("without scripts the choice is forgotten")
	}
}
