package envoyexamples

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
)

// h2Client speaks HTTP/2 without TLS, with prior knowledge, on one connection.
func h2Client(t testing.TB) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (l *lab) newRequest(ctx context.Context, t testing.TB, method, listener, partner, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+l.listeners[listener]+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = labHost
	if partner != "" {
		r.Header.Set("X-Api-Key", l.keys[partner])
	}
	return r
}

// clients are HTTP/1.1 and HTTP/2.
func clients(t testing.TB) map[string]*http.Client {
	h1 := &http.Transport{}
	t.Cleanup(h1.CloseIdleConnections)
	return map[string]*http.Client{"HTTP/1.1": {Transport: h1}, "HTTP/2.0": h2Client(t)}
}

// TestBothVersionsOfHTTP asks in both, and gets the same.
func TestBothVersionsOfHTTP(t *testing.T) {
	l := getLab(t)
	for protocol, client := range clients(t) {
		for partner, want := range map[string]int{"lab-plain": 200, "": 401} {
			response, err := client.Do(l.newRequest(t.Context(), t, http.MethodGet, "plain", partner, "/lab/ping", nil))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want || response.Proto != protocol ||
				want == 200 && !strings.Contains(string(body), `"X-Partner-Id":["lab-plain"]`) || want != 200 && !strings.Contains(string(body), `"credential_missing"`) {
				t.Errorf("%s: %s %d\n%s", protocol, response.Proto, response.StatusCode, body)
			}
		}
	}
}

const streamed = 50 << 20

// TestStreamsAreNotBuffered sends 50 MB through both ways: what was sent first comes back before the rest is sent, and Envoy does not grow.
func TestStreamsAreNotBuffered(t *testing.T) {
	l := getLab(t)
	for protocol, client := range clients(t) {
		t.Run(protocol, func(t *testing.T) {
			before := resident(t, l.envoy.PID())
			body, in := io.Pipe()
			r := l.newRequest(t.Context(), t, http.MethodPost, "plain", "lab-plain", "/lab/echo", body)
			chunk := make([]byte, 64<<10)
			first := make(chan struct{}) // closed when the first byte came back
			sent := make(chan error, 1)
			go func() {
				defer func() { _ = in.Close() }()
				if _, err := in.Write(chunk); err != nil {
					sent <- err
					return
				}
				select {
				case <-first:
				case <-t.Context().Done():
				}
				for range streamed/len(chunk) - 1 {
					if _, err := in.Write(chunk); err != nil {
						sent <- err
						return
					}
				}
				sent <- nil
			}()
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if _, err := io.ReadFull(response.Body, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			close(first)
			n, err := io.Copy(io.Discard, response.Body)
			if err != nil || n != streamed-1 {
				t.Errorf("%d bytes came back: %v", n+1, err)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if grown := resident(t, l.envoy.PID()) - before; grown > 16<<20 {
				t.Errorf("Envoy has grown by %d MB", grown>>20)
			}
		})
	}
}

// resident is a process's memory in bytes. Envoy runs on Linux only.
func resident(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(status))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// socket upgrades, and returns the connection, or the status that it got instead.
func (l *lab) socket(t testing.TB, partner string) (net.Conn, int) {
	t.Helper()
	connection, err := net.Dial("tcp", l.listeners["plain"])
	if err != nil {
		t.Fatal(err)
	}
	return askUpgrade(t, connection, labHost, "/lab/socket", l.keys[partner])
}

// TestUpgradesHoldTheirSlot opens as many WebSockets as the contract has slots: each holds one until it ends.
func TestUpgradesHoldTheirSlot(t *testing.T) {
	l := getLab(t)
	l.awaitSlots(t, "plain", "lab-plain")
	var open []net.Conn
	for i := range labSlots {
		connection, status := l.socket(t, "lab-plain")
		defer func() { _ = connection.Close() }()
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("upgrade %d got %d", i, status)
		}
		open = append(open, connection)
	}
	if a := l.call(t, "plain", "lab-plain", "/lab/ping"); a.outcome() != "limit_exceeded" {
		t.Errorf("with %d sockets open a request got %d %s", labSlots, a.status, a.outcome())
	}
	for _, connection := range open {
		echoes(t, connection, "hello")
	}
	if err := open[0].Close(); err != nil {
		t.Fatal(err)
	}
	poll(t, "a closed socket keeps its slot", func() bool { return l.call(t, "plain", "lab-plain", "/lab/ping").status == 200 })
	for _, connection := range open[1:] {
		if err := connection.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l.awaitSlots(t, "plain", "lab-plain")
	noReloads(t, l.envoy)
	reliability.Record(t, reliability.Row{
		Fault: "upgrades that stay open", Done: fmt.Sprintf("%d WebSockets of a partner with %d concurrency slots", labSlots, labSlots),
		Promised: "they pass, and each holds its slot until it ends; one request more gets 429 `limit_exceeded`",
		Seen:     "as promised",
	})
}

// awaitSlots returns when all slots of a partner can be taken at once, and one more cannot; then they are free again.
func (l *lab) awaitSlots(t testing.TB, listener, partner string) {
	t.Helper()
	taken := 0
	poll(t, fmt.Sprintf("%s has not all of its %d slots at %s", partner, labSlots, listener), func() bool {
		taken = l.takeSlots(t, listener, partner)
		return taken == labSlots
	})
}

// takeSlots holds requests open until one is refused, and returns how many were not. It ends them.
func (l *lab) takeSlots(t testing.TB, listener, partner string) (taken int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	client := h2Client(t)
	ended, wait := make(chan struct{}, labSlots+1), 0
	defer func() {
		cancel()
		for range wait {
			<-ended
		}
		poll(t, "requests that were given up stay at the upstream", func() bool { return l.upstream.open.Load() == 0 })
	}()
	for range labSlots + 1 {
		before := l.upstream.reached.Load()
		refused := make(chan struct{})
		wait++
		r := l.newRequest(ctx, t, http.MethodGet, listener, partner, "/lab/hang", nil)
		go func() {
			defer func() { ended <- struct{}{} }()
			if response, err := client.Do(r); err == nil {
				close(refused)
				_ = response.Body.Close()
			}
		}()
		for l.upstream.reached.Load() == before {
			select {
			case <-refused:
				return taken
			case <-time.After(time.Millisecond):
			}
		}
		taken++
	}
	return taken
}
