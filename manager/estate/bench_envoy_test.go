package estate_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/manager"
)

// launch starts the real Envoy of the example quickstart in front of a manager, and waits until each of its VMs decides by the policy. It
// tells how long that took from the start of the process on.
func launch(b *testing.B, r *running, workers int) (e *envoyexamples.Envoy, ready time.Duration) {
	b.Helper()
	module, err := filepath.Abs(filepath.Join("..", "..", "build", "partnergate.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	port := r.http.Listener.Addr().(*net.TCPAddr).Port
	known := map[string]bool{}
	for _, p := range proxies(b, r) {
		known[p.ID] = true
	}
	started := time.Now()
	e, err = envoyexamples.Launch(context.WithoutCancel(b.Context()), envoyexamples.Options{
		Places:    envoyexamples.Places{Manager: port, Payments: port, Risk: port, Module: module},
		EdgeToken: edgeToken, Workers: workers,
	})
	if err != nil {
		b.Fatal(err)
	}
	awaitVersion(b, r, known)
	return e, time.Since(started)
}

// awaitVersion waits until a live proxy that is not among those known decides by the current policy.
func awaitVersion(b *testing.B, r *running, known map[string]bool) {
	b.Helper()
	for ; ; time.Sleep(20 * time.Millisecond) { // the manager tells of proxies only when it is asked
		for _, p := range proxies(b, r) {
			if !known[p.ID] && p.Live && p.PolicyVersion == r.PolicyVersion() {
				return
			}
		}
	}
}

func proxies(b *testing.B, r *running) []manager.ProxyView {
	b.Helper()
	all, err := r.Proxies(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// rss is the resident memory of a process in MB.
func rss(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kilobytes) / 1000
}

// BenchmarkEnvoy starts the real Envoy with an empty policy and with that of the large estate: how long from the start of the process until
// every VM decides by it, and how much memory the process then holds. It measures memory again after 200 changes, and how long the longest
// step of taking one over held up a worker.
func BenchmarkEnvoy(b *testing.B) {
	empty, err := open(b.Context(), filepath.Join(b.TempDir(), "empty.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := empty.stop(); err != nil {
			b.Error(err)
		}
	}()
	for _, workers := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("empty/workers=%d", workers), func(b *testing.B) { benchmarkEnvoy(b, empty, workers, 0) })
		b.Run(fmt.Sprintf("large/workers=%d", workers), func(b *testing.B) { benchmarkEnvoy(b, large(b), workers, 200) })
	}
}

func benchmarkEnvoy(b *testing.B, r *running, workers, changes int) {
	memory, later, ready := 0.0, 0.0, 0.0
	median, p95, longest := 0.0, 0.0, 0.0
	for b.Loop() {
		e, took := launch(b, r, workers)
		memory += rss(b, e.PID())
		ready += took.Seconds()
		for i := range changes {
			key := r.estate.Keys[i*7919%len(r.estate.Keys)]
			if _, err := r.CreateCredential(b.Context(), admin, key.Partner, key.Application, key.Environment, 0); err != nil {
				b.Fatal(err)
			}
			if i%10 == 9 {
				awaitVersion(b, r, map[string]bool{})
			}
		}
		if changes > 0 {
			later += rss(b, e.PID())
			median, p95, longest = steps(b, e)
		}
		if err := e.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(memory/float64(b.N), "rss-MB")
	b.ReportMetric(ready/float64(b.N), "s/ready")
	if changes > 0 {
		b.ReportMetric(later/float64(b.N), "rss-later-MB")
		b.ReportMetric(median, "step-p50-µs")
		b.ReportMetric(p95, "step-p95-µs")
		b.ReportMetric(longest, "step-longest-µs")
	}
}

// steps is what Envoy has recorded of the steps, in µs, to within some percent. It gathers histograms every five seconds, and
// tells nobody when it has.
func steps(b *testing.B, e *envoyexamples.Envoy) (median, p95, longest float64) {
	b.Helper()
	for ; ; time.Sleep(200 * time.Millisecond) {
		raw, err := e.Admin(b.Context(), "/stats?filter=policy_step_microseconds&histogram_buckets=none")
		if err != nil {
			b.Fatal(err)
		}
		at := func(percentile string) float64 {
			_, rest, _ := strings.Cut(string(raw), " "+percentile+"(")
			_, rest, _ = strings.Cut(rest, ",") // before it is the last interval's, after it that of all time
			value, _, _ := strings.Cut(rest, ")")
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return math.NaN() // nothing gathered yet
			}
			return n
		}
		if longest = at("P100"); !math.IsNaN(longest) {
			return at("P50"), at("P95"), longest
		}
	}
}

// BenchmarkMachine is what to hold the other figures against: a loop that only reads the clock, on a thread of its own. It tells how much of
// a core it got, and for how long it was kept waiting at worst.
func BenchmarkMachine(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const from = 50 * time.Microsecond // the shortest that counts as waiting
	var waits []time.Duration
	var waited time.Duration
	for b.Loop() {
		for last, end := time.Now(), time.Now().Add(2*time.Second); last.Before(end); {
			now := time.Now()
			if gap := now.Sub(last); gap > from {
				waits, waited = append(waits, gap), waited+gap
			}
			last = now
		}
	}
	b.ReportMetric(100*(1-waited.Seconds()/b.Elapsed().Seconds()), "%core")
	if len(waits) > 0 {
		b.ReportMetric(milliseconds(slices.Max(waits)), "longest-wait-ms")
	}
}
