package estate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/estate"
)

// BenchmarkApply applies the resources of 2,000 partners, ten thousand in all, through the API to an empty store, and then once more.
func BenchmarkApply(b *testing.B) {
	size := estate.Large
	size.Partners, size.Subscriptions, size.Keys = 2_000, 5_800, 0
	e := generate(b, size)
	var first, again time.Duration
	for n := 0; b.Loop(); n++ {
		r, err := open(b.Context(), filepath.Join(b.TempDir(), fmt.Sprint(n, ".db")))
		if err != nil {
			b.Fatal(err)
		}
		api, err := client.New(r.http.URL, adminToken)
		if err != nil {
			b.Fatal(err)
		}
		for _, took := range []*time.Duration{&first, &again} {
			started := time.Now()
			if _, err := api.Apply(b.Context(), e.Resources, manager.ApplyOptions{}); err != nil {
				b.Fatal(err)
			}
			*took += time.Since(started)
		}
		if err := r.stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(e.Resources)), "resources")
	b.ReportMetric(first.Seconds()/float64(b.N), "s/apply")
	b.ReportMetric(again.Seconds()/float64(b.N), "s/unchanged")
}

// BenchmarkOneChange changes one thing of the large estate: how long from the call until it is published, how much CPU that takes, how long
// compiling takes of it in the middle and at best, and how many bytes a proxy fetches for it.
func BenchmarkOneChange(b *testing.B) {
	r := large(b)
	weight := 0
	for name, change := range map[string]func(ctx context.Context) error{
		"key": func(ctx context.Context) error {
			_, err := r.CreateCredential(ctx, admin, partnerOf(r.estate), "platform", "sandbox", 0)
			return err
		},
		"plan": func(ctx context.Context) error {
			weight++
			_, _, err := r.Put(ctx, admin, &manager.Plan{Metadata: manager.Metadata{Name: "unused"}, Spec: manager.PlanSpec{Weight: weight}}, manager.AnyRevision)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			moved := 0
			var compiled []float64
			cpu := cpuSeconds(b)
			for b.Loop() {
				compiling := r.compiling(b)
				before := r.Published()
				if err := change(b.Context()); err != nil {
					b.Fatal(err)
				}
				moved += bytesMoved(before, r.Published())
				compiled = append(compiled, 1000*(r.compiling(b)-compiling))
			}
			slices.Sort(compiled)
			b.ReportMetric(1000*(cpuSeconds(b)-cpu)/float64(b.N), "cpu-ms")
			b.ReportMetric(compiled[len(compiled)/2], "compile-p50-ms")
			b.ReportMetric(compiled[0], "compile-best-ms")
			b.ReportMetric(float64(moved)/float64(b.N)/1000, "kB-moved")
		})
	}
}

// bytesMoved is what a proxy that holds one policy fetches for the next.
func bytesMoved(held, next *manager.Published) int {
	moved := len(next.ManifestFor(held.Digest))
	for i, m := 0, next.Snapshot.Manifest(); i < m.Len(); i++ {
		if e := m.Entry(i); held.Parts[e.Digest] == "" {
			moved += int(e.Size)
		}
	}
	return moved
}

// cpuSeconds is what this process has used, all threads together.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// compiling is for how many seconds the manager has compiled, all in all.
func (r *running) compiling(b *testing.B) float64 {
	b.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "partnergate_policy_compile_seconds" {
			return f.GetMetric()[0].GetHistogram().GetSampleSum()
		}
	}
	b.Fatal("no such metric")
	return 0
}

// BenchmarkColdStart starts a manager on the store of the large estate, until it can serve, and tells how much memory it then needs.
func BenchmarkColdStart(b *testing.B) {
	path := large(b).path
	heap := 0.0
	for b.Loop() {
		b.StopTimer()
		before := heapMB()
		b.StartTimer()
		r, err := open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		heap = heapMB() - before
		if err := r.stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(heap, "heap-MB")
}

// heapMB is what lives in this process.
func heapMB() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// BenchmarkLists asks for pages of the admin API.
func BenchmarkLists(b *testing.B) {
	r := large(b)
	partner := partnerOf(r.estate)
	for _, path := range []string{
		"/api/v1/partners", "/api/v1/partners?limit=500", "/api/v1/partners?q=amber-bay", "/api/v1/partners?q=nobody+at+all", "/api/v1/products?limit=500", "/api/v1/plans",
		"/api/v1/partners/" + partner + "/subscriptions", "/api/v1/partners/" + partner + "/applications", "/api/v1/partners/" + partner,
	} {
		b.Run(url.PathEscape(path), func(b *testing.B) {
			bytes := 0
			for b.Loop() {
				bytes = r.get(b, http.DefaultClient, path)
			}
			b.ReportMetric(float64(bytes)/1000, "kB")
		})
	}
}

// BenchmarkPortal asks for pages of the portal as a member of one of the partners.
func BenchmarkPortal(b *testing.B) {
	r := large(b)
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	member := &http.Client{Jar: jar}
	answer, err := member.PostForm(r.http.URL+"/login", url.Values{"email": {estate.MemberEmail(0)}, "password": {password}})
	if err != nil {
		b.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("log in: status %d, %v", answer.StatusCode, err)
	}
	for _, path := range []string{
		"/products", "/products/" + r.estate.Held(partnerOf(r.estate))[0].Product, "/applications", "/usage", "/requests", "/catalog.json?environment=sandbox",
	} {
		b.Run(url.PathEscape(path), func(b *testing.B) {
			for b.Loop() {
				r.get(b, member, path)
			}
		})
	}
}

// BenchmarkDecide decides natively about calls of many partners: the key, the operation, and the limits that apply.
func BenchmarkDecide(b *testing.B) {
	r := large(b)
	snapshot := r.Published().Snapshot
	calls := callsOf(r.estate, 1000)
	q := policy.Request{Keys: 1, Now: time.Now().UnixMilli()}
	buckets := make([]policy.Bucket, 0, policy.MaxLimits)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		c := &calls[n%len(calls)]
		q.Method, q.Host, q.Path, q.Key = c.method, c.host, c.path, c.key
		d := snapshot.Decide(&q)
		if d.Code != policy.Undecided {
			b.Fatal(c.host, c.path, d.Code)
		}
		if _, ok := snapshot.Limits(&d, q.Now, buckets[:0]); !ok {
			b.Fatal("no limits")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}
