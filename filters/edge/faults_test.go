//go:build !wasip1

package edge_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/testharness"
)

// buildFaulty builds the module partnergate with faults in it, which no other
// build has, and returns its path.
func buildFaulty(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "faulty.wasm")
	build := exec.Command("go", "build", "-tags", "faultinjection", "-buildmode=c-shared", "-o", path, "../modules/partnergate")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the module with faults: %v\n%s", err, out)
	}
	return path
}

// fault is a panic in one callback, and what becomes of the request that names it.
type fault struct {
	callback string
	want     corpus.Verdict
	upstream bool // the request may have come there
}

// failed is the answer to a request that a filter could not deal with.
var failed = corpus.Verdict{Status: 500, Code: "filter_error"}

// faults are those of a request's own callbacks.
var faults = []fault{
	{"proxy_on_request_headers", failed, false},
	{"proxy_on_request_trailers", failed, true},
	{"proxy_on_response_headers", failed, true},
	{"proxy_on_log", servedVerdict, true},
	{"proxy_on_delete", servedVerdict, true},
}

// between are those of callbacks that run between requests.
var between = []string{"proxy_on_tick@", "proxy_on_queue_ready@", "proxy_on_http_call_response@*"}

var roots = map[string][]string{"combined": {"partnergate"}, "chain": {"partner-resolution", "catalog-gate", "quota"}}

// faultyRun is the module with faults in the harness, with one slot for the
// partner's requests, so that a slot that is not given back shows at once.
type faultyRun struct {
	*realManager
	p       *testharness.Proxy
	reached int
}

func startFaulty(t *testing.T, module *testharness.Module, way string, env ...string) *faultyRun {
	t.Helper()
	r := &faultyRun{realManager: newManager(t, "[{name: in-flight, concurrency: {requests: 1}}]")}
	var filters []testharness.Filter
	for _, root := range roots[way] {
		f := testharness.NewFilter(module).WithName(root).WithRootID(root).WithVMID("partnergate").
			WithConfiguration([]byte(configuration)).WithFailPolicy(testharness.FailReload)
		for i := 0; i+1 < len(env); i += 2 {
			f = f.WithEnv(env[i], env[i+1])
		}
		filters = append(filters, f)
	}
	counting := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.reached++
		if _, err := io.Copy(io.Discard, q.Body); err == nil { // else the answer would be out before the trailers are in
			upstream(w, q)
		}
	})
	r.p = start(t, proxyWith(1, r.realManager, filters...).WithClock(r.clock).WithUpstream(counting))
	return r
}

func (r *faultyRun) send(t *testing.T, fault string) answer {
	t.Helper()
	q := r.request("acme")
	if fault != "" {
		q.Header["X-Fault"] = []string{fault}
		q.Trailer = http.Header{"X-Trailer": {"1"}}
		q.Body = io.NopCloser(strings.NewReader("a body"))
	}
	return patient(t, r.p, 0, q)
}

func (r *faultyRun) check(t *testing.T, what, fault string, want corpus.Verdict) {
	t.Helper()
	if got := r.send(t, fault); got.StatusCode != want.Status || got.code() != want.Code {
		t.Errorf("%s: %d %q, want %d %q\n%s", what, got.StatusCode, got.code(), want.Status, want.Code, got.body)
	}
}

// panics counts the panics in the proxy's log.
func (r *faultyRun) panics() (n int) {
	for _, entry := range r.p.Logs() {
		n += strings.Count(entry.Message, "panicked: injected")
	}
	return n
}

func (r *faultyRun) wantAlive(t *testing.T) {
	t.Helper()
	if r.p.Failures() != 0 || r.p.Reloads() != 0 {
		t.Errorf("%d VMs failed, %d were reloaded", r.p.Failures(), r.p.Reloads())
	}
}

// TestPanicInEveryCallback panics before and after the work of each callback of
// each filter. Whatever happens, no request gets past the filters, the next one
// is served, and the VM lives.
func TestPanicInEveryCallback(t *testing.T) {
	module, err := testharness.CompileFile(t.Context(), buildFaulty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = module.Close() }()
	for way := range roots {
		t.Run(way, func(t *testing.T) {
			r := startFaulty(t, module, way)
			ready(t, r.p, uint64(r.PolicyVersion()))
			r.check(t, "no fault", "", servedVerdict)
			for _, root := range roots[way] {
				for _, sign := range []string{"", "-"} {
					for _, f := range faults {
						r.one(t, f, sign+f.callback+"@"+root)
					}
					r.made(t, sign+"proxy_on_context_create@"+root)
				}
			}
			for _, callback := range between {
				if !strings.HasSuffix(callback, "*") {
					callback += roots[way][0] // which drives the others' edge
				}
				for _, sign := range []string{"", "-"} {
					r.between(t, sign+callback)
				}
			}
			r.wantAlive(t)
		})
		t.Run(way+" when configured", func(t *testing.T) { checkConfigure(t, module, way) })
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a filter panics",
		Done:     "a panic before and after the work of each callback of each filter, combined and in a chain",
		Promised: "one request gets 500 `filter_error` and does not pass, or none does; the next is served; the VM lives",
		Seen:     "as promised; 0 VMs failed",
	})
}

// one panics in a callback of a request.
func (r *faultyRun) one(t *testing.T, f fault, fault string) {
	t.Helper()
	panics, reached := r.panics(), r.reached
	r.check(t, fault, fault, f.want)
	if r.panics() != panics+1 {
		t.Errorf("%s: %d panics, want one", fault, r.panics()-panics)
	}
	if r.reached != reached && !f.upstream {
		t.Errorf("%s: the request came to the upstream", fault)
	}
	r.check(t, "the next after "+fault, "", servedVerdict)
}

// made panics when a filter's context for a request is made: of the first filter
// for the next request, since its own was made before the header was read.
func (r *faultyRun) made(t *testing.T, fault string) {
	t.Helper()
	reached, served, refused := r.reached, 0, 0
	for i, name := range []string{fault, "", ""} {
		switch got := r.send(t, name); {
		case got.StatusCode == servedVerdict.Status:
			served++
		case got.StatusCode == failed.Status && got.code() == failed.Code:
			refused++
		default:
			t.Errorf("%s: request %d got %d %s", fault, i, got.StatusCode, got.body)
		}
	}
	if served != 2 || refused != 1 || r.reached != reached+2 {
		t.Errorf("%s: %d served, %d refused, %d came to the upstream; want 2, 1 and 2", fault, served, refused, r.reached-reached)
	}
}

// between panics in a callback between requests: none is refused for it, and
// the next change of the policy still comes.
func (r *faultyRun) between(t *testing.T, fault string) {
	t.Helper()
	panics := r.panics()
	r.check(t, "arming "+fault, fault, servedVerdict)
	eventually(t, r.p, func() bool { return r.panics() > panics })
	r.check(t, "the next after "+fault, "", servedVerdict)
	key, err := r.CreateCredential(t.Context(), admin, "globex", "app", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, r.p, func() bool { return version(r.p) >= uint64(key.PolicyVersion) })
	r.check(t, "after the next policy", "", servedVerdict)
}

// checkConfigure panics while a plugin is configured: it refuses every request.
func checkConfigure(t *testing.T, module *testharness.Module, way string) {
	for _, root := range roots[way] {
		r := startFaulty(t, module, way, "PARTNERGATE_FAULT", "-proxy_on_configure@"+root)
		r.p.Advance(time.Second)
		for range 3 {
			if got := do(t, r.p, request("GET", corpus.SandboxHost, "/v1/pay", "x-api-key", r.keys["acme"])); got.StatusCode == 200 || got.code() == "" {
				t.Errorf("%s is not configured: %d %s", root, got.StatusCode, got.body)
			}
		}
		if r.reached != 0 {
			t.Errorf("%s is not configured, and %d requests came to the upstream", root, r.reached)
		}
		r.wantAlive(t)
	}
}
