package portal

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/partnergate/partnergate/manager"
)

// inDocument are the operations of a product's OpenAPI document, with the base
// path of each of its servers; none where there is no document.
func inDocument(t *testing.T, b *browser, product, environment string) []catalogOperation {
	t.Helper()
	r := b.get("/products/" + product + "/openapi.json?environment=" + environment)
	if r.status == http.StatusNotFound {
		return nil
	}
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/json" {
		t.Fatalf("the document of %s: status %d, %s", product, r.status, r.header.Get("Content-Type"))
	}
	document := document(t, r.body)
	base, err := url.Parse(document.Servers[0].URL)
	must(t, err)
	var list []catalogOperation
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			id := o.OperationID
			if id == "" {
				id = method + " " + path
			}
			list = append(list, catalogOperation{product, environment, method, base.Path + path, id})
		}
	}
	return list
}

func document(t *testing.T, text string) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData([]byte(text))
	must(t, err)
	must(t, document.Validate(t.Context(), openapi3.DisableExamplesValidation()))
	return document
}

func TestOpenAPIDocument(t *testing.T) {
	e := newEstate(t)
	acme, globex := e.loggedIn(acmeAdmin), e.loggedIn(globexDev)
	r := acme.get("/products/payments/openapi.json")
	if got := r.header.Get("Content-Disposition"); got != `attachment; filename="payments-sandbox.openapi.json"` {
		t.Errorf("it is saved as %s", got)
	}
	sandbox, production := document(t, r.body), document(t, acme.get("/products/payments/openapi.json?environment=production").body)
	for url, d := range map[string]*openapi3.T{"http://sandbox.api.localhost:10000/payments": sandbox, "https://api.example.test/payments": production} {
		if len(d.Servers) != 1 || d.Servers[0].URL != url {
			t.Errorf("the servers are %+v, not %s", d.Servers, url)
		}
	}
	if o := sandbox.Paths.Value("/payments/{payment-id}").Get; o.OperationID != "getPayment" || !strings.Contains(*o.Responses.Value("429").Value.Description, "limit_exceeded") {
		t.Errorf("the operation is %+v", o)
	}
	if !strings.Contains(r.body, "http://portal.example.test/docs/errors/") {
		t.Error("it does not lead to the pages about refusals")
	}
	narrow := globex.get("/products/payments/openapi.json").body
	for _, others := range []string{"createPayment", "refund", "settlement", "amend"} {
		if strings.Contains(narrow, others) {
			t.Errorf("globex's document tells of %s", others)
		}
	}
	if page := acme.get("/products/payments").body; !strings.Contains(page, "http://portal.example.test/products/payments/openapi.json?environment=sandbox</code>") {
		t.Error("the product's page does not lead to the document")
	}
	if page := acme.get("/products").body; strings.Count(page, "/openapi.json?environment=sandbox") != 3 {
		t.Error("the catalog does not lead to the documents of what can be called, or to more")
	}
}

// TestOpenAPIOfNothing: what a partner cannot call has no document, whoever else has it.
func TestOpenAPIOfNothing(t *testing.T) {
	e := newEstate(t)
	globex, acme := e.loggedIn(globexDev), e.loggedIn(acmeAdmin)
	nothing := globex.get("/products/zzz/openapi.json").body
	for _, product := range []string{"risk-feeds", "ledger", "identity", "forecasts"} {
		if r := globex.get("/products/" + product + "/openapi.json"); r.status != http.StatusNotFound || r.body != nothing || r.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, and %s for what does not exist", product, r.status, r.body, nothing)
		}
	}
	for path, want := range map[string]string{
		"/products/payments/openapi.json?environment=moon":     "no environment moon",
		"/products/ledger/openapi.json?environment=production": "no such page",
		"/products/identity/openapi.json":                      "nothing of Identity checks that you can call in Sandbox now",
	} {
		if r := acme.get(path); r.status != http.StatusNotFound || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if page := acme.get("/products/identity").body; strings.Contains(page, "openapi.json") {
		t.Error("a suspended product's page leads to a document")
	}
}

// TestOpenAPIDocumentsTakeTurns: however many ask for a large one at a time, few are in memory.
func TestOpenAPIDocumentsTakeTurns(t *testing.T) {
	e := newEstate(t)
	s, err := newServer(Config{Service: e.service, PublicURL: "http://portal.example.test", Now: atNoon, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	cookie := e.cookie("/login", url.Values{"email": {acmeAdmin}, "password": {password}})
	made := func(ctx context.Context) bool {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/products/payments/openapi.json", nil)
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		s.routes().ServeHTTP(w, r)
		return strings.Contains(w.Body.String(), `"openapi":`)
	}
	for range documentsAtOnce {
		s.documents <- struct{}{}
	}
	leaving, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if made(leaving) {
		t.Error("a document was made out of turn")
	}
	<-s.documents
	if !made(t.Context()) || len(s.documents) != documentsAtOnce-1 {
		t.Errorf("with one turn free no document was made, or the turn was not given back: %d are taken", len(s.documents))
	}
}

// TestOpenAPIFollowsThePolicy: a change of a subscription changes the document with the catalog.
func TestOpenAPIFollowsThePolicy(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(globexDev)
	subscription, err := read[*manager.Subscription](t.Context(), e.service, manager.Ref{Kind: manager.KindSubscription, Partner: "globex", Name: "payments-sandbox"})
	must(t, err)
	for _, operations := range [][]string{{"getSettlement"}, {"listPayments", "cancelRefund", "getSettlement"}, nil} {
		changed := *subscription
		changed.Spec.Operations = operations
		_, _, err := e.service.Put(t.Context(), operator, &changed, manager.AnyRevision)
		must(t, err)
		got, want := inDocument(t, b, "payments", "sandbox"), listed(t, b, "sandbox")
		if !slices.Equal(sorted(got), sorted(want)) || operations != nil && len(got) != len(operations) {
			t.Errorf("with %v granted the document has %v and the catalog %v", operations, got, want)
		}
	}
	if !json.Valid([]byte(b.get("/products/payments/openapi.json").body)) {
		t.Error("no JSON")
	}
}

func TestParametersOnThePages(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	page := b.get("/products/payments").body
	for _, want := range []string{
		"<dt><code>payment-id</code><span>in the path</span><span>string</span><span class=\"required\">required</span></dt>",
		"such as <code>pay_20418_3c1f</code>. &lt;b&gt;Not&lt;/b&gt;", "<dt><code>limit</code><span>in the query string</span><span>integer</span></dt>",
		"One of <code>pending</code>, <code>sent</code>, <code>returned</code>.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if page := b.get("/products/payments/try?operation=getPayment").body; !strings.Contains(page, `aria-describedby="hint-0"><p class="hint" id="hint-0">As `) {
		t.Error("the form to try it does not say what the parameter is")
	}
}
