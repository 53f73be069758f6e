package mongo_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/testharness"
)

func admittedUsage(t *testing.T, n *node) (sum int64) {
	t.Helper()
	usage, err := n.Usage(t.Context(), manager.UsageQuery{Match: manager.UsageKey{Outcome: "admitted"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range usage.Sums {
		sum += row.Requests
	}
	return sum
}

// agree waits until both managers have the same policy.
func agree(t *testing.T, one, two *node) {
	t.Helper()
	eventually(t, "both managers have one policy", func() bool { return one.PolicyVersion() == two.PolicyVersion() })
}

// twoManagers serve three proxies, to each of which the key is good.
func twoManagers(t *testing.T, url, limits string) (one, two *node, key string, proxies []*testharness.Proxy) {
	t.Helper()
	one, two = newNode(t, opened(t, url)), newNode(t, opened(t, url))
	apply(t, one, estateYAML(limits))
	agree(t, one, two)
	cluster := balancer(t, one, two)
	key = newKey(t, two)
	agree(t, one, two) // else a proxy may get the policy before the key from the other
	for _, name := range []string{"a", "b", "c"} {
		proxies = append(proxies, startProxy(t, name, cluster))
	}
	return one, two, key, proxies
}

// TestManagerKilled has two managers serve three proxies under load, and kills
// one of them: the contract stays exact, the other takes changes, and no usage
// is lost.
func TestManagerKilled(t *testing.T) {
	const quota = 400
	one, two, key, proxies := twoManagers(t, newURL(), "[{name: monthly, quota: {requests: 400, per: month}}]")
	x := newTraffic(t, key, proxies...)
	eventually(t, "a quarter of the quota is used", func() bool { return x.admitted.Load() > quota/4 })
	one.kill()
	eventually(t, "the quota is used up", func() bool { return x.admitted.Load() >= quota && x.limited.Load() > 100 })
	wantRevoked(t, two, key, proxies)
	x.end()
	if n := x.admitted.Load(); n != quota {
		t.Errorf("%d were admitted, want %d", n, quota)
	}
	eventually(t, "all usage is stored", func() bool { return admittedUsage(t, two) == quota })
	reliability.Record(t, reliability.Row{
		Fault:    "MongoDB: one of two managers is killed under load",
		Done:     "a quarter into a quota of 400, under load by three proxies",
		Promised: "the quota is admitted and counted exactly; a revocation at the other reaches every proxy",
		Seen:     fmt.Sprintf("%d of %d admitted and counted", x.admitted.Load(), quota),
	})
}

// wantRevoked revokes the key at a manager, and measures until every proxy refuses it.
func wantRevoked(t *testing.T, n *node, key string, proxies []*testharness.Proxy) {
	t.Helper()
	_, id, _ := policy.ParseKey(key)
	if _, err := n.RevokeCredential(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	for _, p := range proxies {
		took := eventually(t, "the key is refused", func() bool {
			status, err := ask(p, key)
			return err == nil && status == http.StatusUnauthorized
		})
		t.Logf("refused after %v", took)
	}
}

// TestChangesReachTheOther changes policy at either manager, and looks whether
// proxies that only know the other one follow.
func TestChangesReachTheOther(t *testing.T) {
	url := newURL()
	one, two := newNode(t, opened(t, url)), newNode(t, opened(t, url))
	apply(t, one, estateYAML("[]"))
	first, second := startProxy(t, "first", balancer(t, one)), startProxy(t, "second", balancer(t, two))
	soonest := patience
	for round := range 6 {
		n := []*node{one, two}[round%2]
		key := newKey(t, n)
		began := time.Now()
		for _, p := range []*testharness.Proxy{first, second} {
			eventually(t, "the new key works", func() bool {
				status, err := ask(p, key)
				return err == nil && status == http.StatusOK
			})
		}
		took := time.Since(began)
		t.Logf("round %d: the key worked everywhere after %v", round, took)
		soonest = min(soonest, took)
	}
	if soonest > 2*time.Second { // all of them: in one or the other the machine had something else to do, or the proxies began
		t.Errorf("each of 6 changes took longer than 2 s, the quickest %v", soonest)
	}
	agree(t, one, two)
}

func syncOf(name string, sequence uint64, reports ...policy.Report) []byte {
	m := wire.Sync{Proxy: proxyOf(name), Sequence: sequence, PolicyVersion: 1, Reports: reports,
		Usage: []wire.Usage{{Minute: time.Now().Unix() / 60, Partner: "acme", Outcome: "admitted", Count: 1}}}
	return m.Append(nil)
}

func proxyOf(name string) wire.ProxyID {
	id := wire.ProxyID{Node: name}
	copy(id.Nonce[:], name+" has a nonce too")
	return id
}

const monthly = "acme/pay/monthly/quota-month"

// TestRetryAtTheOther sends a batch again, to the other manager: it gets the
// same answer and is counted once.
func TestRetryAtTheOther(t *testing.T) {
	url := newURL()
	one, two := newNode(t, opened(t, url)), newNode(t, opened(t, url))
	apply(t, one, estateYAML("[{name: monthly, quota: {requests: 100, per: month}}]"))
	agree(t, one, two)
	body := syncOf("p", 1, policy.Report{ID: monthly, Wanted: true, Demand: 7})
	first, err := one.Sync(t.Context(), body)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{two, one, two} {
		again, err := n.Sync(t.Context(), body)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("another answer to the same batch: %x, first %x, error %v", again, first, err)
		}
	}
	if r, err := wire.ParseSyncReply(string(first)); err != nil || len(r.Grants) != 1 || r.Grants[0].Tokens == 0 {
		t.Fatalf("the answer grants nothing: %+v, error %v", r, err)
	}
	if n := admittedUsage(t, two); n != 1 {
		t.Errorf("the batch was counted %d times", n)
	}
	if _, err := two.Sync(t.Context(), syncOf("p", 2)); err != nil {
		t.Error(err)
	}
	if _, err := one.Sync(t.Context(), body); manager.CodeOf(err) != manager.CodeConflict {
		t.Errorf("an older batch: error %v, want a conflict", err)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "MongoDB: a batch is sent again, to the other manager",
		Done:     "the same bytes four times, at both managers in turn, then an older batch",
		Promised: "the same answer, granted and counted once; an older batch is refused",
		Seen:     "as promised",
	})
}

// TestNudgeReachesTheOther has one proxy hold all tokens and watch at one
// manager, and another ask for some at the other.
func TestNudgeReachesTheOther(t *testing.T) {
	url := newURL()
	one, two := newNode(t, opened(t, url)), newNode(t, opened(t, url))
	apply(t, one, estateYAML("[{name: monthly, quota: {requests: 3, per: month}}]"))
	agree(t, one, two)
	reply, err := one.Sync(t.Context(), syncOf("rich", 1, policy.Report{ID: monthly, Wanted: true, Demand: 3}))
	if err != nil {
		t.Fatal(err)
	}
	r, err := wire.ParseSyncReply(string(reply))
	if err != nil || len(r.Grants) != 1 || r.Grants[0].Tokens != 3 {
		t.Fatalf("granted %+v, error %v; want all 3", r.Grants, err)
	}
	held := policy.Report{ID: monthly, Epoch: r.Grants[0].Epoch, Tokens: 3, WindowEnd: r.Grants[0].WindowEnd}
	if _, err := one.Sync(t.Context(), syncOf("rich", 2, held)); err != nil {
		t.Fatal(err)
	}
	nudged := make(chan time.Time, 1)
	go func() {
		m := wire.Watch{Proxy: proxyOf("rich"), Schema: policy.SchemaVersion, Lineage: one.Published().Snapshot.Manifest().Lineage,
			Version: uint64(one.PolicyVersion()), Digest: one.Published().Digest}
		for ctx := context.WithoutCancel(t.Context()); ; {
			body, err := two.Watch(ctx, m.Append(nil))
			if r, _ := wire.ParseWatchReply(string(body)); err != nil || r.SyncNow {
				nudged <- time.Now()
				return
			}
		}
	}()
	// What one signals before the other watches stays with it, too.
	began := time.Now()
	if _, err := one.Sync(t.Context(), syncOf("poor", 1, policy.Report{ID: monthly, Wanted: true, Demand: 1})); err != nil {
		t.Fatal(err)
	}
	select {
	case at := <-nudged:
		t.Logf("nudged after %v", at.Sub(began))
	case <-time.After(patience):
		t.Fatal("the proxy was not asked to sync")
	}
}
