// Package testharness runs proxy-wasm filters (ABI 0.2.0 and 0.2.1) in
// process, on wazero, with the semantics of Envoy's host.
//
// A [Module] is a compiled filter binary. A [Filter] is one entry of a filter
// chain: a module with its root id, configuration and fail policy. A [Proxy]
// simulates one proxy process: worker threads and a main thread, each with its
// own VMs; an upstream and clusters, which are plain http.Handlers; shared
// data, shared queues, metrics and logs. Requests go in as *http.Request and
// come back as *http.Response:
//
//	module, err := testharness.CompileFile(ctx, "filter.wasm")
//	proxy, err := testharness.NewProxy(ctx, testharness.NewProxyConfig().
//		WithFilters(testharness.NewFilter(module).WithRootID("my-filter")).
//		WithUpstream(http.HandlerFunc(serve)))
//	defer proxy.Close()
//	response, err := proxy.Do(httptest.NewRequest("GET", "/v1/pay", nil))
//
// Time is virtual unless a [RealClock] is asked for: it stands still until
// [Proxy.Advance] moves it, and everything runs on one goroutine in the order
// in which it became runnable, so a test sees the same thing every time.
//
// With a real clock a Proxy is an http.Handler that serves as a local reverse
// proxy: each worker is an event loop of its own, and neither a paused stream
// nor a waiting upstream holds up the others.
//
// What happens in the guest's sight follows Envoy's sources
// (source/extensions/common/wasm/context.cc, called context.cc below) and
// those of proxy-wasm-cpp-host (src/context.cc, src/exports.cc, src/wasm.cc).
// What is not as in Envoy is listed in docs/harness.md.
package testharness
