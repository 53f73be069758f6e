package httpapi_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/httpapi"
	"github.com/partnergate/partnergate/manager/sqlite"
	"github.com/partnergate/partnergate/manager/telemetry/logtest"
)

const (
	adminToken = "admin-0123456789abcdef0123456789abcdef"
	edgeToken  = "edge-0123456789abcdef0123456789abcdef0"
	edgeToken2 = "edge-fedcba9876543210fedcba98765432100"
	publicURL  = "https://partners.example.test"
)

// api is a real server on a real store.
type api struct {
	t       *testing.T
	url     string
	server  *httptest.Server
	service *manager.Service
	store   manager.Store
	log     logtest.Book
	modules string
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{t: t, modules: t.TempDir()}
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	a.store = store
	logger := slog.New(slog.NewJSONHandler(&a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if a.service, err = manager.NewService(t.Context(), manager.Config{Store: store, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	a.server = httptest.NewServer(httpapi.New(httpapi.Config{
		Service: a.service, AdminToken: adminToken, EdgeTokens: []string{edgeToken, edgeToken2}, ModulesDir: a.modules, PublicURL: publicURL,
		Registry: prometheus.NewRegistry(), Logger: logger,
		Portal: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "portal "+r.URL.Path) }),
	}))
	a.url = a.server.URL
	t.Cleanup(func() {
		a.service.Close()
		a.server.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// code is the code of a problem.
func (a answer) code() string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal([]byte(a.body), &p) // "" where it is no problem
	return p.Code
}

// do sends a request as the admin; headers are pairs of name and value and win over the defaults.
func (a *api) do(method, path, body string, headers ...string) answer {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Del(headers[i])
		if headers[i+1] != "" {
			request.Header.Set(headers[i], headers[i+1])
		}
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{response.StatusCode, response.Header, string(read)}
}

// must sends a request that succeeds, and decodes the answer into out unless that is nil.
func (a *api) must(out any, method, path, body string, headers ...string) answer {
	a.t.Helper()
	got := a.do(method, path, body, headers...)
	if got.status >= 300 {
		a.t.Fatalf("%s %s: %d %s", method, path, got.status, got.body)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(got.body), out); err != nil {
			a.t.Fatalf("%s %s: %v in %s", method, path, err, got.body)
		}
	}
	return got
}

const estate = `
apiVersion: partnergate.dev/v1alpha1
kind: Product
metadata: {name: payments}
spec:
  title: Payments
  openapi:
    openapi: 3.1.0
    info: {title: Payments, version: "1"}
    paths:
      /pay:
        get: {operationId: listPay, responses: {"200": {description: ok}}}
        post: {operationId: pay, responses: {"200": {description: ok}}}
  basePath: /v1
  environments: {sandbox: {hosts: [sandbox.api.example.test]}}
---
apiVersion: partnergate.dev/v1alpha1
kind: Plan
metadata: {name: starter}
spec: {limits: [{name: throughput, rate: {requests: 5, per: second}}]}
---
apiVersion: partnergate.dev/v1alpha1
kind: Partner
metadata: {name: acme}
spec: {title: Acme Corp, members: [{email: dev@acme.test, role: admin}]}
---
apiVersion: partnergate.dev/v1alpha1
kind: Partner
metadata: {name: globex}
spec: {title: Globex}
---
apiVersion: partnergate.dev/v1alpha1
kind: Application
metadata: {name: checkout, partner: acme}
spec: {title: Checkout}
---
apiVersion: partnergate.dev/v1alpha1
kind: Application
metadata: {name: other, partner: globex}
spec: {}
---
apiVersion: partnergate.dev/v1alpha1
kind: Subscription
metadata: {name: payments-sandbox, partner: acme}
spec: {product: payments, environment: sandbox, plan: starter}
`

// withEstate is a server that has the estate.
func withEstate(t *testing.T) *api {
	t.Helper()
	a := newAPI(t)
	a.must(nil, "POST", "/api/v1/apply", estate, "Content-Type", "application/yaml")
	return a
}
