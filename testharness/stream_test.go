package testharness_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func post(content string) *http.Request {
	r := request("POST", "/upload")
	r.Body = io.NopCloser(strings.NewReader(content))
	r.ContentLength = int64(len(content))
	return r
}

// mirror answers with the request's body and trailers.
var mirror = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(b)
	for name, values := range r.Trailer {
		w.Header()[http.TrailerPrefix+name] = values
	}
})

func TestRequestPassesFiltersAndUpstream(t *testing.T) {
	p := start(t, config(script(
		"* trace",
		"request_headers set 0 x-partner-id acme",
		"response_headers add 2 x-filter yes",
	)))
	response := do(t, p, request("GET", "/v1//pay%2f?a=%zz", "X-Api-Key", "k"))
	if response.StatusCode != 200 || response.Header.Get("X-Filter") != "yes" || response.Header.Get("Got-X-Partner-Id") != "acme" {
		t.Error(response.Status, response.Header)
	}
	if got := response.Header.Get("X-Path"); got != "/v1//pay%2f?a=%zz" {
		t.Error(got)
	}
	if got := body(t, response); got != "GET api.example.test/v1//pay%2f?a=%zz" {
		t.Error(got)
	}
	wantLogs(t, p, "create", "vm_start", "configure", "create",
		"request_headers 1", "response_headers 0", "response_body 0 37", "response_body 1 0", "log", "done", "delete")
}

func TestRequestTargets(t *testing.T) {
	p := start(t, config())
	for target, want := range map[string]string{
		"/a/../b":            "GET api.example.test/a/../b",
		"*":                  "GET api.example.test*",
		"/\xff#x":            "GET api.example.test/\xff#x",
		"http://evil/v1/pay": "GET evil/v1/pay",
		"https://evil?x":     "GET evil/?x",
	} {
		if got := body(t, do(t, p, request("GET", target))); got != want {
			t.Errorf("%q gave %q", target, got)
		}
	}
	plain, _ := http.NewRequest("GET", "http://h/p%20q?x", nil)
	if got := body(t, do(t, p, plain)); got != "GET h/p%20q?x" {
		t.Error(got)
	}
	if _, err := p.Do(request("GET", "/", "X-Bad", "a\r\nb")); err == nil {
		t.Error("a header with a line break went through")
	}
}

func TestRequestIDIsMadeWhenMissing(t *testing.T) {
	p := start(t, config())
	first, second := do(t, p, request("GET", "/")), do(t, p, request("GET", "/"))
	a, b := first.Header.Get("Got-X-Request-Id"), second.Header.Get("Got-X-Request-Id")
	if len(a) != 36 || a == b {
		t.Error(a, b)
	}
}

func TestLocalReplyPassesResponseCallbacks(t *testing.T) {
	p := start(t, config(
		script("request_headers log first", "response_headers log first", "response_headers add 2 x-first yes", "log log first"),
		script("request_headers log second", "request_headers reply 403 no+way x-code=42 denied", "response_headers log second", "log log second"),
		script("* trace", "log property response|code_details"),
	))
	response := do(t, p, request("GET", "/"))
	if response.StatusCode != 403 || body(t, response) != "denied" || response.Header.Get("X-Code") != "42" ||
		response.Header.Get("Content-Type") != "text/plain" || response.Header.Get("X-First") != "yes" {
		t.Error(response.Status, response.Header)
	}
	if got := p.CodeDetails(response); got != "no_way" {
		t.Error(got)
	}
	// The third filter did not see the request: it logs, but sees no response.
	wantLogs(t, p, "create", "vm_start", "configure", "first", "second", "second", "first", "first", "second",
		"create", "log", "log property response|code_details = no_way", "done", "delete")
}

func TestLocalReplyForms(t *testing.T) {
	reply := script("request_headers reply 429 limited content-type=application/json {}")
	p := start(t, config(reply))
	if r := do(t, p, request("GET", "/")); r.StatusCode != 429 || body(t, r) != "{}" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Length") != "2" {
		t.Error(r.Status, r.Header)
	}
	if r := do(t, p, request("HEAD", "/")); r.StatusCode != 429 || body(t, r) != "" {
		t.Error(r.Status, r.Header)
	}
	r := do(t, p, request("POST", "/", "Content-Type", "application/grpc"))
	if r.StatusCode != 200 || body(t, r) != "" || r.Header.Get("Grpc-Status") != "14" || r.Header.Get("Grpc-Message") != "{}" || r.Header.Get("Content-Type") != "application/grpc" {
		t.Error(r.Status, r.Header)
	}
}

func TestLocalReplyInTheResponse(t *testing.T) {
	p := start(t, config(
		script("response_headers log first sees it"),
		script("response_headers reply 502 bad - replaced"),
	))
	response := do(t, p, request("GET", "/"))
	if response.StatusCode != 502 || body(t, response) != "replaced" {
		t.Error(response.Status)
	}
	wantLogs(t, p) // it goes past the other filters
}

func TestLocalReplyAfterHeadersResets(t *testing.T) {
	p := start(t, config(script("response_body reply 502 late - late")))
	if _, err := p.Do(request("GET", "/")); !errors.Is(err, testharness.ErrStreamReset) {
		t.Error(err)
	}
}

func TestCloseStream(t *testing.T) {
	p := start(t, config(script("request_headers close 0", "request_headers return 1", "log property response|code_details")))
	if _, err := p.Do(request("GET", "/")); !errors.Is(err, testharness.ErrStreamReset) || !strings.Contains(err.Error(), "wasm_close_stream") {
		t.Error(err)
	}
	wantLogs(t, p, "log property response|code_details = wasm_close_stream")
}

func TestTrailers(t *testing.T) {
	p := start(t, config(script(
		"request_trailers get 1 x-sum", "request_trailers set 1 x-sum 2",
		"response_trailers get 3 x-sum", "response_trailers add 3 x-more yes", "log get 3 x-sum",
	)).WithUpstream(mirror))
	r := post("abc")
	r.Trailer = http.Header{"X-Sum": {"1"}}
	response := do(t, p, r)
	if body(t, response) != "abc" || response.Trailer.Get("X-Sum") != "2" || response.Trailer.Get("X-More") != "yes" {
		t.Error(response.Trailer)
	}
	wantLogs(t, p, "request_trailers get 1 x-sum = 1", "response_trailers get 3 x-sum = 2", "log get 3 x-sum = 2")
}

func TestTrailersReleaseABufferedBody(t *testing.T) {
	p := start(t, config(script("request_body return 1", "request_trailers buffer 0 0 99")).WithUpstream(mirror))
	r := post("abc")
	r.Trailer = http.Header{"X-Sum": {"1"}}
	if got := body(t, do(t, p, r)); got != "abc" {
		t.Error(got)
	}
}

// TestPausedAtEveryCallback pauses in each callback of both directions until a
// tick and sees that nothing is lost or seen twice.
func TestPausedAtEveryCallback(t *testing.T) {
	// A body that is held back goes on with the trailers, so it comes without.
	for callback, trailer := range map[string]http.Header{
		"request_headers": {"X-Sum": {"1"}}, "request_trailers": {"X-Sum": {"1"}}, "request_body": nil,
		"response_headers": {"X-Sum": {"1"}}, "response_trailers": {"X-Sum": {"1"}}, "response_body": nil,
	} {
		t.Run(callback, func(t *testing.T) {
			t.Parallel()
			p := start(t, config(
				script("configure tick 1000", "request_headers wait", callback+" return 1", "tick effective", "tick continue 0", "tick effective", "tick continue 1"),
				script("* trace").WithVMID("b"),
			).WithUpstream(mirror))
			r := post("abc")
			r.Trailer = trailer
			e, err := p.Begin(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Wait(t.Context()); !errors.Is(err, testharness.ErrPaused) {
				t.Fatal("not paused:", err)
			}
			p.Advance(5 * time.Second)
			response, err := e.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if body(t, response) != "abc" || response.Trailer.Get("X-Sum") != trailer.Get("X-Sum") {
				t.Error(response.Trailer)
			}
			want := []string{"create", "vm_start", "configure", "create", "request_headers 0", "request_body 0 3", "request_trailers",
				"response_headers 0", "response_body 0 3", "response_trailers", "log", "done", "delete"}
			switch callback {
			case "request_body": // the end came meanwhile
				want[5], want[6] = "request_body 1 3", "response_headers 0"
				want = append(want[:7], "response_body 0 3", "response_body 1 0", "log", "done", "delete")
			case "response_body":
				want[6], want[9] = "request_body 1 0", "response_body 1 0" // it saw the response first
			}
			wantLogs(t, p, want...)
		})
	}
}

func TestContinueTakesTheRequestAway(t *testing.T) {
	p := start(t, config(script(
		"request_headers call cluster /x 1000", "request_headers return 1",
		"call_response get 0 :method", "call_response continue 0", "call_response get 0 :method",
	)).WithCluster("cluster", echo))
	do(t, p, request("GET", "/"))
	wantLogs(t, p, "request_headers call cluster /x 1000 = 4", "call_response token=4 headers=4 body=14 trailers=0",
		"call_response get 0 :method = GET", "call_response get 0 :method ! bad argument")
}

func TestDoOnAPausedStreamFails(t *testing.T) {
	p := start(t, config(script("request_headers return 1", "log log gone")))
	if _, err := p.Do(request("GET", "/stuck")); !errors.Is(err, testharness.ErrPaused) || !strings.Contains(err.Error(), "Advance") {
		t.Error(err)
	}
	p.Settle()
	wantLogs(t, p, "gone")
}

func TestDoGivesUpWithItsContext(t *testing.T) {
	p := start(t, config().WithUpstream(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })))
	ctx, cancel := context.WithCancel(t.Context())
	e, err := p.Begin(request("GET", "/"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := e.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestFiltersTakeAwayWhatIsNeeded(t *testing.T) {
	p := start(t, config(script("request_headers remove 0 :path")))
	if r := do(t, p, request("GET", "/")); r.StatusCode != 404 || p.CodeDetails(r) != "route_not_found" {
		t.Error(r.Status, p.CodeDetails(r))
	}
	p = start(t, config(script("response_headers remove 2 :status")))
	if r := do(t, p, request("GET", "/")); r.StatusCode != 502 || !strings.HasPrefix(p.CodeDetails(r), "filter_removed_required_response_headers") {
		t.Error(r.Status, p.CodeDetails(r))
	}
}

func TestUpstreamsThatFail(t *testing.T) {
	early := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
	late := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 4096))
		panic(http.ErrAbortHandler)
	})
	p := start(t, config().WithUpstream(early))
	if r := do(t, p, request("GET", "/")); r.StatusCode != 503 || !strings.HasPrefix(p.CodeDetails(r), "upstream_reset_before_response_started") {
		t.Error(r.Status, p.CodeDetails(r))
	}
	if logs := p.Logs(); len(logs) != 1 || !strings.Contains(logs[0].Message, "boom") {
		t.Error(logs)
	}
	p = start(t, config().WithUpstream(late))
	if _, err := p.Do(request("GET", "/")); !errors.Is(err, testharness.ErrStreamReset) {
		t.Error(err)
	}
	p = start(t, testharness.NewProxyConfig())
	if r := do(t, p, request("GET", "/")); r.StatusCode != 404 || p.CodeDetails(r) != "route_not_found" {
		t.Error(r.Status, p.CodeDetails(r))
	}
}

func TestResponsesWithoutBody(t *testing.T) {
	p := start(t, config(script("response_headers trace", "response_body trace")).WithUpstream(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/204" {
			w.WriteHeader(http.StatusNoContent)
		}
	})))
	for _, r := range []*http.Request{request("GET", "/empty"), request("GET", "/204"), request("HEAD", "/")} {
		if got := do(t, p, r); body(t, got) != "" {
			t.Error("a body")
		}
	}
	wantLogs(t, p, "response_headers 1", "response_headers 1", "response_headers 1")
}
