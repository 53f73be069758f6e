package edge_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/testharness"
)

// odd is the filter of testdata/odd in front of the others.
func odd() []testharness.Filter {
	return append([]testharness.Filter{filterOf("odd", "odd", configuration)}, combined(configuration)...)
}

// leaderKey is the key under which the leader's claim stands.
func leaderKey(t *testing.T, p *testharness.Proxy) string {
	t.Helper()
	for _, key := range p.SharedDataKeys("partnergate") {
		if strings.HasSuffix(key, "/leader") {
			return key
		}
	}
	t.Fatal("nobody leads")
	return ""
}

func TestPanicIsOneRequests(t *testing.T) {
	stub := newStub(estate(1))
	p := start(t, proxyWith(1, stub, odd()...))
	ready(t, p, 1)
	check(t, p, "a panic", request("GET", sandboxHost, "/panic", "x-api-key", acmeKey), corpus.Verdict{Status: 500, Code: "filter_error"})
	check(t, p, "the next", good(), servedVerdict)
	if p.Failures() != 0 || p.Reloads() != 0 {
		t.Errorf("%d VMs failed, %d were reloaded", p.Failures(), p.Reloads())
	}
	wantUsage(t, p, stub, map[string]uint64{"acme admitted": 1, " filter_error": 1})
}

// TestAnotherTakesOver has the leader vanish with a batch under way. The next
// one sends the same bytes, so that they count once, and goes on.
func TestAnotherTakesOver(t *testing.T) {
	stub := newStub(estate(1))
	p := start(t, proxyWith(2, stub, odd()...))
	ready(t, p, 1)
	p.Advance(2 * time.Second)
	var deaf atomic.Bool
	deaf.Store(true)
	stub.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != wire.SyncPath || !deaf.Load() {
			return false
		}
		stub.sync(stub.body(r)) // it is stored, but the answer is lost
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
	for range 7 {
		do(t, p, good())
	}
	p.Advance(1500 * time.Millisecond)
	before := len(stub.batches())
	usurped := do(t, p, request("GET", sandboxHost, "/usurp", "x-api-key", acmeKey, "x-leader", leaderKey(t, p)))
	if usurped.StatusCode != 404 {
		t.Fatal(usurped.StatusCode, usurped.body)
	}
	changes, _ := p.Metric("partnergate_leader_changes")
	p.Advance(2 * time.Second)
	if now, _ := p.Metric("partnergate_leader_changes"); now != changes {
		t.Error("somebody leads before the other's heartbeat is lost")
	}
	deaf.Store(false)
	p.Advance(3 * time.Second)
	if now, _ := p.Metric("partnergate_leader_changes"); now == changes {
		t.Error("nobody took over")
	}
	wantUsage(t, p, stub, map[string]uint64{"acme admitted": 7, "acme operation_not_found": 1})
	batches := stub.batches()
	if first, again := batches[before-1], batches[before]; first.Sequence != again.Sequence || string(first.Append(nil)) != string(again.Append(nil)) {
		t.Errorf("batch %d was sent again as another: %d", first.Sequence, again.Sequence)
	}
	stub.publish(revoked(2))
	eventually(t, p, func() bool { return version(p) == 2 })
	p.Advance(200 * time.Millisecond)
	check(t, p, "after the take-over", good(), revokedVerdict)
	reliability.Record(t, reliability.Row{
		Fault:    "the leader vanishes with a batch under way",
		Done:     "its answers are lost, then another takes its place",
		Promised: "the next one sends the same bytes under the same number, so that they count once",
		Seen:     "8 of 8 requests counted once",
	})
}

// TestNewVMHasThePolicyAtOnce ends a worker's VM. The one in its place decides
// by the policy in shared data, without the manager.
func TestNewVMHasThePolicyAtOnce(t *testing.T) {
	stub := newStub(estate(1))
	p := start(t, proxyWith(1, stub, odd()...))
	ready(t, p, 1)
	stub.intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	check(t, p, "before", good(), servedVerdict)
	check(t, p, "the end of a VM", request("GET", sandboxHost, "/end"), corpus.Verdict{Status: 503})
	p.Advance(1100 * time.Millisecond)
	check(t, p, "after", good(), servedVerdict)
	if p.Reloads() == 0 {
		t.Error("no VM was reloaded")
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a worker's VM ends while the manager is away",
		Done:     "the VM ends itself, the host makes another",
		Promised: "the new one decides by the policy in shared data",
		Seen:     "served 1.1 s later",
	})
}

// TestTwoManagersInOneVM keeps two managers' policies and tokens apart.
func TestTwoManagersInOneVM(t *testing.T) {
	other := strings.ReplaceAll(configuration, `"partnergate"`, `"elsewhere"`)
	p := start(t, proxyWith(1, newStub(estate(1)), filter("partnergate", configuration).WithName("one"), filter("partnergate", other).WithName("two")).
		WithCluster("elsewhere", newStub(revoked(5))))
	p.Advance(time.Second)
	eventually(t, p, func() bool {
		p.Advance(100 * time.Millisecond)
		response := do(t, p, good())
		return response.code() == "credential_missing"
	})
	// The first filter took the key away: what the second decides by is the other's policy.
	if got := do(t, p, good()); !strings.Contains(got.body, `"policy_version":5`) {
		t.Error(got.body)
	}
}
