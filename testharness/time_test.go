package testharness_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

func TestTicks(t *testing.T) {
	p := start(t, config(
		script("configure tick 1000", "tick log a").WithRootID("a"),
		script("configure tick 400", "tick log b").WithRootID("b"),
		script("configure tick 700", "configure tick 0", "tick log never").WithRootID("c"),
	))
	p.Advance(399 * time.Millisecond)
	wantLogs(t, p)
	p.Advance(1601 * time.Millisecond) // 400 800 1000 1200 1600 2000 2000: of two at once, the timer set earlier
	wantLogs(t, p, "b", "b", "a", "b", "b", "a", "b")
}

// TestTicksGoOnMainThreadToo sees main thread and workers tick, in their order.
func TestTicksGoOnMainThreadToo(t *testing.T) {
	p := start(t, config(script("configure tick 1000", "tick trace")).WithWorkers(2))
	p.Advance(2 * time.Second)
	var workers []int
	for _, e := range p.Logs() {
		workers = append(workers, e.Worker)
	}
	if got := fmt.Sprint(workers); got != "[-1 0 1 -1 0 1]" {
		t.Error(got)
	}
}

func TestTickPeriodChanges(t *testing.T) {
	p := start(t, config(script("configure tick 1000", "tick log tick", "tick tick 5000")))
	p.Advance(7 * time.Second) // 1 6
	wantLogs(t, p, "tick", "tick")
}

// calling makes a call for each request and goes on when the answer comes.
func calling(timeout int) testharness.Filter {
	return script(
		fmt.Sprintf("request_headers call cluster /x %d body", timeout), "request_headers return 1",
		"call_response get 6 :status", "call_response buffer 4 0 99", "call_response get 7 x-sum", "call_response continue 0",
	)
}

func TestHTTPCall(t *testing.T) {
	p := start(t, config(calling(1000)).WithCluster("cluster", mirror).WithWorkers(2))
	for range 3 {
		if r := do(t, p, request("GET", "/")); r.StatusCode != 200 {
			t.Error(r.Status)
		}
	}
	one := []string{"headers=3 body=4 trailers=0", "call_response get 6 :status = 200", "call_response buffer 4 0 99 = body", "call_response get 7 x-sum ! bad argument"}
	var want []string
	for _, token := range []string{"4", "4", "8"} { // tokens are counted in each VM
		want = append(want, "request_headers call cluster /x 1000 body = "+token, "call_response token="+token+" "+one[0])
		want = append(want, one[1:]...)
	}
	wantLogs(t, p, want...)
}

func TestHTTPCallTrailers(t *testing.T) {
	p := start(t, config(calling(1000)).WithCluster("cluster", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = w.Write([]byte("answer"))
		w.Header().Set("X-Sum", "42")
	})))
	do(t, p, request("GET", "/"))
	wantLogs(t, p, "request_headers call cluster /x 1000 body = 4", "call_response token=4 headers=2 body=6 trailers=1",
		"call_response get 6 :status = 200", "call_response buffer 4 0 99 = answer", "call_response get 7 x-sum = 42")
}

// waiting is a cluster that answers when it is let go.
type waiting struct {
	begun, ended atomic.Int32
	release      chan struct{}
}

func (w *waiting) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.begun.Add(1)
	defer w.ended.Add(1)
	select {
	case <-w.release:
		_, _ = rw.Write([]byte("released"))
	case <-r.Context().Done():
	}
}

func isLongPoll(r *http.Request) bool { return r.URL.Path == "/x" }

func TestHTTPCallTimesOut(t *testing.T) {
	cluster := &waiting{release: make(chan struct{})}
	p := start(t, config(calling(250)).WithCluster("cluster", cluster).WithLongPolls(isLongPoll))
	e, err := p.Begin(request("GET", "/"))
	if err != nil {
		t.Fatal(err)
	}
	p.Advance(249 * time.Millisecond)
	select {
	case <-e.Done():
		t.Error("done too early")
	default:
	}
	p.Advance(time.Millisecond)
	if r, err := e.Wait(t.Context()); err != nil || r.StatusCode != 200 {
		t.Error(r, err)
	}
	wantLogs(t, p, "request_headers call cluster /x 250 body = 4", "call_response token=4 headers=3 body=24 trailers=0",
		"call_response get 6 :status = 504", "call_response buffer 4 0 99 = upstream request timeout", "call_response get 7 x-sum ! bad argument")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if cluster.begun.Load() != 1 || cluster.ended.Load() != 1 {
		t.Error("the handler was not told that nobody waits for it")
	}
}

// TestLongPoll has the main thread poll while a worker serves, with time
// passing and not.
func TestLongPoll(t *testing.T) {
	cluster := &waiting{release: make(chan struct{})}
	p := start(t, config(script(
		"configure tick 1000", "tick call cluster /x 30000", "tick tick 0",
		"call_response buffer 4 0 99", "call_response share answer 0 came",
	)).WithCluster("cluster", cluster).WithLongPolls(isLongPoll))
	p.Advance(10 * time.Second)
	if r := do(t, p, request("GET", "/")); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	if _, ok := p.SharedData("test", "answer"); ok {
		t.Error("answered already")
	}
	close(cluster.release)
	if err := p.Await(t.Context(), func() bool { _, ok := p.SharedData("test", "answer"); return ok }); err != nil {
		t.Error(err)
	}
	if p.Clock().Now() != testharness.DefaultStart.Add(10*time.Second) {
		t.Error("waiting let time pass")
	}
}

// TestForgottenLongPoll does not declare the long poll: the clock loses its
// patience instead of hanging.
func TestForgottenLongPoll(t *testing.T) {
	cluster := &waiting{release: make(chan struct{})}
	p := start(t, config(script("configure tick 1000", "tick call cluster /x 5000", "tick tick 0", "call_response get 6 :status")).WithCluster("cluster", cluster))
	p.Clock().SetPatience(20 * time.Millisecond)
	p.Advance(6 * time.Second)
	if got := strings.Join(messages(p), "\n"); !strings.Contains(got, "call_response get 6 :status = 504") {
		t.Error(got)
	}
}

func TestClustersThatFail(t *testing.T) {
	p := start(t, config(append([]testharness.Filter{calling(1000)}, script("request_headers log passed"))...).
		WithCluster("cluster", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })))
	do(t, p, request("GET", "/"))
	if got := strings.Join(messages(p), "\n"); !strings.Contains(got, "call_response get 6 :status = 503") || !strings.Contains(got, "passed") {
		t.Error(got)
	}
	f := script("request_headers call cluster /x 0", "request_headers return 1", "call_response status", "call_response get 6 :status", "call_response pairs 6", "call_response continue 0")
	p = start(t, config(f).WithCluster("cluster", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 4096))
		panic(http.ErrAbortHandler)
	})))
	do(t, p, request("GET", "/"))
	wantLogs(t, p, "request_headers call cluster /x 0 = 4", "call_response token=4 headers=0 body=0 trailers=0",
		"call_response status = 11 reset", "call_response get 6 :status ! bad argument", "call_response pairs 6 = ")
}

// TestCanaryCallsNobody: a call from proxy_on_configure reaches the cluster
// from the main thread and the worker, not from the VM that was thrown away.
func TestCanaryCallsNobody(t *testing.T) {
	var calls atomic.Int32
	p := start(t, config(script("configure call cluster /x 1000")).WithCluster("cluster", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) })))
	p.Settle()
	if calls.Load() != 2 {
		t.Error(calls.Load(), "calls")
	}
}

func TestProxiesShareAClock(t *testing.T) {
	clock := testharness.NewVirtualClock(time.Unix(1000, 0))
	f := script("configure tick 1000", "tick time", "tick increment n")
	a, b := start(t, config(f).WithClock(clock)), start(t, config(f).WithClock(clock))
	clock.Advance(3 * time.Second)
	for _, p := range []*testharness.Proxy{a, b} {
		if v, _ := p.SharedData("test", "n"); string(v) != "6" { // main thread and worker
			t.Errorf("%s ticks", v)
		}
		if got := messages(p)[2]; !strings.HasPrefix(got, "tick time = 1003000000000 ") {
			t.Error(got)
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	clock.Advance(time.Second)
	if v, _ := b.SharedData("test", "n"); string(v) != "8" {
		t.Errorf("%s ticks after the other was closed", v)
	}
}

// TestQueueWakesAPausedStream is how a worker's stream waits for something that
// another thread finds out.
func TestQueueWakesAPausedStream(t *testing.T) {
	p := start(t, config(script(
		"configure queue wake", "configure tick 1000", "tick enqueue - wake go on",
		"request_headers wait", "request_headers return 1",
		"queue_ready dequeue", "queue_ready dequeue", "queue_ready effective", "queue_ready continue 0",
	)))
	e, err := p.Begin(request("GET", "/"))
	if err != nil {
		t.Fatal(err)
	}
	p.Advance(time.Second)
	if r, err := e.Wait(t.Context()); err != nil || r.StatusCode != 200 {
		t.Error(r, err)
	}
	// The worker registered last, so it is the one that is woken, by both ticks.
	wantLogs(t, p, "configure queue wake = 1", "queue_ready dequeue = go on", "queue_ready dequeue ! empty",
		"tick enqueue - wake go on = 1", "queue_ready dequeue = go on", "queue_ready dequeue ! empty")
}

func TestQueuesOfAnotherVM(t *testing.T) {
	p := start(t, config(
		script("configure queue q", "queue_ready dequeue").WithVMID("owner"),
		script("request_headers enqueue owner q hello", "request_headers enqueue - q x", "request_headers enqueue nobody q x", "request_headers reply 200 ok - "),
	))
	do(t, p, request("GET", "/"))
	p.Settle()
	wantLogs(t, p, "configure queue q = 1", "request_headers enqueue owner q hello = 1", "request_headers enqueue - q x ! not found", "request_headers enqueue nobody q x ! not found", "queue_ready dequeue = hello")
}
