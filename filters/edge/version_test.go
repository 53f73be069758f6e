//go:build !wasip1

package edge_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/testharness"
)

// changed stands before a manager and changes what proxies send, as if their
// filters were others, while change is not nil.
type changed struct {
	next   http.Handler
	mu     sync.Mutex
	change func(path string, body []byte)
	ids    []string // of the calls
}

func (c *changed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	if c.ids = append(c.ids, r.Header.Get("X-Request-Id")); c.change != nil {
		c.change(r.URL.Path, body)
	}
	c.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.next.ServeHTTP(w, r)
}

func (c *changed) set(change func(path string, body []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change = change
}

// schemaAt is where a Watch has the schema version: behind head, node and nonce.
func schemaAt(body []byte) int { return 2 + 4 + int(body[2]) + 16 }

// TestNewerProxyIsTold has the real manager refuse filters that are too new for
// it: they keep their policy, count and name the reason, lose no usage, and go
// on once the manager is upgraded.
func TestNewerProxyIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		reason, says string
		change       func(path string, body []byte)
	}{
		"messages": {"version", "version of these filters' messages", func(_ string, body []byte) { body[0] = wire.Version + 2 }},
		"policy": {"schema", "policies that these filters cannot read", func(path string, body []byte) {
			if path == wire.WatchPath {
				body[schemaAt(body)] = policy.SchemaVersion + 2
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, "[]")
			between := &changed{next: m}
			p := start(t, proxyWith(2, between, combined(configuration)...).WithClock(m.clock).WithNodeID("edge"))
			ready(t, p, uint64(m.PolicyVersion()))
			between.set(c.change)
			m.apply(t, strings.ReplaceAll(estateYAML("[]"), "title: Payments", "title: Payments anew")) // answers the watch that is under way
			metric := "partnergate_manager_refused;.reason=" + c.reason + ".;"
			await(t, p, func() bool {
				p.Advance(500 * time.Millisecond)
				n, _ := p.Metric(metric)
				return n > 2
			})
			m.apply(t, estateYAML("[]"))
			p.Advance(5 * time.Second)
			for worker := range 2 {
				checkOn(t, p, worker, m.request("acme"), servedVerdict)
			}
			if held := version(p); held >= uint64(m.PolicyVersion()) {
				t.Errorf("decides by version %d all the same", held)
			}
			wantLog(t, p, c.says)
			p.Advance(3 * time.Second)
			between.set(nil) // the manager is upgraded
			ready(t, p, uint64(m.PolicyVersion()))
			await(t, p, func() bool {
				p.Advance(time.Second)
				return m.counted(t) == 2
			})
			if n, _ := p.Metric("partnergate_batches_dropped"); n != 0 {
				t.Errorf("%d batches were dropped", n)
			}
			between.wantIDs(t)
		})
	}
	reliability.Record(t, reliability.Row{
		Fault:    "filters are too new for their manager",
		Done:     "a real manager that knows neither their messages nor their policy's schema, then is upgraded",
		Promised: "the last good policy stays; `partnergate_manager_refused` and a line with the request id say why; no usage is lost; the newest policy after the upgrade",
		Seen:     "as promised",
	})
}

// wantLog looks for a line of the filters, with the id of the call.
func wantLog(t *testing.T, p *testharness.Proxy, says string) {
	t.Helper()
	for _, entry := range p.Logs() {
		if strings.Contains(entry.Message, says) && strings.Contains(entry.Message, "(request id pg-") {
			return
		}
	}
	t.Errorf("no line says %q with a request id", says)
}

// wantIDs checks that each call had an id of its own.
func (c *changed) wantIDs(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := map[string]bool{}
	for _, id := range c.ids {
		if !strings.HasPrefix(id, "pg-") || seen[id] {
			t.Errorf("a call has the id %q, or has had it before", id)
		}
		seen[id] = true
	}
}

// counted is how many admitted requests of acme the manager knows of.
func (m *realManager) counted(t *testing.T) int64 {
	t.Helper()
	usage, err := m.Usage(t.Context(), manager.UsageQuery{Match: manager.UsageKey{Partner: "acme", Outcome: "admitted"}})
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, sum := range usage.Sums {
		n += sum.Requests
	}
	return n
}

// TestOlderManagerKeepsThePolicy has filters meet a manager that has never
// heard of their messages: the same, told by the bytes that it answers.
func TestOlderManagerKeepsThePolicy(t *testing.T) {
	stub := newStub(estate(1))
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 1)
	stub.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set(wire.VersionHeader, wire.UnknownVersion)
		w.WriteHeader(http.StatusNotImplemented)
		_, _ = io.WriteString(w, `{"status": 501, "code": "version_unknown"}`)
		return true
	})
	check(t, p, "counted later", good(), servedVerdict)
	stub.publish(revoked(2))
	await(t, p, func() bool {
		p.Advance(time.Second)
		n, _ := p.Metric("partnergate_manager_refused;.reason=version.;")
		return n > 2
	})
	check(t, p, "the last good policy", good(), servedVerdict)
	stub.intercept(nil)
	ready(t, p, 2)
	check(t, p, "the next policy", good(), revokedVerdict)
	wantUsage(t, p, stub, map[string]uint64{"acme admitted": 2, "acme credential_revoked": 1})
}
