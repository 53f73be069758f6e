package edge_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// patience bounds what a test waits for in real time; nothing is asserted on how long it took.
const patience = 2 * time.Minute

const edgeToken = "edge-token-of-at-least-32-characters"

const configuration = `{"manager": {"cluster": "partnergate", "token": "` + edgeToken + `"}}`

var modules = map[string]*testharness.Module{}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run compiles the modules that `make wasm` built, once for all tests.
func run(m *testing.M) (code int, err error) {
	cache := filepath.Join(os.TempDir(), "partnergate-wazero")
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	paths := map[string]string{"odd": filepath.Join(dir, "odd.wasm")}
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", paths["odd"], "./testdata/odd")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build testdata/odd: %w\n%s", err, out)
	}
	for _, name := range []string{"partnergate", "partner-resolution", "catalog-gate", "quota"} {
		paths[name] = filepath.Join("..", "..", "build", name+".wasm")
	}
	for name, path := range paths {
		module, err := testharness.CompileFile(context.Background(), path, testharness.WithCacheDir(cache))
		if err != nil {
			return 1, fmt.Errorf("%w\nbuild the filters first: make wasm", err)
		}
		defer func() { _ = module.Close() }()
		modules[name] = module
	}
	return m.Run(), nil
}

// filter is a filter of the module partnergate by its root id.
func filter(rootID, configuration string) testharness.Filter {
	return filterOf("partnergate", rootID, configuration)
}

func filterOf(module, rootID, configuration string) testharness.Filter {
	return testharness.NewFilter(modules[module]).WithName(rootID).WithRootID(rootID).WithVMID("partnergate").
		WithConfiguration([]byte(configuration)).WithFailPolicy(testharness.FailReload)
}

// ways are the ways to run the filters with a configuration.
func ways(configuration string) map[string][]testharness.Filter {
	return map[string][]testharness.Filter{
		"combined": combined(configuration), "chain": chain(configuration), "single": single(configuration),
	}
}

// combined runs all three filters in one context.
func combined(configuration string) []testharness.Filter {
	return []testharness.Filter{filter("partnergate", configuration)}
}

// chain runs each filter in its own context of one VM.
func chain(configuration string) []testharness.Filter {
	return []testharness.Filter{
		filter("partner-resolution", configuration), filter("catalog-gate", configuration), filter("quota", configuration),
	}
}

// single runs each filter as a module, and so a VM, of its own.
func single(configuration string) []testharness.Filter {
	return []testharness.Filter{
		filterOf("partner-resolution", "partner-resolution", configuration), filterOf("catalog-gate", "catalog-gate", configuration),
		filterOf("quota", "quota", configuration),
	}
}

// upstream answers 200 with what it got.
var upstream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	for name, values := range r.Header {
		w.Header()["Got-"+name] = values
	}
	w.Header().Set("Got-Path", r.RequestURI)
	_, _ = io.WriteString(w, "paid")
})

// proxyWith is a proxy of workers with filters in front of upstream.
func proxyWith(workers int, manager http.Handler, filters ...testharness.Filter) testharness.ProxyConfig {
	return testharness.NewProxyConfig().WithWorkers(workers).WithFilters(filters...).WithUpstream(upstream).
		WithCluster("partnergate", manager).WithLongPolls(isWatch)
}

// start makes a proxy. Its time waits for whatever answers a call, however slow
// the machine is, but for what the configuration says is a long poll.
func start(t *testing.T, c testharness.ProxyConfig) *testharness.Proxy {
	t.Helper()
	proxy, err := testharness.NewProxy(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	proxy.Clock().SetPatience(patience)
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error("close:", err)
		}
		if t.Failed() {
			for _, entry := range proxy.Logs() {
				t.Log(entry)
			}
		}
	})
	return proxy
}

// ready waits until every VM of the proxy decides by a policy of at least a
// version. The answer to a watch comes in real time, everything else in the
// proxy's.
func ready(t *testing.T, p *testharness.Proxy, version uint64) {
	t.Helper()
	p.Advance(200 * time.Millisecond)
	eventually(t, p, func() bool {
		v, ok := p.Metric("partnergate_policy_version")
		return ok && v >= version
	})
	p.Advance(200 * time.Millisecond)
}

// await waits in real time, while none passes for the proxy.
func await(t *testing.T, p *testharness.Proxy, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Await(ctx, condition); err != nil {
		for _, entry := range p.Logs() {
			t.Log(entry)
		}
		t.Fatal(err)
	}
}

// eventually lets the proxy's time pass until a condition holds, with pauses in
// real time for answers to watches, which no virtual clock waits for.
func eventually(t *testing.T, p *testharness.Proxy, condition func() bool) {
	t.Helper()
	for range 400 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := p.Await(ctx, condition)
		cancel()
		if err == nil {
			return
		}
		p.Advance(250 * time.Millisecond)
	}
	t.Fatal("it did not happen in 100 s of the proxy's time")
}

// takes lets the proxy's time pass until a condition holds that no long poll
// has a part in, and returns how much passed; false where the limit did.
func takes(p *testharness.Proxy, limit time.Duration, condition func() bool) (time.Duration, bool) {
	began := p.Clock().Now()
	for !condition() {
		if p.Clock().Now().Sub(began) >= limit {
			return limit, false
		}
		p.Advance(100 * time.Millisecond)
	}
	return p.Clock().Now().Sub(began), true
}

// request is one of a partner; headers follow as names and values.
func request(method, host, target string, headers ...string) *http.Request {
	r := &http.Request{Method: method, Host: host, RequestURI: target, Header: http.Header{}, URL: &url.URL{Scheme: "http", Host: host, Path: "/"}}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header[http.CanonicalHeaderKey(headers[i])] = append(r.Header[http.CanonicalHeaderKey(headers[i])], headers[i+1])
	}
	return r
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func do(t *testing.T, p *testharness.Proxy, r *http.Request) answer {
	t.Helper()
	response, err := p.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func read(t *testing.T, response *http.Response) answer {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response, string(body)}
}

// code is the code in a problem's body; empty where there is none.
func (a answer) code() string {
	_, rest, _ := strings.Cut(a.body, `"code":"`)
	code, _, _ := strings.Cut(rest, `"`)
	return code
}
