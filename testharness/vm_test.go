package testharness_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// TestVMsPerThread counts root contexts by what they register: the canary, the
// main thread and each worker run proxy_on_configure.
func TestVMsPerThread(t *testing.T) {
	p := start(t, config(
		script("configure increment n").WithRootID("a"),
		script("configure increment n").WithRootID("b"),
		script("configure increment n").WithRootID("b"), // the same plugin: the same root context
	).WithWorkers(3))
	if v, _ := p.SharedData("test", "n"); string(v) != "10" { // 2 canaries, 2 × (1 + 3)
		t.Errorf("%s configured", v)
	}
}

func TestPluginsShareAVM(t *testing.T) {
	shared := []testharness.Filter{
		script("create trace", "vm_start trace", "configure log a").WithRootID("a"),
		script("create trace", "vm_start trace", "configure log b", "request_headers reply 200 ok - b").WithRootID("b"),
	}
	p := start(t, config(shared...))
	do(t, p, request("GET", "/"))
	wantLogs(t, p, "create", "vm_start", "a", "create", "vm_start", "b", "create", "create")

	// A shared VM fails as a whole; VMs of their own do not.
	for name, test := range map[string]struct {
		second testharness.Filter
		want   int
	}{
		"shared":                   {script("request_headers if-header x-panic", "request_headers panic"), 503},
		"another vm_id":            {script("request_headers if-header x-panic", "request_headers panic").WithVMID("other").WithFailPolicy(testharness.FailOpen), 200},
		"another VM configuration": {script("request_headers if-header x-panic", "request_headers panic").WithVMConfiguration([]byte("x")).WithFailPolicy(testharness.FailOpen), 200},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, config(script("request_headers set 0 a b"), test.second))
			do(t, p, request("GET", "/", "X-Panic", "1"))
			if r := do(t, p, request("GET", "/")); r.StatusCode != test.want {
				t.Error(r.Status)
			}
			if p.Failures() != 1 {
				t.Error(p.Failures(), "failures")
			}
		})
	}
}

// panicking fails its VM on demand.
func panicking(verb string) testharness.Filter {
	return script("request_headers if-header x-panic", "request_headers "+verb, "request_headers log not reached")
}

func TestWaysToFail(t *testing.T) {
	for _, verb := range []string{"panic", "trap", "recurse", "exit"} {
		t.Run(verb, func(t *testing.T) {
			p := start(t, config(panicking(verb)))
			r := do(t, p, request("GET", "/", "X-Panic", "1"))
			if r.StatusCode != 503 || p.CodeDetails(r) != "wasm_fail_stream" || p.Failures() != 1 {
				t.Error(r.Status, p.CodeDetails(r), p.Failures())
			}
			logs := p.Logs()
			if last := logs[len(logs)-1]; last.Level != testharness.LogCritical || !strings.HasPrefix(last.Message, "VM failed: proxy_on_request_headers") {
				t.Error(last)
			}
		})
	}
}

func TestMemoryLimit(t *testing.T) {
	module, err := testharness.CompileFile(t.Context(), guestPath, testharness.WithMemoryLimit(80<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := module.Close(); err != nil {
			t.Error(err)
		}
	})
	hog := testharness.NewFilter(module).WithConfiguration([]byte("request_headers hog"))
	p := start(t, config(hog))
	if r := do(t, p, request("GET", "/")); r.StatusCode != 503 || p.Failures() != 1 {
		t.Error(r.Status, p.Failures())
	}
}

func TestFailClosed(t *testing.T) {
	p := start(t, config(script("response_headers log before"), panicking("panic").WithVMID("b"), script("log log after")))
	if r := do(t, p, request("GET", "/", "X-Panic", "1")); r.StatusCode != 503 {
		t.Error(r.Status)
	}
	for range 2 {
		p.Advance(time.Minute)
		if r := do(t, p, request("GET", "/")); r.StatusCode != 503 || body(t, r) != "" {
			t.Error(r.Status)
		}
	}
	if p.Reloads() != 0 {
		t.Error("reloaded")
	}
}

func TestFailOpen(t *testing.T) {
	p := start(t, config(panicking("panic").WithFailPolicy(testharness.FailOpen)))
	for _, want := range []int{503, 200, 200} {
		if r := do(t, p, request("GET", "/", "X-Panic", "1")); r.StatusCode != want {
			t.Error(r.Status)
		}
	}
}

func TestFailReload(t *testing.T) {
	f := script("request_headers increment seen", "request_headers if-header x-panic", "request_headers panic").WithFailPolicy(testharness.FailReload)
	p := start(t, config(f, f.WithName("second plugin in the same VM")).WithWorkers(2))
	send := func(worker int, header string, want int) {
		t.Helper()
		r, err := p.DoOn(worker, request("GET", "/", header, "1"))
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != want {
			t.Error(r.Status, "want", want)
		}
	}
	send(0, "X-Panic", 503)
	send(0, "X-None", 503) // less than a second after it was loaded
	send(1, "X-None", 200) // another thread, another VM
	p.Advance(999 * time.Millisecond)
	send(0, "X-None", 503)
	p.Advance(time.Millisecond)
	send(0, "X-None", 200)
	if p.Failures() != 1 || p.Reloads() != 2 { // one VM, two plugins
		t.Error(p.Failures(), p.Reloads())
	}
	send(0, "X-Panic", 503)
	p.Advance(time.Hour)
	send(0, "X-None", 200) // loaded long ago: at once
	if v, _ := p.SharedData("test", "seen"); string(v) != "8" {
		t.Errorf("shared data did not outlive the VM: %s", v)
	}
}

// TestFailureElsewhere fails a VM outside of the stream that waits in it.
func TestFailureElsewhere(t *testing.T) {
	p := start(t, config(script("configure tick 1000", "request_headers wait", "request_headers return 1", "tick effective", "tick panic")))
	e, err := p.Begin(request("GET", "/"))
	if err != nil {
		t.Fatal(err)
	}
	p.Advance(time.Second)
	if _, err := e.Wait(t.Context()); err == nil {
		t.Error("a paused stream went on without its VM")
	}
	if r := do(t, p, request("GET", "/")); r.StatusCode != 503 {
		t.Error(r.Status)
	}
}

func TestStartIsRefused(t *testing.T) {
	for line, want := range map[string]string{
		"vm_start return 1":  `plugin "p" (root id "r"): proxy_on_vm_start refused`,
		"configure return 1": `plugin "p" (root id "r"): proxy_on_configure refused`,
		"configure panic":    "the VM failed",
	} {
		p, err := testharness.NewProxy(t.Context(), config(script(line).WithName("p").WithRootID("r")))
		if err == nil {
			t.Error(line, "was accepted", p.Close())
		} else if !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	for name, c := range map[string]testharness.ProxyConfig{
		"worker":  config().WithWorkers(0),
		"module":  config(testharness.NewFilter(nil)),
		"handler": config().WithCluster("c", nil),
	} {
		if _, err := testharness.NewProxy(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Error(err)
		}
	}
	p := start(t, config())
	if _, err := p.DoOn(1, request("GET", "/")); err == nil || !strings.Contains(err.Error(), "there is no worker 1") {
		t.Error(err)
	}
}

func TestShutdownCallbacks(t *testing.T) {
	p, err := testharness.NewProxy(t.Context(), config(
		script("done log a", "delete log a deleted").WithVMID("a"),
		script("done log b", "done return 1", "delete log b deleted").WithVMID("b"),
	))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	logs := map[string]int{}
	for _, m := range messages(p) {
		logs[m]++
	}
	if got := fmt.Sprint(logs); got != "map[a:1 a deleted:1 b:1]" {
		t.Error(got)
	}
	if err := p.Close(); err != nil {
		t.Error("closed twice:", err)
	}
	if _, err := p.Do(request("GET", "/")); !errors.Is(err, testharness.ErrProxyClosed) {
		t.Error(err)
	}
}

func TestCloseEndsStreams(t *testing.T) {
	p := start(t, config(script("request_headers return 1", "log log logged")))
	e, err := p.Begin(request("GET", "/"))
	if err != nil {
		t.Fatal(err)
	}
	p.Settle()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := e.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Error(err)
	}
	wantLogs(t, p, "logged")
}
