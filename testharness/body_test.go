package testharness_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

func TestBodiesStream(t *testing.T) {
	p := start(t, config(script("* trace")).WithUpstream(mirror))
	content := strings.Repeat("x", 40_000)
	response := do(t, p, post(content))
	if body(t, response) != content {
		t.Error("the body changed")
	}
	wantLogs(t, p, "create", "vm_start", "configure", "create", "request_headers 0",
		"request_body 0 16384", "request_body 0 16384", "request_body 0 7232", "request_body 1 0",
		"response_headers 0", "response_body 0 40000", "response_body 1 0", "log", "done", "delete")
}

func TestBodyIsChanged(t *testing.T) {
	p := start(t, config(
		script("request_body set-buffer 0 0 0 <", "request_body set-buffer 0 99 0 >", "request_body set-buffer 0 1 1 no",
			"request_headers remove 0 content-length", "request_body buffer 0 1 3"),
	).WithUpstream(mirror))
	if got := body(t, do(t, p, post("abc"))); got != "<abc><>" { // the end is a piece of its own
		t.Error(got)
	}
	wantLogs(t, p, "request_body set-buffer 0 1 1 no ! bad argument", "request_body buffer 0 1 3 = abc",
		"request_body set-buffer 0 1 1 no ! bad argument", "request_body buffer 0 1 3 = >")
}

func TestBodyIsBufferedWhole(t *testing.T) {
	content := strings.Repeat("y", 20_000)
	p := start(t, config(
		script("request_body trace", "request_body return-unless-end 1"),
		script("request_body trace"),
	).WithUpstream(mirror))
	if body(t, do(t, p, post(content))) != content {
		t.Error("the body changed")
	}
	wantLogs(t, p, "request_body 0 16384", "request_body 0 20000", "request_body 1 20000", "request_body 1 20000")
}

func TestBufferedBodyIsReplaced(t *testing.T) {
	p := start(t, config(
		script("request_body return-unless-end 1", "request_body set-buffer 0 0 999999 new"),
		script("response_body return-unless-end 1", "response_body buffer-size 1", "response_body set-buffer 1 0 999999 newer"),
	).WithUpstream(mirror))
	r := post("old")
	r.ContentLength = -1
	if got := body(t, do(t, p, r)); got != "newer" {
		t.Error(got)
	}
	wantLogs(t, p, "response_body buffer-size 1 = 3", "response_body buffer-size 1 = 5")
}

func TestTooMuchToBuffer(t *testing.T) {
	content := strings.Repeat("z", 1<<20+1)
	p := start(t, config(script("request_body return 1")).WithUpstream(mirror))
	if r := do(t, p, post(content)); r.StatusCode != 413 || body(t, r) != "Payload Too Large" {
		t.Error(r.Status)
	}
	p = start(t, config(script("response_body return 1")).WithUpstream(mirror))
	_, err := p.Do(post(content)) // the headers are on their way: too late for 500
	if !errors.Is(err, testharness.ErrStreamReset) {
		t.Error(err)
	}
}

// TestPausedStreamHoldsItsClientBack checks that a filter that stopped at the
// headers makes the sender of a long body wait instead of filling memory, and
// gets all of it in the end.
func TestPausedStreamHoldsItsClientBack(t *testing.T) {
	content := strings.Repeat("w", 5<<20)
	p := start(t, config(script(
		"configure tick 1000", "request_headers wait", "request_headers return 1",
		"tick effective", "tick continue 0",
	)).WithUpstream(mirror))
	sent := &counter{r: strings.NewReader(content)}
	r := post(content)
	r.Body = io.NopCloser(sent)
	e, err := p.Begin(r)
	if err != nil {
		t.Fatal(err)
	}
	p.Settle()
	if n := sent.n; n < 1<<20 || n > 1<<20+64<<10 {
		t.Error("sent while paused:", n)
	}
	p.Advance(time.Second)
	response, err := e.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if body(t, response) != content {
		t.Error("the body changed")
	}
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}
