package mongo_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/httpapi"
	"github.com/partnergate/partnergate/testharness"
)

const (
	adminToken = "admin-token-of-at-least-32-characters"
	edgeToken  = "edge-token-of-at-least-32-characters"
)

var (
	admin = manager.Actor{Name: "admin", Owner: manager.OwnerAPI}
	quiet = slog.New(slog.DiscardHandler)
)

// node is one manager: its own connection to the store, its own HTTP server.
type node struct {
	*manager.Service
	store manager.Store
	http  *httptest.Server
	once  sync.Once
}

func newNode(t *testing.T, store manager.Store) *node {
	t.Helper()
	service, err := manager.NewService(context.WithoutCancel(t.Context()), manager.Config{Store: store, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Service: service, store: store}
	n.http = httptest.NewServer(httpapi.New(httpapi.Config{Service: service, AdminToken: adminToken, EdgeTokens: []string{edgeToken}, Logger: quiet}))
	t.Cleanup(n.kill)
	return n
}

// kill ends the manager amid what it does: connections break, nothing is answered any more.
func (n *node) kill() {
	n.once.Do(func() {
		n.http.Listener.Close()
		n.http.CloseClientConnections()
		n.Close()
		n.http.Close()
		_ = n.store.Close() // calls that are under way end with it
	})
}

// balancer is a cluster of two managers as Envoy has it: each call goes to the
// next one, dead or alive.
func balancer(t *testing.T, nodes ...*node) http.Handler {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	var proxies []http.Handler
	for _, n := range nodes {
		target, err := url.Parse(n.http.URL)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.Transport = transport
		proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusServiceUnavailable) }
		proxies = append(proxies, proxy)
	}
	var turn atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies[int(turn.Add(1))%len(proxies)].ServeHTTP(w, r)
	})
}

var compiled = sync.OnceValues(func() (*testharness.Module, error) {
	return testharness.CompileFile(context.Background(), filepath.Join("..", "..", "build", "partnergate.wasm"),
		testharness.WithCacheDir(filepath.Join(os.TempDir(), "partnergate-wazero")))
})

// startProxy is a proxy process with the real filters, in real time.
func startProxy(t *testing.T, name string, cluster http.Handler) *testharness.Proxy {
	t.Helper()
	module, err := compiled()
	if err != nil {
		t.Fatalf("%v\nbuild the filters first: make wasm", err)
	}
	filter := testharness.NewFilter(module).WithName("partnergate").WithRootID("partnergate").WithVMID("partnergate").
		WithConfiguration([]byte(`{"manager": {"cluster": "partnergate", "token": "` + edgeToken + `"}}`)).WithFailPolicy(testharness.FailReload)
	upstream := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	p, err := testharness.NewProxy(t.Context(), testharness.NewProxyConfig().WithNodeID(name).WithWorkers(2).
		WithClock(testharness.RealClock()).WithFilters(filter).WithUpstream(upstream).WithCluster("partnergate", cluster).
		WithLongPolls(func(r *http.Request) bool { return r.URL.Path == wire.WatchPath }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return p
}

func estateYAML(limits string) string {
	const api = "apiVersion: partnergate.dev/v1alpha1\n"
	return strings.Join([]string{
		api + "kind: Plan\nmetadata: {name: plan}\nspec:\n  limits: " + limits + "\n",
		api + `kind: Product
metadata: {name: payments}
spec:
  title: Payments
  environments: {sandbox: {hosts: [` + corpus.SandboxHost + `]}}
  openapi:
    openapi: 3.0.3
    info: {title: Payments, version: "1"}
    paths:
      /v1/pay: {get: {operationId: pay, responses: {"200": {description: paid}}}}
`,
		api + "kind: Partner\nmetadata: {name: acme}\nspec: {title: Acme}\n",
		api + "kind: Application\nmetadata: {name: app, partner: acme}\nspec: {title: App}\n",
		api + "kind: Subscription\nmetadata: {name: pay, partner: acme}\nspec: {product: payments, environment: sandbox, plan: plan}\n",
	}, "---\n")
}

func apply(t *testing.T, n *node, yaml string) {
	t.Helper()
	documents, err := manager.ReadDocuments("estate.yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	resources := make([]manager.Resource, len(documents))
	for i := range documents {
		resources[i] = documents[i].Resource
	}
	if _, err := n.Apply(t.Context(), admin, resources, manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T, n *node) string {
	t.Helper()
	key, err := n.CreateCredential(t.Context(), admin, "acme", "app", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	return key.Key
}

// ask sends one request and returns its status.
func ask(p *testharness.Proxy, key string) (int, error) {
	r := &http.Request{Method: "GET", Host: corpus.SandboxHost, RequestURI: "/v1/pay", Header: http.Header{"X-Api-Key": {key}},
		URL: &url.URL{Scheme: "http", Host: corpus.SandboxHost, Path: "/v1/pay"}}
	response, err := p.Do(r)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// patience bounds a failure; nothing is expected to take so long, on a busy machine either.
const patience = 2 * time.Minute

// eventually waits for what another process is to do.
func eventually(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > patience {
			t.Fatalf("after %s still not: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // who waits is a client: nobody tells it
	}
	return time.Since(began)
}

// traffic calls through all proxies at once until stop, and counts what is admitted.
type traffic struct {
	admitted, limited, unavailable, others atomic.Int64
	stop                                   chan struct{}
	once                                   sync.Once
	work                                   sync.WaitGroup
}

func newTraffic(t *testing.T, key string, proxies ...*testharness.Proxy) *traffic {
	x := &traffic{stop: make(chan struct{})}
	t.Cleanup(func() { // before the proxies end
		x.end()
		t.Logf("%d admitted, %d limited, %d unavailable, %d others", x.admitted.Load(), x.limited.Load(), x.unavailable.Load(), x.others.Load())
	})
	for _, p := range proxies {
		x.work.Go(func() {
			for {
				select {
				case <-x.stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				status, err := ask(p, key)
				if err != nil {
					t.Error(err)
					return
				}
				x.count(status)
			}
		})
	}
	return x
}

func (x *traffic) count(status int) {
	switch status {
	case http.StatusOK:
		x.admitted.Add(1)
	case http.StatusTooManyRequests:
		x.limited.Add(1)
	case http.StatusServiceUnavailable:
		x.unavailable.Add(1)
	default:
		x.others.Add(1)
	}
}

func (x *traffic) end() {
	x.once.Do(func() { close(x.stop) })
	x.work.Wait()
}
