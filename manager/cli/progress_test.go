package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	begun := time.Now()
	p := &progress{out: &out, begun: begun, phase: "Reading policy", stop: make(chan struct{}), ended: make(chan struct{})}
	tick := make(chan time.Time)
	go p.tell(tick)
	tick <- begun.Add(time.Second)
	p.say("Applying %s", count(10_000, "resource"))
	tick <- begun.Add(3 * time.Second)
	p.done()
	want := wipe + "Reading policy … 1s" + wipe + "Applying 10000 resources … 3s" + wipe
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	var out bytes.Buffer
	c := &command{process: Process{Stderr: &out}}
	p := c.progress("Reading")
	p.say("Writing")
	p.done()
	if out.Len() > 0 {
		t.Errorf("wrote %q", out.String())
	}
}

func TestDecidedByGateway(t *testing.T) {
	for _, c := range []struct {
		status     int
		media      string
		body, want string
	}{
		{200, "application/json", `{"code": "operation_not_found"}`, "admitted"},
		{404, "application/problem+json", `{"code": "operation_not_found"}`, "operation_not_found"},
		{404, "application/problem+json; charset=utf-8", `{"code": "operation_not_found"}`, "operation_not_found"},
		{404, "application/problem+json", `{"code": "payment_not_found"}`, "admitted"},
		{200, "application/problem+json", `{"code": "operation_not_found"}`, "admitted"},
		{404, "application/problem+json", `not found`, "admitted"},
		{404, "text/html", strings.Repeat("x", 100), "admitted"},
	} {
		if got := decided(c.status, c.media, []byte(c.body)); got != c.want {
			t.Errorf("%d %s %s: %s, want %s", c.status, c.media, c.body, got, c.want)
		}
	}
}
