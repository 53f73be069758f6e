package envoyexamples

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
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
	l.call(t, "plain", "lab-plain", "/lab/ping") // from here on there is a lease
	for protocol, client := range clients(t) {
		for partner, want := range map[string]int{"lab-plain": 200, "": 401} {
			response, err := client.Do(l.newRequest(t.Context(), t, http.MethodGet, "plain", partner, "/lab/ping", nil))
			if err != nil {
				t.Fatal(err)
			}
			body := bodyOf(t, response)
			if response.StatusCode != want || response.Proto != protocol ||
				want == 200 && !strings.Contains(body, `"X-Partner-Id":["lab-plain"]`) || want != 200 && !strings.Contains(body, `"credential_missing"`) {
				t.Errorf("%s: %s %d\n%s", protocol, response.Proto, response.StatusCode, body)
			}
		}
	}
}

const streamed = 50 << 20

// TestStreamsAreNotBuffered sends 50 MB through both ways: what was sent first comes back before the rest is sent, and Envoy does not grow.
func TestStreamsAreNotBuffered(t *testing.T) {
	l := getLab(t)
	l.call(t, "plain", "lab-plain", "/lab/ping") // from here on there is a lease
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
