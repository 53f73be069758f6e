package envoyexamples

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
)

// resets is how many requests of each kind end badly.
const resets = 5000 / 6

// TestResetsGiveSlotsBack breaks requests off in every way, by client, upstream and clock, and then finds all slots free: as many as before, no more.
func TestResetsGiveSlotsBack(t *testing.T) {
	l := getLab(t)
	l.awaitSlots(t, "plain", "lab-slots")
	client := h2Client(t)
	for name, end := range map[string]func() error{
		"the client goes before the answer":      func() error { return l.leave(t, "/lab/hang", 0) },
		"the client goes during the answer":      func() error { return l.leave(t, "/lab/download?bytes=1000000", 1) },
		"the client goes after the answer":       func() error { return l.leave(t, "/lab/download?bytes=10", 1000) },
		"the client resets its HTTP/2 stream":    func() error { return l.cancel(t, client) },
		"the upstream resets before it answers":  func() error { return l.fail(t, "/lab/reset", nil) },
		"the upstream breaks off its answer":     func() error { return l.fail(t, "/lab/cut", nil) },
		"the upstream takes longer than allowed": func() error { return l.fail(t, "/lab/hang", []string{"x-short: 1"}) },
	} {
		rounds := resets
		if name == "the upstream takes longer than allowed" {
			rounds = 100 // each takes its 50 ms
		}
		var group sync.WaitGroup
		for range labSlots / 2 {
			group.Go(func() {
				for range rounds / (labSlots / 2) {
					if err := end(); err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
			})
		}
		group.Wait()
	}
	poll(t, "requests stay at the upstream", func() bool { return l.upstream.open.Load() == 0 })
	l.awaitSlots(t, "plain", "lab-slots")
	noReloads(t, l.envoy)
	reliability.Record(t, reliability.Row{
		Fault: "requests that end badly", Done: fmt.Sprintf("%d clients that leave before, during and after the answer or reset their stream, upstreams that reset or break off; 100 timeouts", 6*resets),
		Promised: "no concurrency slot is lost, and none is there twice",
		Seen:     fmt.Sprintf("all %d slots could be taken at once afterwards, and no more", labSlots),
	})
}

// leave sends a request and closes the connection when some bytes have come back. It is no matter whether the request was admitted: slots
// of those that left before may not be free yet.
func (l *lab) leave(t *testing.T, path string, after int) error {
	connection, err := net.Dial("tcp", l.listeners["plain"])
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nhost: %s\r\nx-api-key: %s\r\nconnection: close\r\n\r\n", path, labHost, l.keys["lab-slots"]); err != nil {
		return err
	}
	if after > 0 {
		_, err = connection.Read(make([]byte, after))
	}
	return err
}

// cancel resets a stream that waits for its answer.
func (l *lab) cancel(t *testing.T, client *http.Client) error {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	response, err := client.Do(l.newRequest(ctx, t, http.MethodGet, "plain", "lab-slots", "/lab/hang", nil))
	if err == nil {
		return response.Body.Close() // it was refused
	}
	return nil
}

// fail sends a request that the upstream, or its route's timeout, ends.
func (l *lab) fail(t *testing.T, path string, headers []string) error {
	q := request{method: http.MethodGet, target: path, host: labHost, headers: append([]string{"x-api-key: " + l.keys["lab-slots"]}, headers...)}
	a, err := ask(l.listeners["plain"], q)
	if err == nil && a.status == http.StatusOK {
		return fmt.Errorf("it was answered: %d %s", a.status, a.body)
	}
	return nil
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
	l.awaitSlots(t, "plain", "lab-slots")
	var open []net.Conn
	for i := range labSlots {
		connection, status := l.socket(t, "lab-slots")
		defer func() { _ = connection.Close() }()
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("upgrade %d got %d", i, status)
		}
		open = append(open, connection)
	}
	if a := l.call(t, "plain", "lab-slots", "/lab/ping"); a.outcome() != "limit_exceeded" {
		t.Errorf("with %d sockets open a request got %d %s", labSlots, a.status, a.outcome())
	}
	for _, connection := range open {
		echoes(t, connection, "hello")
	}
	if err := open[0].Close(); err != nil {
		t.Fatal(err)
	}
	poll(t, "a closed socket keeps its slot", func() bool { return l.call(t, "plain", "lab-slots", "/lab/ping").status == 200 })
	for _, connection := range open[1:] {
		if err := connection.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l.awaitSlots(t, "plain", "lab-slots")
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
		answered := make(chan struct{})
		wait++
		r := l.newRequest(ctx, t, http.MethodGet, listener, partner, "/lab/hang", nil)
		go func() {
			defer func() { ended <- struct{}{} }()
			defer close(answered)
			if response, err := client.Do(r); err == nil {
				_ = response.Body.Close() // it was refused
			}
		}()
		for l.upstream.reached.Load() == before {
			select {
			case <-answered:
				return taken
			case <-time.After(time.Millisecond):
			}
		}
		taken++
	}
	return taken
}
