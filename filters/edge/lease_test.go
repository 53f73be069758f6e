package edge_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/testharness"
)

// limited is the estate with limits in its plan.
func limited(version uint64, limits ...policy.SourceLimit) *policy.Source {
	source := estate(version)
	source.Plans[0].Limits = limits
	return source
}

var quotaOf100 = policy.SourceLimit{Name: "daily", Kind: policy.QuotaPerDay, Requests: 100}

// flood begins n requests at once, spread over the workers.
func flood(t *testing.T, p *testharness.Proxy, n int) []*testharness.Exchange {
	t.Helper()
	exchanges := make([]*testharness.Exchange, n)
	for i := range exchanges {
		var err error
		if exchanges[i], err = p.Begin(good()); err != nil {
			t.Fatal(err)
		}
	}
	return exchanges
}

// answers waits for all, and counts them by code.
func answers(t *testing.T, exchanges []*testharness.Exchange) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, e := range exchanges {
		response, err := e.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a := read(t, response)
		if response.StatusCode == http.StatusOK {
			got["admitted"]++
		} else {
			got[a.code()]++
		}
	}
	return got
}

func (m *managerStub) called(path string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[path]
}

// TestWaitsAreCoalesced has many requests wait for one lease: it is asked for
// a few times, not once for each of them, and then not at all.
func TestWaitsAreCoalesced(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			stub := newStub(limited(1, quotaOf100))
			stub.grants = plenty
			p := start(t, proxyWith(4, stub, filters...))
			ready(t, p, 1)
			before := stub.called(wire.SyncPath)
			if got := answers(t, flood(t, p, 100)); got["admitted"] != 100 {
				t.Errorf("%v", got)
			}
			if calls := stub.called(wire.SyncPath) - before; calls > 5 {
				t.Errorf("%d calls for one lease", calls)
			}
			p.Advance(time.Second)
			before = stub.called(wire.SyncPath)
			if got := answers(t, flood(t, p, 200)); got["admitted"] != 200 {
				t.Errorf("%v", got)
			}
			if calls := stub.called(wire.SyncPath) - before; calls != 0 {
				t.Errorf("%d calls while a lease is held", calls)
			}
		})
	}
}

// TestNoLeaseComes refuses requests that got none in time, and only then.
func TestNoLeaseComes(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			stub := newStub(limited(1, quotaOf100))
			p := start(t, proxyWith(2, stub, filters...))
			ready(t, p, 1)
			exchanges := flood(t, p, 10)
			p.Advance(150 * time.Millisecond)
			for _, e := range exchanges {
				select {
				case <-e.Done():
					t.Fatal("a request was answered before its time")
				default:
				}
			}
			p.Advance(100 * time.Millisecond)
			if got := answers(t, exchanges); got["limit_unavailable"] != 10 {
				t.Errorf("%v", got)
			}
			wantUsage(t, p, stub, map[string]uint64{"acme limit_unavailable": 10})
		})
	}
}

// TestShareThatComesEmpty leases a rate with nothing in it yet, as where the
// proxy before took all with it: what waited for it waits until it gives
// something, as long as it would have waited for a lease.
func TestShareThatComesEmpty(t *testing.T) {
	stub := newStub(limited(1, policy.SourceLimit{Name: "rate", Kind: policy.RatePerSecond, Requests: 20, Burst: 20}))
	stub.grants = func(m *wire.Sync) (grants []wire.Grant) {
		for _, g := range plenty(m) {
			g.Rate, g.Burst, g.Level = policy.RatePerSecond.UnitsPerMillisecond(20), 20*policy.RateUnit, 0
			grants = append(grants, g)
		}
		return grants
	}
	p := start(t, proxyWith(1, stub, combined(configuration)...))
	ready(t, p, 1)
	exchanges := flood(t, p, 10)
	p.Advance(300 * time.Millisecond)
	if got := answers(t, exchanges); got["admitted"] < 2 || got["admitted"] > 5 || got["admitted"]+got["limit_exceeded"] != 10 {
		t.Errorf("%v", got)
	}
}

// TestPolicyChangesMeanwhile changes the policy while a request waits for a
// lease: it is decided by the new one, whose version the answer names.
func TestPolicyChangesMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*policy.Source)
		want   string
	}{
		"the subscription ended": {func(s *policy.Source) { s.Grants = s.Grants[2:] }, "operation_not_found"}, // without those of acme
		"the key was revoked":    {func(s *policy.Source) { s.Credentials = revoked(2).Credentials }, "credential_revoked"},
		"the partner suspended":  {func(s *policy.Source) { s.Partners[0].Suspended = true }, "partner_suspended"},
		"the operation removed":  {func(s *policy.Source) { s.Products[0].Operations = s.Products[0].Operations[1:] }, "operation_not_found"},
		"something else changed": {func(s *policy.Source) { s.Partners[1].Suspended = true }, "limit_unavailable"},
	} {
		for way, filters := range ways(configuration) {
			t.Run(name+"/"+way, func(t *testing.T) {
				stub := newStub(limited(1, quotaOf100))
				p := start(t, proxyWith(2, stub, filters...))
				ready(t, p, 1)
				exchanges := flood(t, p, 1)
				changed := limited(2, quotaOf100)
				c.change(changed)
				stub.publish(changed)
				await(t, p, func() bool { return version(p) == 2 }) // else the request's time may be over first
				p.Advance(time.Second)
				response, err := exchanges[0].Wait(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got := read(t, response); got.code() != c.want || !strings.Contains(got.body, `"policy_version":2`) {
					t.Errorf("%d %s", got.StatusCode, got.body)
				}
			})
		}
	}
}

// TestManagerAway spends what is leased and then refuses at once, without
// waiting for a manager that does not answer. What was counted meanwhile is
// told later.
func TestManagerAway(t *testing.T) {
	var away atomic.Bool
	stub := newStub(limited(1, quotaOf100, policy.SourceLimit{Name: "burst", Kind: policy.RatePerSecond, Requests: 50, Burst: 1000}))
	stub.grants = func(m *wire.Sync) []wire.Grant {
		grants := plenty(m)
		for i := range grants {
			if grants[i].Tokens > 0 {
				grants[i].Tokens = 30
			}
		}
		return grants
	}
	stub.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if away.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
		return away.Load()
	})
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 1)
	if got := answers(t, flood(t, p, 10)); got["admitted"] != 10 {
		t.Fatal(got)
	}
	p.Advance(2 * time.Second)
	away.Store(true)
	p.Advance(10 * time.Second)
	if got := answers(t, flood(t, p, 30)); got["admitted"] != 20 || got["limit_unavailable"] != 10 {
		t.Errorf("%v; want the 20 that are left of the lease, and the others refused at once", got)
	}
	p.Advance(time.Minute)
	if got := answers(t, flood(t, p, 5)); got["limit_unavailable"] != 5 {
		t.Errorf("%v", got)
	}
	away.Store(false)
	p.Advance(3 * time.Second)
	if got := answers(t, flood(t, p, 5)); got["admitted"] != 5 {
		t.Errorf("%v after the manager came back", got)
	}
	wantUsage(t, p, stub, map[string]uint64{"acme admitted": 35, "acme limit_unavailable": 15})
	reliability.Record(t, reliability.Row{
		Fault:    "the manager is away with a quota's lease half spent",
		Done:     "away for 70 s; 35 requests",
		Promised: "served until the lease is spent, then 503 `limit_unavailable` at once; served again within 3 s of its return; usage counts once",
		Seen:     "as promised: 35 admitted, 15 refused, all counted once",
	})
}

// TestClientsGoAwayWhileTheyWait forgets them; the lease that comes later is
// not spent by them.
func TestClientsGoAwayWhileTheyWait(t *testing.T) {
	stub := newStub(limited(1, quotaOf100))
	p := start(t, proxyWith(1, stub, combined(configuration)...))
	ready(t, p, 1)
	goAway := client(t, p, good())
	p.Advance(50 * time.Millisecond)
	goAway()
	stub.mu.Lock()
	stub.grants = plenty
	stub.mu.Unlock()
	p.Advance(500 * time.Millisecond)
	if got := answers(t, flood(t, p, 1)); got["admitted"] != 1 {
		t.Errorf("%v", got)
	}
	wantUsage(t, p, stub, map[string]uint64{"acme admitted": 1})
}

// client sends a request on worker 0, as a client that can go away: then the
// stream is reset, and goAway returns when that is over.
func client(t *testing.T, p *testharness.Proxy, r *http.Request) (goAway func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	arrived := waits(p)
	ended := make(chan error, 1)
	go func() {
		_, err := p.DoOn(0, r.WithContext(ctx))
		ended <- err
	}()
	await(t, p, func() bool { return waits(p) > arrived })
	return func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a client that went away got %v", err)
		}
		p.Settle()
	}
}

// waits is how many requests had to wait for a lease.
func waits(p *testharness.Proxy) uint64 {
	n, _ := p.Metric("partnergate_lease_waits")
	return n
}

// TestLowQuotaIsAskedForInTime asks for the next lease before the one that is
// held has ended.
func TestLowQuotaIsAskedForInTime(t *testing.T) {
	stub := newStub(limited(1, policy.SourceLimit{Name: "daily", Kind: policy.QuotaPerDay, Requests: 10_000}))
	stub.grants = func(m *wire.Sync) []wire.Grant {
		grants := plenty(m)
		for i := range grants {
			grants[i].Tokens = 40
		}
		return grants
	}
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 1)
	answers(t, flood(t, p, 1))
	before := waits(p)
	for range 50 {
		if got := answers(t, flood(t, p, 5)); got["admitted"] != 5 {
			t.Fatalf("%v", got)
		}
		p.Advance(time.Second)
	}
	if now := waits(p); now != before {
		t.Errorf("%d requests had to wait", now-before)
	}
}

// TestCapacityRefuses takes from the product's capacity, which all partners share.
func TestCapacityRefuses(t *testing.T) {
	source := estate(1)
	source.Products[0].Capacity = &policy.SourceLimit{Name: "capacity", Kind: policy.RatePerSecond, Requests: 20, Burst: 20}
	stub := newStub(source)
	stub.grants = func(m *wire.Sync) (grants []wire.Grant) {
		for _, g := range plenty(m) {
			g.Rate, g.Burst, g.Level = policy.RatePerSecond.UnitsPerMillisecond(20), 20*policy.RateUnit, 20*policy.RateUnit
			grants = append(grants, g)
		}
		return grants
	}
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 1)
	if got := answers(t, flood(t, p, 40)); got["admitted"] != 20 || got["capacity_exceeded"] != 20 {
		t.Errorf("%v; want 20 of each", got)
	}
}

// plenty grants whatever is wanted.
func plenty(m *wire.Sync) (grants []wire.Grant) {
	for _, r := range m.Reports {
		if !r.Wanted {
			continue
		}
		id, _ := policy.ParseBucketID(r.ID)
		g := wire.Grant{ID: r.ID, Epoch: r.Epoch + 1}
		switch {
		case id.Kind.Rate():
			g.Rate, g.Burst, g.Level = policy.RateUnit, 1_000_000*policy.RateUnit, 1_000_000*policy.RateUnit
		case id.Kind.Quota():
			g.Tokens, g.WindowEnd = 1<<30, 1<<50
		default:
			g.Slots = 10
		}
		grants = append(grants, g)
	}
	return grants
}
