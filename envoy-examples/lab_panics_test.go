package envoyexamples

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
)

// TestPanicsInEnvoy panics before and after the work of each callback of each filter: one 500 where a request was under way, none gets past the
// filters, the next is served, no VM is lost, and no slot either.
func TestPanicsInEnvoy(t *testing.T) {
	l := getLab(t)
	l.awaitSlots(t, "faults", "lab-faults")
	for _, sign := range []string{"", "-"} {
		for _, root := range labRoots {
			for callback, status := range map[string]int{
				"proxy_on_request_headers": 500, "proxy_on_response_headers": 500, "proxy_on_log": 200, "proxy_on_delete": 200,
			} {
				l.panics(t, sign+callback+"@"+root, status)
			}
			l.panicsInTrailers(t, sign+"proxy_on_request_trailers@"+root)
		}
		for _, callback := range []string{"proxy_on_tick@partner-resolution", "proxy_on_queue_ready@partner-resolution"} {
			l.panics(t, sign+callback, 200)
		}
	}
	l.panics(t, "proxy_on_http_call_response@*", 200) // an answer that is lost is waited for: only virtual time has patience for that
	l.awaitSlots(t, "faults", "lab-faults")
	noReloads(t, l.envoy)
	reliability.Record(t, reliability.Row{
		Fault: "a filter panics in Envoy", Done: "a panic before and after the work of each callback of each filter",
		Promised: "one 500 `filter_error` where a request is under way; none gets past the filters, the next is served, all slots are free afterwards, no VM is reloaded",
		Seen:     "as promised; 0 reloads",
	})
}

// panics sends a request with a fault, and then one without.
func (l *lab) panics(t *testing.T, fault string, want int) {
	t.Helper()
	reached := l.upstream.reached.Load()
	a := l.call(t, "faults", "lab-faults", "/lab/ping", "x-fault: "+fault)
	if a.status != want || want == 500 && a.outcome() != "filter_error" {
		t.Errorf("%s: %d %s, want %d\n%s", fault, a.status, a.outcome(), want, a.body)
	}
	if strings.Contains(fault, "request_headers") && l.upstream.reached.Load() != reached {
		t.Errorf("%s: the request came to the upstream", fault)
	}
	if a := l.call(t, "faults", "lab-faults", "/lab/ping"); a.status != 200 || !strings.Contains(a.body, `"X-Partner-Id":["lab-faults"]`) {
		t.Errorf("the next after %s: %d %s", fault, a.status, a.body)
	}
}

// panicsInTrailers sends a body whose trailers make a filter panic when the answer's head is out: the client sees the answer break off.
func (l *lab) panicsInTrailers(t *testing.T, fault string) {
	t.Helper()
	connection, err := net.Dial("tcp", l.listeners["faults"])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(connection, "POST /lab/echo HTTP/1.1\r\nhost: %s\r\nx-api-key: %s\r\nx-fault: %s\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-trailer: 1\r\n\r\n",
		labHost, l.keys["lab-faults"], fault)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err == nil {
		_, broken := io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != 500 && broken == nil {
			t.Errorf("%s: the request was answered as if nothing had happened: %d", fault, response.StatusCode)
		}
	}
	if a := l.call(t, "faults", "lab-faults", "/lab/ping"); a.status != http.StatusOK {
		t.Errorf("the next after %s: %d %s", fault, a.status, a.body)
	}
}
