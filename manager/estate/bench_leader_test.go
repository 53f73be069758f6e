package estate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// BenchmarkLeaderThatServes has a worker's VM lead, as on a host without a VM on its main thread, and the whole policy of the large estate come
// in place of an empty one, at once. It measures how long a request of that worker waits meanwhile at worst, in the harness, which runs wazero:
// the time that a step takes, as the VM recorded it, and what requests saw, with the machine's noise.
func BenchmarkLeaderThatServes(b *testing.B) {
	module, err := testharness.CompileFile(b.Context(), filepath.Join("..", "..", "build", "partnergate.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = module.Close() }()
	empty, err := open(b.Context(), filepath.Join(b.TempDir(), "empty.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := empty.stop(); err != nil {
			b.Error(err)
		}
	}()
	whole := large(b)
	for b.Loop() {
		p := leadByWorker(b, module, empty, whole)
		waits := takeOver(b, p)
		steps := p.Samples("partnergate_policy_step_microseconds")
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
		slices.Sort(waits)
		b.ReportMetric(float64(len(waits)), "requests")
		b.ReportMetric(milliseconds(waits[len(waits)/2]), "ms-p50")
		b.ReportMetric(milliseconds(waits[len(waits)*99/100]), "ms-p99")
		b.ReportMetric(milliseconds(waits[len(waits)-1]), "ms-longest")
		if len(steps) > 0 {
			slices.Sort(steps)
			b.ReportMetric(float64(steps[len(steps)/2])/1000, "step-ms-p50")
			b.ReportMetric(float64(steps[len(steps)*99/100])/1000, "step-ms-p99")
			b.ReportMetric(float64(steps[len(steps)-1])/1000, "step-ms-longest")
		}
	}
}

// leadByWorker starts a proxy of one worker, which leads and serves by the first manager's policy, and lets it find the second.
func leadByWorker(b *testing.B, module *testharness.Module, first, second *running) *testharness.Proxy {
	b.Helper()
	moved, move := context.WithCancel(b.Context())
	manager := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if moved.Err() != nil {
			second.http.Config.Handler.ServeHTTP(w, r)
			return
		}
		ctx, end := context.WithCancel(r.Context())
		defer end()
		defer context.AfterFunc(moved, end)() // ends a watch
		first.http.Config.Handler.ServeHTTP(w, r.WithContext(ctx))
	})
	configuration := fmt.Sprintf(`{"manager": {"cluster": "partnergate", "token": %q}}`, edgeToken)
	p, err := testharness.NewProxy(b.Context(), testharness.NewProxyConfig().WithClock(testharness.RealClock()).WithCluster("partnergate", manager).
		WithFilters(testharness.NewFilter(module).WithRootID("partnergate").WithVMID("partnergate").WithConfiguration([]byte(configuration))))
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Trap(testharness.MainThread); err != nil {
		b.Fatal(err)
	}
	for leads := false; !leads; time.Sleep(10 * time.Millisecond) {
		ask(b, p)
		version, _ := p.Metric("partnergate_policy_version")
		changes, _ := p.Metric("partnergate_leader_changes")
		leads = changes > 0 && version == uint64(first.PolicyVersion())
	}
	time.Sleep(4 * time.Second) // were it the main thread's that led, its heartbeat is lost by now
	move()
	return p
}

// ask sends a request without a key, which is refused.
func ask(b *testing.B, p *testharness.Proxy) {
	b.Helper()
	target := &url.URL{Scheme: "http", Host: "nobody.example.test", Path: "/"}
	if _, err := p.Do(&http.Request{Method: "GET", Host: target.Host, URL: target, RequestURI: "/", Header: http.Header{}}); err != nil {
		b.Fatal(err)
	}
}

// takeOver sends requests until the proxy has gone over to the second policy, and tells how long each took.
func takeOver(b *testing.B, p *testharness.Proxy) (waits []time.Duration) {
	b.Helper()
	before, _ := p.Metric("partnergate_policy_version")
	for version := before; version == before; version, _ = p.Metric("partnergate_policy_version") {
		began := time.Now()
		ask(b, p)
		waits = append(waits, time.Since(began))
		time.Sleep(200 * time.Microsecond)
	}
	return waits
}
