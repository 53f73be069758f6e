package testharness_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/partnergate/partnergate/testharness"
)

// guest is the scriptable filter of testdata/guest, built and compiled once.
var (
	guest     *testharness.Module
	guestPath string
	// filterPath is the name that docs/harness.md uses.
	filterPath string
)

func TestMain(m *testing.M) {
	if err := run(m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(m *testing.M) error {
	dir, err := os.MkdirTemp("", "testharness")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	guestPath = filepath.Join(dir, "guest.wasm")
	filterPath = guestPath
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", guestPath, "./testdata/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the guest: %w\n%s", err, out)
	}
	if guest, err = testharness.CompileFile(context.Background(), guestPath); err != nil {
		return err
	}
	code := m.Run()
	if err := guest.Close(); err != nil {
		return err
	}
	if err := goleak.Find(); err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("tests failed")
	}
	return nil
}

// script is a filter that obeys lines; see testdata/guest.
func script(lines ...string) testharness.Filter {
	return testharness.NewFilter(guest).WithVMID("test").WithConfiguration([]byte(strings.Join(lines, "\n")))
}

// echo answers with what it got.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Path", r.RequestURI)
	for name, values := range r.Header {
		for _, v := range values {
			w.Header().Add("Got-"+name, v)
		}
	}
	_, _ = fmt.Fprintf(w, "%s %s%s", r.Method, r.Host, r.RequestURI)
})

// config is a proxy with filters in front of echo.
func config(filters ...testharness.Filter) testharness.ProxyConfig {
	return testharness.NewProxyConfig().WithFilters(filters...).WithUpstream(echo)
}

func start(t *testing.T, c testharness.ProxyConfig) *testharness.Proxy {
	t.Helper()
	proxy, err := testharness.NewProxy(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return proxy
}

func request(method, target string, header ...string) *http.Request {
	r, err := http.NewRequest(method, "http://api.example.test", nil)
	if err != nil {
		panic(err)
	}
	r.RequestURI = target
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func do(t *testing.T, p *testharness.Proxy, r *http.Request) *http.Response {
	t.Helper()
	response, err := p.Do(r)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(messages(p), "\n"))
	}
	return response
}

// messages are what was logged since the proxy started, without the canary's
// and the main thread's own.
func messages(p *testharness.Proxy) []string {
	var all []string
	for _, e := range p.Logs() {
		if e.Worker >= 0 {
			all = append(all, e.Message)
		}
	}
	return all
}

func wantLogs(t *testing.T, p *testharness.Proxy, want ...string) {
	t.Helper()
	if got := messages(p); !slices.Equal(got, want) {
		t.Errorf("logged:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
