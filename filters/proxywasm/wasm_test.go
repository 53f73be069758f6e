//go:build !wasip1

package proxywasm_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// exchanges is what the toy filter does for one request, in whatever host.
var exchanges = []struct {
	path   string
	status int
	header http.Header // of the response; a missing one has no values
	body   string
}{
	{path: "/untouched", status: 200, header: http.Header{"X-Toy": {"seen"}, "X-Saw-Partner": {"evil"}}, body: "up"},
	{path: "/work", status: 200, body: "up", header: http.Header{
		"X-Toy": {"seen"}, "X-Saw-Decision": {"admitted"}, "X-Saw-Keys": {"many"}, "X-Saw-Partner": nil}},
	{path: "/reply", status: 403, header: http.Header{"X-B": {"1", "2"}, "Content-Type": {"text/plain"}}, body: "refused"},
	{path: "/panic", status: 500},
	{path: "/panic-response", status: 500},
	{path: "/call", status: 200, header: http.Header{"X-Saw-Call": {"200 up"}}, body: "up"},
	{path: "/call-panic", status: 500},
	{path: "/queue", status: 200, header: http.Header{"X-Saw-Queue": {"resumed"}}, body: "up"},
	{path: "/trailers", status: 200, header: http.Header{"X-Saw-Trailers": {"X-Other"}}, body: "up"},
	{path: "/large", status: 200, body: "614400 14"},
	{path: "/large-gc", status: 200, body: "614400 14"},
	{path: "/work", status: 200, header: http.Header{"X-Saw-Decision": {"admitted"}}, body: "up"},
}

// panicsIn is how many panics all exchanges cause.
const panicsIn = 3

// upstream answers what it saw of the headers that the toy sets.
func upstream(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"Decision", "Keys", "Queue", "Call"} {
		if value := r.Header.Get("X-Toy-" + name); value != "" {
			w.Header().Set("X-Saw-"+name, value)
		}
	}
	if partner := r.Header.Get("X-Partner-Id"); partner != "" {
		w.Header().Set("X-Saw-Partner", partner)
	}
	if r.URL.Path == "/panic-response" {
		w.Header().Set("X-Panic", "1")
	}
	_, _ = io.Copy(io.Discard, r.Body) // trailers come behind the body
	for name, values := range r.Trailer {
		if len(values) > 0 { // else it was announced, but did not come
			w.Header().Add("X-Saw-Trailers", name)
		}
	}
	_, _ = io.WriteString(w, "up") // a client that went away is its own business
}

// toyRequest has what the toy looks at: a key twice, and a header that only a filter may set; in a
// path of its own as a trailer, too.
func toyRequest(base, path string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, base+path, nil)
	if err != nil {
		panic(err)
	}
	r.Header["X-Api-Key"] = []string{"a", "b"}
	r.Header.Set("X-Partner-Id", "evil")
	if path == "/trailers" {
		r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader("body"))
		r.Trailer = http.Header{"X-Partner-Id": {"evil"}, "X-Other": {"1"}}
	}
	return r
}

// checkExchanges runs all exchanges with what sends a request of a path.
func checkExchanges(t *testing.T, send func(path string) (*http.Response, error)) {
	t.Helper()
	for _, want := range exchanges {
		response, err := send(want.path)
		if err != nil {
			t.Fatalf("%s: %v", want.path, err)
		}
		body := readAll(t, response)
		if response.StatusCode != want.status || body != want.body {
			t.Errorf("%s: status %d, body %q; want %d, %q", want.path, response.StatusCode, body, want.status, want.body)
		}
		for name, values := range want.header {
			if got := response.Header[name]; !slices.Equal(got, values) {
				t.Errorf("%s: header %s is %q, want %q", want.path, name, got, values)
			}
		}
	}
}

func TestToyInTheHarness(t *testing.T) {
	proxy := newToyProxy(t, "hello")
	checkExchanges(t, func(path string) (*http.Response, error) { return proxy.Do(toyRequest("http://toy.test", path)) })
	proxy.Advance(time.Second)
	state := toyState(t, proxy)
	if state["root"] != "toy-root" || state["configuration"] != "hello" || state["env"] != "story" ||
		state["calls"] != "1" || state["panics"] != strconv.Itoa(panicsIn) || number(t, state["ticks"]) < 10 {
		t.Errorf("state %v", state)
	}
	if proxy.Failures() != 0 || proxy.Reloads() != 0 {
		t.Errorf("%d VMs failed, %d were reloaded", proxy.Failures(), proxy.Reloads())
	}
	if count, _ := proxy.Metric("toy_requests"); count != 2 {
		t.Errorf("counted %d requests", count)
	}
	checkLog(t, proxy.Logs())
}

// checkLog finds what the toy logs when something is not as it should be.
func checkLog(t *testing.T, entries []testharness.LogEntry) {
	t.Helper()
	for _, entry := range entries {
		if strings.Contains(entry.Message, "toy: ") {
			t.Errorf("logged: %s", entry.Message)
		}
	}
}

func TestToyAllocatesNothingForARequest(t *testing.T) {
	proxy := newToyProxy(t, "hello")
	mallocs := func() int { return number(t, toyState(t, proxy)["mallocs"]) }
	work := func(n int) {
		for range n {
			response, err := proxy.Do(toyRequest("http://toy.test", "/work"))
			if err != nil || readAll(t, response) != "up" {
				t.Fatalf("response %v, error %v", response, err)
			}
		}
	}
	work(50) // pools and tables grow to their size
	mallocs()
	first, second := mallocs(), mallocs()
	work(1000)
	if third := mallocs(); third-second != second-first {
		t.Errorf("1000 requests made %d allocations", third-second-(second-first))
	}
}

func TestConfiguringAlwaysSucceeds(t *testing.T) {
	for _, configuration := range []string{"refuse", "panic"} {
		proxy := newToyProxy(t, configuration) // fails if the guest refuses
		response, err := proxy.Do(toyRequest("http://toy.test", "/untouched"))
		if err != nil || response.StatusCode != 200 {
			t.Errorf("%s: response %v, error %v", configuration, response, err)
		}
	}
}

// newToyProxy starts a proxy of one worker with the toy as its filter.
func newToyProxy(t *testing.T, configuration string) *testharness.Proxy {
	t.Helper()
	proxy, err := testharness.NewProxy(t.Context(), testharness.NewProxyConfig().
		WithFilters(testharness.NewFilter(toyModule(t)).WithRootID("toy-root").WithVMID("toy").
			WithEnv("TOY", "story").WithConfiguration([]byte(configuration))).
		WithUpstream(http.HandlerFunc(upstream)).
		WithCluster("upstream", http.HandlerFunc(upstream)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return proxy
}

func toyState(t *testing.T, proxy *testharness.Proxy) map[string]string {
	t.Helper()
	response, err := proxy.Do(toyRequest("http://toy.test", "/state"))
	if err != nil {
		t.Fatal(err)
	}
	return parseState(readAll(t, response))
}

// parseState reads the toy's answer to /state: NAME=VALUE, separated by spaces.
func parseState(text string) map[string]string {
	state := map[string]string{}
	for _, field := range strings.Fields(text) {
		name, value, _ := strings.Cut(field, "=")
		state[name] = value
	}
	return state
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readAll(t *testing.T, response *http.Response) string {
	t.Helper()
	defer func() { _ = response.Body.Close() }() // it has been read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// toyFile builds the toy, once for all tests of a run; its folder is removed by TestMain.
var toyFile = sync.OnceValues(func() (string, error) {
	file := filepath.Join(toyFolder, "toy.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, "./testdata/toy")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the toy filter: %w\n%s", err, output)
	}
	return file, nil
})

var compiledToy = sync.OnceValues(func() (*testharness.Module, error) {
	file, err := toyFile()
	if err != nil {
		return nil, err
	}
	return testharness.CompileFile(context.Background(), file)
})

func toyModule(t *testing.T) *testharness.Module {
	t.Helper()
	module, err := compiledToy()
	if err != nil {
		t.Fatal(err)
	}
	return module
}

var toyFolder string

func TestMain(m *testing.M) {
	os.Exit(inFolder(m))
}

func inFolder(m *testing.M) int {
	var err error
	if toyFolder, err = os.MkdirTemp("", "toy-filter-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(toyFolder) }() // a temporary folder
	return m.Run()
}
