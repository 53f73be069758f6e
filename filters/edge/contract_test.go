//go:build !wasip1

package edge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/httpapi"
	"github.com/partnergate/partnergate/manager/sqlite"
	"github.com/partnergate/partnergate/testharness"
)

// realManager is the manager that is shipped, on SQLite, on a virtual clock.
type realManager struct {
	*manager.Service
	http.Handler
	clock *testharness.Clock
	keys  map[string]string // by partner
}

var admin = manager.Actor{Name: "admin", Owner: manager.OwnerAPI}

const adminToken = "admin-token-of-at-least-32-characters"

// newManager starts a manager with an estate whose plan has these limits, a
// YAML list. The partners acme and globex subscribe to GET /v1/pay.
func newManager(t *testing.T, limits string) *realManager {
	t.Helper()
	return newManagerAt(t, limits, testharness.NewVirtualClock(testharness.DefaultStart.Add(36*time.Hour)))
}

func newManagerAt(t testing.TB, limits string, clock *testharness.Clock) *realManager {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "manager.db"))
	if err != nil {
		t.Fatal(err)
	}
	m := &realManager{clock: clock, keys: map[string]string{}}
	m.Service, err = manager.NewService(context.WithoutCancel(t.Context()), manager.Config{Store: store, Now: clock.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	m.Handler = httpapi.New(httpapi.Config{
		Service: m.Service, AdminToken: adminToken, EdgeTokens: []string{edgeToken}, Logger: slog.New(slog.DiscardHandler), Now: clock.Now,
	})
	t.Cleanup(func() {
		m.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	m.apply(t, estateYAML(limits))
	for _, partner := range []string{"acme", "globex"} {
		key, err := m.CreateCredential(t.Context(), admin, partner, "app", "sandbox", 0)
		if err != nil {
			t.Fatal(err)
		}
		m.keys[partner] = key.Key
	}
	return m
}

func (m *realManager) apply(t testing.TB, yaml string) {
	t.Helper()
	documents, err := manager.ReadDocuments("estate.yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	resources := make([]manager.Resource, len(documents))
	for i := range documents {
		resources[i] = documents[i].Resource
	}
	if _, err := m.Apply(t.Context(), admin, resources, manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
}

func estateYAML(limits string) string {
	const api = "apiVersion: partnergate.dev/v1alpha1\n"
	documents := []string{
		planYAML(limits),
		api + `kind: Product
metadata: {name: payments}
spec:
  title: Payments
  lifecycle: published
  environments: {sandbox: {hosts: [` + corpus.SandboxHost + `]}}
  openapi:
    openapi: 3.0.3
    info: {title: Payments, version: "1"}
    paths:
      /v1/pay: {get: {operationId: pay, responses: {"200": {description: paid}}}}
`,
	}
	for _, partner := range []string{"acme", "globex"} {
		documents = append(documents,
			api+"kind: Partner\nmetadata: {name: "+partner+"}\nspec: {title: "+partner+"}\n",
			api+"kind: Application\nmetadata: {name: app, partner: "+partner+"}\nspec: {title: App}\n",
			api+"kind: Subscription\nmetadata: {name: pay, partner: "+partner+"}\nspec: {product: payments, environment: sandbox, plan: plan}\n")
	}
	return strings.Join(documents, "---\n")
}

func planYAML(limits string) string {
	return "apiVersion: partnergate.dev/v1alpha1\nkind: Plan\nmetadata: {name: plan}\nspec:\n  limits: " + limits + "\n"
}

func (m *realManager) proxy(t *testing.T, node string, workers int, filters ...testharness.Filter) *testharness.Proxy {
	t.Helper()
	p := start(t, proxyWith(workers, m, filters...).WithClock(m.clock).WithNodeID(node))
	ready(t, p, uint64(m.PolicyVersion()))
	return p
}

func (m *realManager) request(partner string) *http.Request {
	return request("GET", corpus.SandboxHost, "/v1/pay", "x-api-key", m.keys[partner])
}

// patient sends a request, and lets time pass while it waits for a lease.
func patient(t *testing.T, p *testharness.Proxy, worker int, r *http.Request) answer {
	t.Helper()
	e, err := p.BeginOn(worker, r)
	if err != nil {
		t.Fatal(err)
	}
	for range 60 {
		p.Settle()
		select {
		case <-e.Done():
			response, err := e.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return read(t, response)
		default:
			p.Advance(10 * time.Millisecond)
		}
	}
	t.Fatal("a request got no answer in 600 ms")
	return answer{}
}

// tally sends n requests in turn to all workers of the proxies, and counts the answers.
func (m *realManager) tally(t *testing.T, partner string, n, workers int, proxies ...*testharness.Proxy) map[string]int {
	t.Helper()
	got := map[string]int{}
	for i := range n {
		a := patient(t, proxies[i%len(proxies)], i/len(proxies)%workers, m.request(partner))
		if code := a.code(); code == "" {
			got["admitted"]++
		} else {
			got[code]++
		}
	}
	return got
}

func TestOneContractForAllWorkers(t *testing.T) {
	cases := []struct {
		name, limits string
		admitted     int
	}{
		{"rate", "[{name: throughput, rate: {requests: 5, per: second, burst: 10}}]", 10},
		{"quota", "[{name: daily, quota: {requests: 37, per: day}}]", 37},
		{"partner", "[{name: all, scope: partner, quota: {requests: 11, per: day}}]", 11},
		{"application", "[{name: each, scope: application, quota: {requests: 9, per: month}}]", 9},
		{"several", "[{name: daily, quota: {requests: 30, per: day}}, {name: all, scope: partner, quota: {requests: 8, per: day}}, {name: throughput, rate: {requests: 1, per: hour, burst: 20}}]", 8},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newManager(t, c.limits)
			p := m.proxy(t, "one", 4, combined(configuration)...)
			got := m.tally(t, "acme", c.admitted+20, 4, p)
			if got["admitted"] != c.admitted || got["limit_exceeded"] != 20 {
				t.Errorf("%v; want %d admitted, the others limit_exceeded", got, c.admitted)
			}
			if got := m.tally(t, "globex", 5, 4, p); got["admitted"] != 5 {
				t.Errorf("another partner: %v", got)
			}
		})
	}
}

func TestTwoProxiesShareOneContract(t *testing.T) {
	m := newManager(t, "[{name: daily, quota: {requests: 60, per: day}}]")
	a, b := m.proxy(t, "a", 2, combined(configuration)...), m.proxy(t, "b", 2, combined(configuration)...)
	got := map[string]int{}
	for range 40 {
		for code, n := range m.tally(t, "acme", 4, 2, a, b) {
			got[code] += n
		}
		m.clock.Advance(500 * time.Millisecond)
	}
	if got["admitted"] != 60 {
		t.Errorf("%v; want 60 admitted", got)
	}
}

// TestRestartIsNoNewContract restarts a proxy, as a crash does: what it held of
// the quota is not given out again in this window.
func TestRestartIsNoNewContract(t *testing.T) {
	m := newManager(t, "[{name: daily, quota: {requests: 20, per: day}}]")
	admitted := 0
	for i := range 3 {
		p := m.proxy(t, fmt.Sprint("proxy-", i), 2, combined(configuration)...)
		admitted += m.tally(t, "acme", 10, 2, p)["admitted"]
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		m.clock.Advance(20 * time.Second)
	}
	if admitted > 20 || admitted == 0 {
		t.Errorf("%d were admitted of a contract of 20", admitted)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a proxy is restarted again and again",
		Done:     "three proxies, one after the other, each calls 10 times with a quota of 20",
		Promised: "never more than the quota in all",
		Seen:     fmt.Sprintf("%d of 20 admitted", admitted),
	})
}

func TestRateRefills(t *testing.T) {
	m := newManager(t, "[{name: throughput, rate: {requests: 5, per: second, burst: 10}}]")
	p := m.proxy(t, "one", 2, combined(configuration)...)
	if got := m.tally(t, "acme", 30, 2, p); got["admitted"] != 10 {
		t.Errorf("%v of the burst", got)
	}
	m.clock.Advance(time.Second)
	if got := m.tally(t, "acme", 30, 2, p); got["admitted"] != 5 {
		t.Errorf("%v a second later", got)
	}
}

// TestRefusalSaysWhenToComeBack checks what a 429 tells, and what an admitted
// request is told.
func TestRefusalSaysWhenToComeBack(t *testing.T) {
	m := newManager(t, "[{name: throughput, rate: {requests: 2, per: minute}}, {name: daily, quota: {requests: 100, per: day}}, {name: in-flight, concurrency: {requests: 3}}]")
	p := m.proxy(t, "one", 1, combined(configuration)...)
	got := patient(t, p, 0, m.request("acme"))
	wantHeader(t, "admitted", got, "Ratelimit-Policy", `"throughput";q=2;w=60, "daily";q=100;w=86400, "in-flight";q=3;qu="concurrent-requests"`)
	if limits := got.Header.Get("ratelimit"); !strings.HasPrefix(limits, `"throughput";r=1;t=30, "daily";r=`) || !strings.HasSuffix(limits, `, "in-flight";r=2`) {
		t.Errorf("ratelimit is %q", limits)
	}
	patient(t, p, 0, m.request("acme"))
	got = patient(t, p, 0, m.request("acme"))
	if got.StatusCode != 429 || !strings.Contains(got.body, `"limit":"throughput"`) {
		t.Fatal(got.StatusCode, got.body)
	}
	wantHeader(t, "refused", got, "Retry-After", "30")
	wantHeader(t, "refused", got, "Ratelimit", `"throughput";r=0;t=30`)
	if limit := p.FilterState(got.Response)["wasm.partnergate.limit"]; limit != "throughput" {
		t.Errorf("the access log shows limit %q", limit)
	}
}

// TestConcurrencyIsReleased holds requests at the upstream, and ends some of
// them by a reset.
func TestConcurrencyIsReleased(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			m := newManager(t, "[{name: in-flight, concurrency: {requests: 2}}]")
			release := make(chan struct{})
			held := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-release:
				case <-r.Context().Done():
				}
			})
			p := start(t, proxyWith(2, m, filters...).WithClock(m.clock).WithUpstream(held).WithLongPolls(func(r *http.Request) bool {
				return isWatch(r) || r.URL.Path == "/v1/pay"
			}))
			ready(t, p, uint64(m.PolicyVersion()))
			// One at a time, so that the second finds the lease.
			ctx, cancel := context.WithCancel(t.Context())
			first, err := p.BeginOn(0, m.request("acme").WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			p.Advance(300 * time.Millisecond)
			second, err := p.BeginOn(1, m.request("acme"))
			if err != nil {
				t.Fatal(err)
			}
			p.Advance(300 * time.Millisecond)
			if got := patient(t, p, 0, m.request("acme")); got.StatusCode != 429 {
				t.Errorf("a third in flight: %d %s", got.StatusCode, got.body)
			}
			cancel() // the client goes away
			if _, err := first.Wait(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			close(release)
			if _, err := second.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			for range 4 {
				if got := do(t, p, m.request("acme")); got.StatusCode != 200 {
					t.Errorf("after they ended: %d %s", got.StatusCode, got.body)
				}
			}
		})
	}
}

// TestRevocationReachesTheProxy changes policy in the real manager.
func TestRevocationReachesTheProxy(t *testing.T) {
	m := newManager(t, "[]")
	p := m.proxy(t, "one", 3, combined(configuration)...)
	if got := patient(t, p, 0, m.request("acme")); got.StatusCode != 200 {
		t.Fatal(got.StatusCode, got.body)
	}
	credentials, err := m.Credentials(t.Context(), "acme", "app")
	if err != nil || len(credentials) != 1 {
		t.Fatal(credentials, err)
	}
	version, err := m.RevokeCredential(t.Context(), admin, credentials[0].Metadata.Name)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, p, func() bool { v, _ := p.Metric("partnergate_policy_version"); return v >= uint64(version) })
	p.Advance(300 * time.Millisecond)
	for worker := range 3 {
		if got := patient(t, p, worker, m.request("acme")); got.code() != "credential_revoked" {
			t.Errorf("worker %d: %d %s", worker, got.StatusCode, got.body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if behind, err := m.AwaitAcknowledged(ctx, version); err != nil {
		t.Error(err, behind)
	}
}

// TestUsageIsExact counts in the real manager what was sent.
func TestUsageIsExact(t *testing.T) {
	m := newManager(t, "[{name: daily, quota: {requests: 15, per: day}}]")
	p := m.proxy(t, "one", 3, combined(configuration)...)
	m.tally(t, "acme", 25, 3, p)
	p.Advance(4 * time.Second)
	now := m.clock.Now()
	usage, err := m.Usage(t.Context(), manager.UsageQuery{From: now.Add(-time.Hour), To: now.Add(time.Hour), GroupBy: []manager.UsageDimension{manager.ByOutcome}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, sum := range usage.Sums {
		got[sum.Group[manager.ByOutcome]] = uint64(sum.Requests)
	}
	if got["admitted"] != 15 || got["limit_exceeded"] != 10 {
		t.Errorf("%v", got)
	}
}
