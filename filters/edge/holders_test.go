package edge_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/testharness"
)

// slotsOf grants so many concurrency slots, and plenty of all else.
func slotsOf(n int64) func(*wire.Sync) []wire.Grant {
	return func(m *wire.Sync) []wire.Grant {
		grants := plenty(m)
		for i := range grants {
			if grants[i].Slots > 0 {
				grants[i].Slots = n
			}
		}
		return grants
	}
}

// slow is an upstream that answers once the test lets it.
type slow struct{ let chan struct{} }

func newSlow() *slow { return &slow{make(chan struct{})} }

func (s *slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.let:
	case <-r.Context().Done():
	}
	_, _ = w.Write([]byte("paid"))
}

// isOpenEnded tells requests that time goes on without the end of.
func isOpenEnded(r *http.Request) bool { return isWatch(r) || r.Host == sandboxHost }

func inFlight(m *managerStub) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := int64(-1)
	for _, batch := range m.syncs {
		for _, r := range batch.Reports {
			if id, ok := policy.ParseBucketID(r.ID); ok && id.Kind == policy.InFlight {
				n = r.InFlight
			}
		}
	}
	return n
}

func trap(t *testing.T, p *testharness.Proxy, thread int) {
	t.Helper()
	if err := p.Trap(thread); err != nil {
		t.Fatal(err)
	}
}

func metric(p *testharness.Proxy, name string) uint64 {
	n, _ := p.Metric(name)
	return n
}

func slotsStub(n int64) *managerStub {
	stub := newStub(limited(1, policy.SourceLimit{Name: "in-flight", Kind: policy.InFlight, Requests: uint64(n)}))
	stub.grants = slotsOf(n)
	return stub
}

// TestSlotsOfAnEndedVMComeFree ends a VM with requests in flight: their slots
// are taken until it is sure that it is gone, then free, and the other VM's are not.
func TestSlotsOfAnEndedVMComeFree(t *testing.T) {
	const slots = 4
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			stub, upstream := slotsStub(slots), newSlow()
			p := start(t, proxyWith(2, stub, filters...).WithUpstream(upstream).WithLongPolls(isOpenEnded))
			ready(t, p, 1)
			begin := func(worker int) *testharness.Exchange {
				e, err := p.BeginOn(worker, good())
				if err != nil {
					t.Fatal(err)
				}
				p.Advance(300 * time.Millisecond)
				return e
			}
			begun := []*testharness.Exchange{begin(0), begin(0), begin(0), begin(1)}
			checkOn(t, p, 1, good(), limitVerdict)
			trap(t, p, 0)
			p.Advance(10 * time.Second)
			checkOn(t, p, 1, good(), limitVerdict)
			p.Advance(10 * time.Second)
			if n := inFlight(stub); n != 1 {
				t.Errorf("the manager knows of %d in flight, want 1", n)
			}
			begun = append(begun, begin(1), begin(1), begin(1))
			checkOn(t, p, 1, good(), limitVerdict)
			close(upstream.let)
			got := answers(t, begun)
			if got["admitted"] != 4 {
				t.Errorf("%v, want 4 that the living VM served", got)
			}
			p.Advance(20 * time.Second)
			if n := inFlight(stub); n != 0 {
				t.Errorf("the manager knows of %d in flight at last", n)
			}
			if n := metric(p, "partnergate_slots_freed"); n != 3 {
				t.Errorf("partnergate_slots_freed is %d, want 3", n)
			}
		})
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a worker's VM ends with requests in flight",
		Done:     "a trap in one of two workers with 3 of 4 concurrency slots taken",
		Promised: "the 3 slots stay taken until the VM was silent for 15 s, then come free, once; the other VM's stays taken; `partnergate_slots_freed`",
		Seen:     "as promised, in one VM a worker and in one a filter: 3 freed within 20 s, never more than 4 in flight",
	})
}

// TestSlotOfALongRequestStays has a request in flight for long, at a VM that does nothing else.
func TestSlotOfALongRequestStays(t *testing.T) {
	stub, upstream := slotsStub(1), newSlow()
	p := start(t, proxyWith(2, stub, combined(configuration)...).WithUpstream(upstream).WithLongPolls(isOpenEnded))
	ready(t, p, 1)
	e, err := p.BeginOn(0, good())
	if err != nil {
		t.Fatal(err)
	}
	p.Advance(2 * time.Minute)
	checkOn(t, p, 1, good(), limitVerdict)
	close(upstream.let)
	if got := answers(t, []*testharness.Exchange{e}); got["admitted"] != 1 {
		t.Error(got)
	}
	checkOn(t, p, 1, good(), servedVerdict)
	if n := metric(p, "partnergate_vms_lost"); n != 0 {
		t.Errorf("%d VMs were lost", n)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a request stays in flight for long",
		Done:     "for 2 min, with the only concurrency slot taken",
		Promised: "the slot stays taken until its request ends, then is free; no VM counts as lost",
		Seen:     "as promised",
	})
}

// TestLeaderTrapped ends the leader's VM by a trap. Another leads within five
// seconds, usage and leases go on, and nothing counts twice.
func TestLeaderTrapped(t *testing.T) {
	stub := newStub(limited(1, quotaOf100))
	stub.grants = plenty
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 1)
	if got := answers(t, flood(t, p, 10)); got["admitted"] != 10 {
		t.Fatal(got)
	}
	p.Advance(500 * time.Millisecond)
	trap(t, p, testharness.MainThread)
	changes := metric(p, "partnergate_leader_changes")
	if got := answers(t, flood(t, p, 10)); got["admitted"] != 10 {
		t.Errorf("without a leader: %v", got)
	}
	took, ok := takes(p, 5*time.Second, func() bool { return metric(p, "partnergate_leader_changes") != changes })
	if !ok {
		t.Fatal("nobody led within 5 s")
	}
	stub.publish(revoked(2))
	eventually(t, p, func() bool { return version(p) == 2 })
	p.Advance(2 * time.Second)
	for worker := range 2 {
		checkOn(t, p, worker, good(), revokedVerdict)
	}
	wantUsage(t, p, stub, map[string]uint64{"acme admitted": 20, "acme credential_revoked": 2})
	reliability.Record(t, reliability.Row{
		Fault:    "the leader's VM ends",
		Done:     "a trap in the VM that talks to the manager, while requests are served",
		Promised: "another leads within 5 s; no request is refused, usage counts once, the next policy comes",
		Seen:     "another led after " + took.Round(100*time.Millisecond).String() + "; 20 of 20 requests admitted and counted once",
	})
}

// TestLeaderTrappedWhileTheManagerIsAway ends the leader's VM with minutes of
// usage that nobody took: the next leader finds it.
func TestLeaderTrappedWhileTheManagerIsAway(t *testing.T) {
	stub := newStub(estate(1))
	p := start(t, proxyWith(2, stub, odd()...))
	ready(t, p, 1)
	stub.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == wire.SyncPath {
			w.WriteHeader(http.StatusBadGateway)
		}
		return r.URL.Path == wire.SyncPath
	})
	want := map[string]uint64{}
	for i := range 120 {
		checkOn(t, p, i%2, good(), servedVerdict)
		checkOn(t, p, i%2, request("GET", sandboxHost, "/admin", "x-api-key", globexKey), servedVerdict)
		want["acme admitted"]++
		want["globex admitted"]++
		p.Advance(time.Second)
	}
	p.Advance(2 * time.Second) // one flush, and one tick on which it is kept
	changes := metric(p, "partnergate_leader_changes")
	trap(t, p, testharness.MainThread)
	for ; changes < 4; changes++ { // the first leads, a worker's VM, and another when that is deposed
		if _, ok := takes(p, 5*time.Second, func() bool { return metric(p, "partnergate_leader_changes") > changes }); !ok {
			t.Fatal("nobody led within 5 s")
		}
		checkOn(t, p, 0, good(), servedVerdict)
		want["acme admitted"]++
		do(t, p, request("GET", sandboxHost, "/usurp", "x-api-key", acmeKey, "x-leader", leaderKey(t, p)))
		want["acme operation_not_found"]++
	}
	stub.intercept(nil)
	wantUsage(t, p, stub, want)
	if n := metric(p, "partnergate_usage_lost"); n != 0 {
		t.Errorf("partnergate_usage_lost is %d", n)
	}
	for _, key := range p.SharedDataKeys("partnergate") {
		if value, _ := p.SharedData("partnergate", key); strings.Contains(key, "/gathered/") && len(value) > 0 {
			t.Errorf("%s still has %d bytes", key, len(value))
		}
	}
	reliability.Record(t, reliability.Row{
		Fault:    "the leader's VM ends while the manager is away",
		Done:     "a trap in the VM that talks to the manager, which has been away for 2 min; then one leader after the other is deposed",
		Promised: "the next leader finds in shared data what was gathered, but for at most one flush (1 s); all of it counts once when the manager is back",
		Seen:     strconv.FormatUint(total(want), 10) + " of as many requests counted once",
	})
}
