package portal

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/gateway"
	managerserver "github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/manager/sqlite"
)

const edgeToken = "the-token-that-gateways-of-tests-show"

// startWhole serves the sample estate by a manager and a gateway that runs the
// real filters, in front of an upstream that tells who it was called by.
func startWhole(t *testing.T) *managerserver.Server {
	t.Helper()
	m, err := managerserver.Start(t.Context(), managerserver.Settings{Listen: "127.0.0.1:0", Store: "sqlite://" + t.TempDir() + "/whole.db", AdminToken: adminToken, EdgeToken: edgeToken},
		managerserver.Wiring{OpenStore: openSQLite, NewPortal: newPortal}, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, m.Stop()) })
	files, err := documents.ReadFolder(envoyexamples.Estate, "estate")
	must(t, err)
	_, err = m.Service().Apply(t.Context(), operator, documents.Resources(files), manager.ApplyOptions{})
	must(t, err)
	must(t, m.Service().SetPassword(t.Context(), operator, "cobalt", "dana@cobalt.example", password))
	upstream := newUpstream(t)
	g, err := gateway.Start(t.Context(), gateway.Options{
		Listen: "127.0.0.1:0", ManagerURL: m.URL(), EdgeToken: edgeToken, Upstreams: []gateway.Upstream{{Prefix: "/", URL: upstream}},
		ModulesDir: "../build", NodeID: "whole", Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(func() { must(t, g.Stop()) })
	sandbox := &manager.Environment{Metadata: manager.Metadata{Name: "sandbox"}, Spec: manager.EnvironmentSpec{Title: "Sandbox", Gateway: g.URL()}}
	_, _, err = m.Service().Put(t.Context(), operator, sandbox, manager.AnyRevision)
	must(t, err)
	return m
}

func openSQLite(ctx context.Context, url string) (manager.Store, error) {
	return sqlite.Open(ctx, strings.TrimPrefix(url, "sqlite://"))
}

func newPortal(service *manager.Service, publicURL, token string, logger *slog.Logger) (http.Handler, error) {
	return New(Config{Service: service, PublicURL: publicURL, AdminToken: token, Logger: logger})
}

func newUpstream(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"partner": %q, "path": %q, "key": %q}`, r.Header.Get("X-Partner-Id"), r.RequestURI, r.Header.Get("X-Api-Key"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestTryInTheBrowser tries an operation through the real filters, and finds the call in the log.
func TestTryInTheBrowser(t *testing.T) {
	m := startWhole(t)
	key, err := m.Service().CreateCredential(t.Context(), operator, "cobalt", "checkout", "sandbox", 0)
	must(t, err)
	b := newTab(t, m.URL())
	b.login("dana@cobalt.example")
	b.open("/products/payments?environment=sandbox")
	operation := `.operation[data-method="GET"]`
	eval[chromedp.Void](b, "document.querySelector('"+operation+"').open = true; undefined")
	b.follow(operation + " .actions a")
	b.try("pgk_sandbox_nobodys-key", "401")
	if to := eval[string](b, "document.querySelector('#answer .notice a').getAttribute('href')"); to != "/docs/errors/credential_unknown" {
		t.Errorf("a refusal leads to %s", to)
	}
	b.try(key.Key, "200")
	answer := eval[string](b, "document.querySelector('#answer pre').textContent")
	if !strings.Contains(answer, `"partner": "cobalt", "path": "/payments`) || !strings.Contains(answer, `"key": ""`) {
		t.Errorf("the answer is %s", answer)
	}
	if page := eval[string](b, "document.documentElement.outerHTML + location.href"); strings.Contains(page, key.Key) {
		t.Error("the page has the key")
	}
	if kept := eval[string](b, "document.getElementById('try-key').value"); kept != key.Key {
		t.Error("the form has lost the key")
	}
	id := eval[string](b, "document.querySelector('#answer .copy-line code').textContent")
	b.poll(func() bool {
		return eval[bool](b, "fetch('/requests.csv?request_id="+id+"').then((r) => r.text()).then((t) => t.includes('"+id+"'))")
	})
	b.follow("#answer a[href^='/requests?']")
	b.await("document.querySelectorAll('#log > li').length === 1")
	b.forget("status of 4")
	b.forget("status of 5")
	b.quiet()
}

// TestTriesThatAreTooLong gets a page of the portal in place of an answer, and goes on.
func TestTriesThatAreTooLong(t *testing.T) {
	e := newEstate(t)
	e.gateway(func(http.ResponseWriter, *http.Request) {})
	b := newTab(t, e.server.URL)
	b.login(acmeAdmin)
	b.open(tried("createPayment"))
	eval[chromedp.Void](b, "document.getElementById('body').value = 'x'.repeat(70000); document.getElementById('try-key').value = 'k'; undefined")
	b.do(chromedp.Click(chromedp.CSS(".trying button.primary")))
	b.await("document.querySelector('#tried .message h1')?.textContent === 'That is too much'")
	eval[chromedp.Void](b, "document.getElementById('body').value = '{}'; undefined")
	b.do(chromedp.Click(chromedp.CSS(".trying button.primary")))
	b.await("document.querySelector('#answer .status')?.textContent === '200' && !document.querySelector('#tried .message')")
	b.forget("status of 413")
	b.quiet()
}

// try sends the form with a key, again and again until the answer has a
// status: the gateway tells nobody when it has the policy and a lease.
func (b *tab) try(key, status string) {
	b.t.Helper()
	eval[chromedp.Void](b, fmt.Sprintf("document.getElementById('try-key').value = %q; undefined", key))
	b.poll(func() bool {
		eval[chromedp.Void](b, "document.querySelector('#answer').dataset.old = ''; undefined")
		b.do(chromedp.Click(chromedp.CSS(".trying button.primary")))
		b.await("document.querySelector('#answer:not([data-old])')")
		return eval[string](b, "document.querySelector('#answer .status')?.textContent ?? ''") == status
	})
}

// poll asks until it is so, less often than a member may try.
func (b *tab) poll(so func() bool) {
	b.t.Helper()
	again := time.NewTicker(time.Minute / triesMinute * 2)
	defer again.Stop()
	deadline := time.After(2 * patience)
	for !so() {
		select {
		case <-again.C:
		case <-deadline:
			b.t.Fatalf("it does not come to pass; the page has %s", eval[string](b, "document.querySelector('#tried')?.textContent ?? ''"))
		}
	}
}
