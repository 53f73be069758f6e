package portal

import (
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/partnergate/partnergate/manager"
)

// screenshots is where to leave pictures of every page, to look at.
var screenshots = flag.String("screenshots", "", "a folder to write pictures of every page to")

// size is a screen, in CSS pixels.
type size struct {
	name          string
	width, height int64
}

var (
	wide   = size{"wide", 1280, 860}
	tablet = size{"tablet", 768, 1024}
	phone  = size{"phone", 390, 844}
	narrow = size{"narrow", 360, 740}
)

func (b *tab) resize(s size) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(s.width, s.height))
}

func (b *tab) prefer(theme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	must(b.t, err)
}

// look is one page as a member meets it.
type look struct {
	name, path string
	before     string // what to do on it first, in JavaScript
}

// looks are all pages, with the states of them that look different.
func looks(key string) []look {
	return []look{
		{"products", "/products", ""},
		{"products-production", "/products?environment=production", ""},
		{"product", "/products/payments", "document.querySelector('.operation').open = true"},
		{"product-suspended", "/products/identity", ""},
		{"product-elsewhere", "/products/ledger?environment=production", ""},
		{"applications", "/applications", "document.querySelectorAll('.fold').forEach((d) => { d.open = true })"},
		{"application-new", "/applications/new", ""},
		{"application-rename", "/applications/checkout/rename", ""},
		{"application-delete", "/applications/nightly-reconciliation/delete", ""},
		{"application-needed", "/applications/checkout/delete", ""},
		{"key-new", "/applications/checkout/keys/new?environment=production", ""},
		{"key-rotate", "/applications/checkout/keys/" + key + "/rotate", ""},
		{"key-revoke", "/applications/checkout/keys/" + key + "/revoke", ""},
		{"members", "/members", ""},
		{"member-invite", "/members/invite", ""},
		{"member-remove", "/members/view@acme.test/remove", ""},
		{"password", "/password", ""},
		{"usage", "/usage?range=7d", ""},
		{"usage-day", "/usage?environment=sandbox", ""},
		{"usage-month", "/usage?range=30d&environment=production", "document.querySelector('[data-chart-table]').open = true"},
		{"requests", "/requests", "document.querySelectorAll('.log details')[3].open = true"},
		{"requests-exact", "/requests?range=exact&from=2026-11-24T08:00&to=", ""},
		{"requests-none", "/requests?request_id=nothing", ""},
		{"usage-empty", "/usage?product=ledger", ""},
		{"menu", "/products", "document.querySelector('.account').open = true"},
		{"not-found", "/nowhere", ""},
		{"not-found-member", "/products/nothing", ""},
		{"error-index", "/docs/errors", ""},
		{"error-doc", "/docs/errors/limit_exceeded", ""},
	}
}

// TestLooks walks over every page in both themes and three sizes: nothing may
// be wider than the screen, nothing serious may be wrong for people with
// assistive technology, and the browser may complain about nothing.
func TestLooks(t *testing.T) {
	e := newEstate(t)
	key := e.lived()
	b := newTab(t, e.server.URL)
	axe := axeSource(t)
	b.prefer("light")
	b.open("/login")
	b.inspect(look{name: "login", path: "/login"}, axe)
	b.login(acmeAdmin)
	for _, l := range looks(key) {
		b.inspect(l, axe)
	}
	b.lookAtTries(e, axe)
	b.showKey()
	b.examine("key-shown", axe)
	b.open("/members/invite")
	b.do(chromedp.SendKeys(chromedp.CSS("#email"), "late@acme.test"))
	b.follow("button.primary")
	b.examine("member-invited", axe)
	link, err := url.Parse(eval[string](b, "document.getElementById('link').textContent"))
	must(t, err)
	b.inspect(look{"invitation", link.RequestURI(), ""}, axe)
	b.open("/products")
	b.lookAsViewer(axe)
}

// TestLongNamesFit walks over pages of a partner of whom everything is as long as it may be.
func TestLongNamesFit(t *testing.T) {
	const partner, application = "vereinigte-zahlungsverkehrsgesellschaft", "nightly-reconciliation-of-international-settlement-batches"
	const product, operation = "settlement-and-reconciliation-platform-services-international", "createCorrectionForReconciliationItemInSettlementBatch"
	e := newEstate(t)
	key := e.key(partner, application, "sandbox")
	called := manager.UsageKey{Partner: partner, Application: application, Product: product, Environment: "sandbox", Operation: operation, Outcome: "admitted"}
	must(t, e.store.CommitSync(t.Context(), manager.SyncCommit{
		Proxy: &manager.Proxy{ID: "edge-1.6f1a9c3e7b42", Node: "edge-1", FirstSeen: noon, LastSync: noon, Sequence: 1},
		Usage: []manager.UsageRow{{Minute: noon, Key: called, Requests: 1234567890}},
		Requests: []manager.RequestRecord{{
			Time: noon, RequestID: strings.Repeat("0123456789abcdef", 8), Key: called, Credential: key.ID, Method: "DELETE", Status: 204, Proxy: strings.Repeat("gateway-", 8),
			Path: "/international/" + strings.Repeat("settlement-batches/0123456789012345678901234567890123456789/", 12),
		}},
	}))
	b := newTab(t, e.server.URL)
	b.prefer("light")
	b.login(longName)
	for _, l := range []look{
		{"products", "/products", ""},
		{"product", "/products/" + product, "document.querySelectorAll('details').forEach((d) => { d.open = true })"},
		{"product-requested", "/products/identity", ""},
		{"applications", "/applications", ""},
		{"application-delete", "/applications/" + application + "/delete", ""},
		{"key-revoke", "/applications/" + application + "/keys/" + key.ID + "/revoke", ""},
		{"usage", "/usage", "document.querySelectorAll('.fold').forEach((d) => { d.open = true })"},
		{"requests", "/requests", "document.querySelector('.log details').open = true"},
		{"members", "/members", ""},
		{"menu", "/products", "document.querySelector('.account').open = true"},
		{"not-found", "/products/nothing", ""},
	} {
		b.open(l.path)
		if l.before != "" {
			eval[chromedp.Void](b, l.before)
		}
		for _, s := range []size{wide, tablet, phone, narrow} {
			b.resize(s)
			b.fits("long-"+l.name, s)
			b.picture(s, "long-"+l.name+"-"+s.name)
		}
	}
}

// fits checks that nothing is wider than the screen, and that no word of the navigation is cut.
func (b *tab) fits(name string, s size) {
	b.t.Helper()
	if over := eval[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		b.t.Errorf("%s is %d pixels wider than a screen of %d", name, over, s.width)
	}
	if cut := eval[[]string](b, "[...document.querySelectorAll('.sections span')].filter((e) => e.scrollWidth > e.clientWidth && getComputedStyle(e).display !== 'inline').map((e) => e.textContent)"); len(cut) > 0 {
		b.t.Errorf("%s on a screen of %d cuts %v", name, s.width, cut)
	}
}

// lookAsViewer looks at what somebody sees who belongs to two partners and may change nothing of the second.
func (b *tab) lookAsViewer(axe string) {
	b.t.Helper()
	b.resize(wide)
	eval[chromedp.Void](b, "document.querySelector('.account').open = true; undefined")
	b.follow(`form[action="/logout"] button`)
	b.login(both)
	b.inspect(look{"switch", "/products", "document.querySelector('.partner').open = true"}, axe)
	b.resize(wide)
	b.follow(`button[name="partner"][value="globex"]`)
	b.inspect(look{"products-empty", "/products?environment=production", ""}, axe)
	b.inspect(look{"applications-viewer", "/applications", ""}, axe)
}

// lived gives acme keys in every state and traffic; it returns the id of a working one.
func (e *estate) lived() string {
	e.t.Helper()
	b := e.loggedIn(acmeAdmin)
	key := e.key("acme", "checkout", "sandbox")
	e.key("acme", "checkout", "production")
	revoked := e.key("acme", "nightly-reconciliation", "sandbox")
	b.post("/applications/nightly-reconciliation/keys/"+revoked.ID+"/revoke", url.Values{})
	e.key("acme", "nightly-reconciliation", "sandbox")
	e.key("acme", "nightly-reconciliation", "production")
	rotated := e.key("acme", "checkout", "sandbox")
	b.post("/applications/checkout/keys/"+rotated.ID+"/rotate", url.Values{"overlap": {"24h"}})
	e.traffic(key)
	return key.ID
}

func (b *tab) inspect(l look, axe string) {
	b.t.Helper()
	b.open(l.path)
	if l.before != "" {
		eval[chromedp.Void](b, l.before)
	}
	b.examine(l.name, axe)
}

func (b *tab) examine(name, axe string) {
	b.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		b.prefer(theme)
		for _, s := range []size{wide, phone, narrow} {
			b.resize(s)
			b.fits(name, s)
			if s != narrow {
				b.picture(s, name+"-"+s.name+"-"+theme)
				b.accessible(name+", "+theme+", "+s.name, axe, theme == "dark")
			}
		}
	}
	b.quiet404(name)
}

// quiet404 is quiet, but for the browser's own note that a page was not found or its form not right.
func (b *tab) quiet404(name string) {
	if strings.HasPrefix(name, "not-found") || name == "requests-exact" {
		b.forget("status of 4")
	}
	b.quiet()
}

func (b *tab) picture(s size, name string) {
	b.t.Helper()
	if *screenshots == "" {
		return
	}
	take := chromedp.FullScreenshot(100)
	if s == phone {
		take = chromedp.CaptureScreenshot() // the screen, where a bar is fixed to its foot
	}
	png, err := chromedp.Run(b.ctx, take)
	must(b.t, err)
	must(b.t, os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644))
}

// axeSource is axe-core, which `make portal` installs for development.
func axeSource(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatal("axe-core is missing: run `make portal`: ", err)
	}
	return string(source)
}

// violation is what axe-core reports.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML, FailureSummary string }
}

// accessible asks axe-core about the page; colours tells whether about nothing
// but colours, which is all in which the dark page differs from the light one.
func (b *tab) accessible(where, axe string, colours bool) {
	b.t.Helper()
	rules := "{}"
	if colours {
		rules = "{runOnly: ['color-contrast']}"
	}
	if !eval[bool](b, "Boolean(window.axe)") {
		eval[chromedp.Void](b, axe+"; undefined")
	}
	for _, v := range eval[[]violation](b, "axe.run("+rules+").then((r) => r.violations)") {
		b.t.Errorf("%s: axe-core %s %s: %s\n%+v", where, v.Impact, v.ID, v.Help, v.Nodes)
	}
}

// lookAtTries looks at the form of a try, at an answer, a refusal and a mistake.
func (b *tab) lookAtTries(e *estate, axe string) {
	b.t.Helper()
	form := "/products/payments/try?environment=sandbox&operation="
	b.inspect(look{"try", form + "createRefund", ""}, axe)
	answers := map[string]http.HandlerFunc{
		"answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "{\n  \"id\": \"ref_20418_3c1f\",\n  \"payment\": \"pay_20418_3c1f\",\n  \"amount\": {\"currency\": \"EUR\", \"value\": \"12.50\"},\n  \"state\": \"pending\"\n}\n")
		},
		"refusal": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"type": "http://portal.example.test/docs/errors/limit_exceeded", "title": "Limit exceeded", "status": 429, "code": "limit_exceeded", "request_id": "0a8f6c1e-5d0e-4a55-9d2b-6f1a9c3e7b42", "limit": "throughput"}`)
		},
	}
	for _, name := range []string{"answer", "refusal"} {
		e.gateway(answers[name])
		b.sendTry(form, tryKey, "pay_20418_3c1f")
		eval[chromedp.Void](b, "document.querySelector('.answer .fold').open = true; undefined")
		b.examine("try-"+name, axe)
	}
	b.sendTry(form, "not a key", "..")
	b.forget("status of 422")
	b.examine("try-mistake", axe)
	e.gatewayAt("sandbox", "", nil)
	b.inspect(look{"try-no-gateway", form + "createRefund", ""}, axe)
}

func (b *tab) sendTry(form, key, payment string) {
	b.t.Helper()
	b.resize(wide)
	b.open(form + "createRefund")
	b.do(
		chromedp.SendKeys(chromedp.CSS("#parameter-0"), payment), chromedp.SendKeys(chromedp.CSS("#try-key"), key),
		chromedp.Click(chromedp.CSS(".trying button.primary")),
	)
	b.await("document.querySelector('#answer .answer-head, #answer [role=alert]')")
}

// showKey makes a key by hand.
func (b *tab) showKey() {
	b.t.Helper()
	b.open("/applications/checkout/keys/new?environment=sandbox")
	b.follow("button.primary")
}
