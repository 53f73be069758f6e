package testharness_test

import (
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"github.com/partnergate/partnergate/testharness"
)

// BenchmarkCompile compiles the guest, a Go module of 2.5 MB: without a cache,
// and from a cache directory that has it.
func BenchmarkCompile(b *testing.B) {
	code, err := os.ReadFile(guestPath)
	if err != nil {
		b.Fatal(err)
	}
	bench := func(name string, options ...testharness.CompileOption) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				module, err := testharness.Compile(b.Context(), code, options...)
				if err != nil {
					b.Fatal(err)
				}
				if err := module.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("no-cache")
	cached := testharness.WithCacheDir(b.TempDir())
	module, err := testharness.Compile(b.Context(), code, cached)
	if err != nil {
		b.Fatal(err)
	}
	if err := module.Close(); err != nil {
		b.Fatal(err)
	}
	bench("cache-dir", cached)
}

// BenchmarkNewProxy starts and closes a proxy with one worker: three VMs.
func BenchmarkNewProxy(b *testing.B) {
	for b.Loop() {
		p, err := testharness.NewProxy(b.Context(), config(script()))
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDo sends requests one after the other through one filter, which
// reads two headers and sets one.
func BenchmarkDo(b *testing.B) {
	p := benchProxy(b, testharness.NewVirtualClock(testharness.DefaultStart))
	for b.Loop() {
		if _, err := p.Do(request("GET", "/v1/pay", "X-Api-Key", "k")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDoParallel is BenchmarkDo on the real clock, from several
// goroutines on two workers.
func BenchmarkDoParallel(b *testing.B) {
	p := benchProxy(b, testharness.RealClock())
	var failed atomic.Int32
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.Do(request("GET", "/v1/pay", "X-Api-Key", "k")); err != nil {
				failed.Add(1)
			}
		}
	})
	if failed.Load() > 0 {
		b.Fatal(failed.Load(), "requests failed")
	}
}

func benchProxy(b *testing.B, clock *testharness.Clock) *testharness.Proxy {
	f := script("request_headers if-header :path", "request_headers if-header x-api-key", "request_headers set 0 x-partner-id acme")
	p, err := testharness.NewProxy(b.Context(), testharness.NewProxyConfig().WithFilters(f).WithWorkers(2).WithClock(clock).
		WithUpstream(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	})
	return p
}
