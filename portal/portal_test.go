package portal

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

var attributes = regexp.MustCompile(`data-product="([^"]*)" data-environment="([^"]*)" data-method="([^"]*)" data-path="([^"]*)" data-operation="([^"]*)"`)

// marked are the operations that a page marks as callable.
func marked(t *testing.T, page string) []catalogOperation {
	t.Helper()
	var list []catalogOperation
	for _, m := range attributes.FindAllStringSubmatch(page, -1) {
		for i := range m {
			m[i] = html.UnescapeString(m[i])
		}
		list = append(list, catalogOperation{m[1], m[2], m[3], m[4], m[5]})
	}
	for _, name := range []string{"data-product=", "data-environment=", "data-method=", "data-path=", "data-operation="} {
		if n := strings.Count(page, name); n != len(list) {
			t.Errorf("%s stands %d times on the page, but %d operations are marked", name, n, len(list))
		}
	}
	return list
}

// listed are the operations of /catalog.json.
func listed(t *testing.T, b *browser, environment string) []catalogOperation {
	t.Helper()
	r := b.get("/catalog.json?environment=" + environment)
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/json" {
		t.Fatalf("catalog.json: status %d, %s", r.status, r.header.Get("Content-Type"))
	}
	var body catalogBody
	must(t, json.Unmarshal([]byte(r.body), &body))
	return body.Operations
}

func sorted(list []catalogOperation) []catalogOperation {
	slices.SortFunc(list, func(a, b catalogOperation) int {
		return strings.Compare(a.Product+" "+a.Path+" "+a.Method, b.Product+" "+b.Path+" "+b.Method)
	})
	return list
}

func TestCatalogIsWhatTheSnapshotLetsThrough(t *testing.T) {
	e := newEstate(t)
	now := e.service.Published().At.UnixMilli()
	for email, partner := range map[string]string{acmeAdmin: "acme", globexDev: "globex"} {
		b := e.loggedIn(email)
		for _, environment := range []string{"sandbox", "production"} {
			want := []catalogOperation{}
			for _, o := range e.service.Published().Snapshot.Surface(partner, environment, "", now) {
				if o.Code == policy.Admitted {
					want = append(want, catalogOperation{o.Product, o.Environment, o.Method, o.Path, o.Operation})
				}
			}
			if got := listed(t, b, environment); !slices.Equal(sorted(got), sorted(want)) {
				t.Errorf("%s in %s: catalog.json has %v, the snapshot %v", partner, environment, got, want)
			}
			if got := marked(t, b.get("/products?environment="+environment).body); !slices.Equal(sorted(got), sorted(want)) {
				t.Errorf("%s in %s: the page marks %v, the snapshot has %v", partner, environment, got, want)
			}
			onPages, documented := []catalogOperation{}, []catalogOperation{}
			for _, product := range []string{"payments", "risk-feeds", "ledger", "identity"} {
				onPages = append(onPages, marked(t, b.get("/products/"+product+"?environment="+environment).body)...)
				documented = append(documented, inDocument(t, b, product, environment)...)
			}
			if !slices.Equal(sorted(onPages), sorted(want)) {
				t.Errorf("%s in %s: the products' pages mark %v, the snapshot has %v", partner, environment, onPages, want)
			}
			if !slices.Equal(sorted(documented), sorted(want)) {
				t.Errorf("%s in %s: the OpenAPI documents have %v, the snapshot %v", partner, environment, documented, want)
			}
		}
	}
	if acme, globex := listed(t, e.loggedIn(acmeAdmin), "sandbox"), listed(t, e.loggedIn(globexDev), "sandbox"); len(acme) != 11 || len(globex) != 2 {
		t.Errorf("acme has %d operations and globex %d, not 11 and 2", len(acme), len(globex))
	}
}

func TestSuspendedIsShownAndNotCallable(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	for _, path := range []string{"/products", "/products/identity"} {
		page := b.get(path).body
		if !strings.Contains(page, "Suspended") || !strings.Contains(page, "/identity/checks") {
			t.Errorf("%s does not show what is suspended", path)
		}
		for _, o := range marked(t, page) {
			if o.Product == "identity" {
				t.Errorf("%s marks %s as callable", path, o.Operation)
			}
		}
	}
	partner, err := e.service.Resource(context.Background(), manager.Ref{Kind: manager.KindPartner, Name: "acme"})
	must(t, err)
	changed := *partner.(*manager.Partner)
	changed.Spec.State = manager.StateSuspended
	_, _, err = e.service.Put(context.Background(), operator, &changed, manager.AnyRevision)
	must(t, err)
	page := b.get("/products").body
	if !strings.Contains(page, "Acme Corp is suspended.") || len(marked(t, page)) != 0 || len(listed(t, b, "sandbox")) != 0 {
		t.Error("a suspended partner still has callable operations, or is not told")
	}
}

func TestEnvironments(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	if r := b.get("/catalog.json?environment=moon"); r.status != http.StatusNotFound || r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("catalog.json of no environment: status %d, %s", r.status, r.header.Get("Content-Type"))
	}
	for _, path := range []string{"/products", "/products/payments", "/applications", "/usage", "/requests"} {
		if r := b.get(path + "?environment=moon"); r.status != http.StatusNotFound {
			t.Errorf("%s of no environment: status %d", path, r.status)
		}
		page := b.get(path + "?environment=production").body
		if !strings.Contains(page, `class="tone-production"`) {
			t.Errorf("%s does not say that it is about production", path)
		}
		for _, next := range []string{"/products", "/applications", "/usage", "/requests"} {
			if !strings.Contains(page, `href="`+next+`?environment=production"`) {
				t.Errorf("%s does not lead to %s of the same environment", path, next)
			}
		}
	}
	if r := b.get("/products/ledger?environment=production"); r.status != http.StatusOK || !strings.Contains(r.body, "Not in Production") {
		t.Errorf("a product held elsewhere only: status %d", r.status)
	}
	if r := e.browser().get("/catalog.json"); r.status != http.StatusUnauthorized || r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("catalog.json for nobody: status %d", r.status)
	}
}

func TestProductPage(t *testing.T) {
	e := newEstate(t)
	page := e.loggedIn(acmeAdmin).get("/products/payments").body
	for _, want := range []string{
		"5 requests a second, bursts of 10", "10,000 requests a month", "20 requests at the same time",
		"Plan Starter", "core-banking", ">refunds<", "<var>{payment-id}</var>",
		html.EscapeString(`curl "http://sandbox.api.localhost:10000/payments/payments/$PAYMENT_ID"`),
		"&lt;script&gt;alert(", "<code>next</code>", "http://sandbox.api.localhost:10000/payments/payments",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of payments lacks %s", want)
		}
	}
	if strings.Contains(page, "<script>") {
		t.Error("a description's script is not escaped")
	}
	if page := e.loggedIn(acmeAdmin).get("/products/payments?environment=production").body; !strings.Contains(page, "Only for the application <code>checkout</code>") {
		t.Error("the page does not say which application may call it")
	}
}

func TestErrorDocs(t *testing.T) {
	e := newEstate(t)
	b := e.browser()
	index := b.get("/docs/errors").body
	for _, code := range policy.Refusals() {
		r := b.get("/docs/errors/" + code.String())
		if r.status != http.StatusOK || !strings.Contains(r.body, html.EscapeString(code.Info().Title)) || !strings.Contains(r.body, code.String()) {
			t.Errorf("the page about %s: status %d", code, r.status)
		}
		if !strings.Contains(index, `href="/docs/errors/`+code.String()+`"`) {
			t.Errorf("the list of codes lacks %s", code)
		}
	}
	for _, code := range []string{"admitted", "undecided", "nonsense"} {
		if r := b.get("/docs/errors/" + code); r.status != http.StatusNotFound {
			t.Errorf("the page about %s: status %d", code, r.status)
		}
	}
}

func TestRequestLog(t *testing.T) {
	e := newEstate(t)
	e.traffic(e.key("acme", "checkout", "sandbox"))
	b := e.loggedIn(acmeAdmin)
	rows := func(query string) (answer, int) {
		r := b.get("/requests?" + query)
		return r, strings.Count(r.body, "<li><details>")
	}
	for query, want := range map[string]int{
		"":                                                requestsOnPage,
		"outcome=environment_mismatch":                    18,
		"outcome=limit_exceeded&product=ledger":           0,
		"operation=getPayment&range=30d":                  19,
		"product=risk-feeds":                              18,
		"environment=production&outcome=admitted":         19,
		"request_id=5d0e4a55-9d2b-6f1a-9c3e-000000000129": 1,
		"request_id=globex-0001":                          0,
		"range=1h&outcome=operation_not_found":            11,
	} {
		if _, got := rows(query); got != want {
			t.Errorf("/requests?%s shows %d requests, not %d", query, got, want)
		}
	}
	seen, query := 0, ""
	for pages := 1; ; pages++ {
		r, n := rows(query)
		seen += n
		older := regexp.MustCompile(`<a class="button small" href="/requests\?([^"]*)" rel="next"`).FindStringSubmatch(r.body)
		if older == nil {
			if pages != 3 || seen != 130 {
				t.Errorf("%d pages show %d requests, not 3 and 130", pages, seen)
			}
			break
		}
		query = html.UnescapeString(older[1])
	}
	r, _ := rows("outcome=operation_not_found")
	if strings.Contains(r.body, "<script>alert") || !strings.Contains(r.body, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("a path is not escaped")
	}
	r, _ = rows("outcome=limit_exceeded")
	for _, want := range []string{"A limit of your contract is reached", "/docs/errors/limit_exceeded", "throughput", "edge-1.6f1a9c3e7b42"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("a refused request does not say %s", want)
		}
	}
	if r, _ := rows("request_id=nothing"); !strings.Contains(r.body, "Nothing fits these filters") {
		t.Error("no word about an empty answer")
	}
}

func TestUsage(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	if page := b.get("/usage").body; !strings.Contains(page, "No request in this time") || !strings.Contains(page, "x-api-key: $PARTNERGATE_KEY") {
		t.Error("an empty usage page does not teach how to begin")
	}
	e.traffic(e.key("acme", "checkout", "sandbox"))
	for _, span := range []string{"", "24h", "7d", "30d", "month"} {
		page := b.get("/usage?range=" + span).body
		for _, want := range []string{"By product", "By operation", "By outcome", "listPayments", "limit_exceeded", "data-chart-rows"} {
			if !strings.Contains(page, want) {
				t.Errorf("usage of %q lacks %s", span, want)
			}
		}
	}
	if page := b.get("/usage").body; !strings.Contains(page, "<details class=\"fold\" open data-chart-table>") || !strings.Contains(page, "data-chart hidden") {
		t.Error("without scripts the table is folded, or the empty chart is shown")
	}
	if page := b.get("/usage?environment=sandbox&product=risk-feeds").body; strings.Contains(page, "listPayments") || !strings.Contains(page, "GET /risk/scores/{account}") {
		t.Error("the filter by environment and product does not hold")
	}
	globex := e.loggedIn(globexDev).get("/usage").body
	if !strings.Contains(globex, "<dt>Requests</dt><dd>3</dd>") || strings.Contains(globex, "createPayment") {
		t.Error("globex does not see exactly its own usage")
	}
}

func TestApplications(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	r := b.post("/applications", url.Values{"name": {"mobile-app"}, "title": {"Mobile <b>app</b>"}})
	if r.status != http.StatusSeeOther {
		t.Fatalf("a new application: status %d\n%s", r.status, r.body)
	}
	page := b.get("/applications").body
	if !strings.Contains(page, "Mobile &lt;b&gt;app&lt;/b&gt;") || !strings.Contains(page, "Now create its first key.") {
		t.Error("the new application is not shown, or not escaped")
	}
	if strings.Contains(b.get("/applications").body, "Now create its first key.") {
		t.Error("the notice is shown twice")
	}
	stored, err := e.service.Resource(context.Background(), manager.Ref{Kind: manager.KindApplication, Partner: "acme", Name: "mobile-app"})
	must(t, err)
	if stored.Meta().ManagedBy != manager.OwnerPortal {
		t.Errorf("it is managed by %s, not the portal", stored.Meta().ManagedBy)
	}
	for name, want := range map[string]string{"mobile-app": "of this name already", "": "Give it a name", "Not A Label": "lower-case letters"} {
		r := b.post("/applications", url.Values{"name": {name}, "title": {"Kept as typed"}})
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, want) || !strings.Contains(r.body, `value="Kept as typed"`) || !strings.Contains(r.body, `aria-invalid="true"`) {
			t.Errorf("an application named %q: status %d, or its form does not say %q", name, r.status, want)
		}
	}
}
