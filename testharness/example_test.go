package testharness_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// A filter is compiled once; a proxy runs it between a request and an upstream.
// The filter of these examples obeys the lines of its configuration.
func Example() {
	ctx := context.Background()
	module, err := testharness.CompileFile(ctx, guestPath)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = module.Close() }()

	filter := testharness.NewFilter(module).WithConfiguration([]byte("request_headers set 0 x-partner-id acme"))
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s calls %s", r.Header.Get("X-Partner-Id"), r.RequestURI)
	})
	proxy, err := testharness.NewProxy(ctx, testharness.NewProxyConfig().WithFilters(filter).WithUpstream(upstream))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()

	response, err := proxy.Do(httptest.NewRequest("GET", "/v1//pay?a=%2f", nil))
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(body), err)
	// Output: 200 acme calls /v1//pay?a=%2f <nil>
}

// Time stands still until the test moves it. Here a filter asks a cluster that
// never answers, and goes on when its call has timed out.
func ExampleProxy_Advance() {
	filter := script(
		"request_headers call policy /v1/decide 250", "request_headers return 1",
		"call_response get 6 :status", "call_response continue 0",
	)
	proxy, err := testharness.NewProxy(context.Background(), config(filter).
		WithCluster("policy", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })).
		WithLongPolls(func(r *http.Request) bool { return r.URL.Path == "/v1/decide" }))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()

	exchange, err := proxy.Begin(request("GET", "/v1/pay"))
	if err != nil {
		log.Fatal(err)
	}
	proxy.Advance(250 * time.Millisecond)
	response, err := exchange.Wait(context.Background())
	fmt.Println(response.StatusCode, err)
	for _, entry := range proxy.Logs() {
		fmt.Println(entry.Message)
	}
	// Output:
	// 200 <nil>
	// request_headers call policy /v1/decide 250 = 4
	// call_response token=4 headers=3 body=24 trailers=0
	// call_response get 6 :status = 504
}

// What a filter leaves behind can be read: filter state, metrics, shared data.
func ExampleProxy_FilterState() {
	filter := script("request_headers set-property partner acme", "request_headers count 0 requests 1", "request_headers share seen 0 yes")
	proxy, err := testharness.NewProxy(context.Background(), config(filter))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()

	response, err := proxy.Do(request("GET", "/"))
	if err != nil {
		log.Fatal(err)
	}
	requests, _ := proxy.Metric("requests")
	seen, _ := proxy.SharedData("test", "seen")
	fmt.Println(proxy.FilterState(response)["wasm.partner"], requests, string(seen), proxy.CodeDetails(response))
	// Output: acme 1 yes via_upstream
}

// With the real clock a proxy is an http.Handler: a local reverse proxy.
func ExampleRealClock() {
	proxy, err := testharness.NewProxy(context.Background(), config(script("response_headers add 2 x-filtered yes")).
		WithWorkers(2).WithClock(testharness.RealClock()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	server := httptest.NewServer(proxy)
	defer server.Close()

	response, err := server.Client().Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	fmt.Println(response.Status, response.Header.Get("X-Filtered"))
	// Output: 200 OK yes
}

// A filter that panics fails its VM. What then happens is its fail policy's.
func ExampleFilter_WithFailPolicy() {
	filter := script("request_headers if-header x-panic", "request_headers panic").WithFailPolicy(testharness.FailReload)
	proxy, err := testharness.NewProxy(context.Background(), config(filter))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	send := func(header string) {
		response, err := proxy.Do(request("GET", "/", header, "1"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(response.StatusCode, "reloads:", proxy.Reloads())
	}
	send("X-Panic")
	send("X-None")
	proxy.Advance(time.Second)
	send("X-None")
	// Output:
	// 503 reloads: 0
	// 503 reloads: 0
	// 200 reloads: 1
}
