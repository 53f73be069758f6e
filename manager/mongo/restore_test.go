package mongo_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/backup"
	"github.com/partnergate/partnergate/manager/lease"
	"github.com/partnergate/partnergate/manager/sqlite"
)

// TestProxyFollowsRestore restores a backup of a manager on SQLite into
// MongoDB. A proxy that runs moves over, though the version there is lower: what
// was made after the backup is gone, what was there before works, and the part
// of the quota that was used stays used.
func TestProxyFollowsRestore(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	before := newNode(t, store)
	apply(t, before, estateYAML("[{name: monthly, quota: {requests: 500, per: month}}]"))
	key := newKey(t, before)
	var cluster atomic.Pointer[http.Handler]
	first := balancer(t, before)
	cluster.Store(&first)
	p := startProxy(t, "p", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*cluster.Load()).ServeHTTP(w, r) }))
	admitted := 0
	status := func(key string) int {
		code, err := ask(p, key)
		if err != nil {
			t.Fatal(err)
		}
		if code == http.StatusOK {
			admitted++
		}
		return code
	}
	eventually(t, "20 requests are admitted", func() bool { return status(key) != 0 && admitted == 20 })
	eventually(t, "they are counted", func() bool { return admittedUsage(t, before) == 20 })

	saved := granted(t, store)
	var file bytes.Buffer
	if _, err := backup.Dump(t.Context(), store, &file, time.Now()); err != nil {
		t.Fatal(err)
	}
	var later string
	for range 3 {
		later = newKey(t, before)
	}
	eventually(t, "a key made after the backup works", func() bool { return status(later) == http.StatusOK })
	lost := before.PolicyVersion()
	again := granted(t, store) - saved // of which the backup knows nothing
	before.kill()

	restored := opened(t, newURL())
	if _, err := backup.Restore(t.Context(), restored, bytes.NewReader(file.Bytes()), false); err != nil {
		t.Fatal(err)
	}
	after := newNode(t, restored)
	if after.PolicyVersion() >= lost {
		t.Fatalf("version %d after %d", after.PolicyVersion(), lost)
	}
	second := balancer(t, after)
	cluster.Store(&second)
	took := eventually(t, "the proxy has the restored policy", func() bool { return status(later) == http.StatusUnauthorized })
	t.Logf("the proxy followed after %v", took)
	if version, ok := p.Metric("partnergate_policy_version"); !ok || version != uint64(after.PolicyVersion()) {
		t.Errorf("the proxy decides by version %d, want %d", version, after.PolicyVersion())
	}
	for code := 0; code != http.StatusTooManyRequests; {
		if code = status(key); code == http.StatusServiceUnavailable {
			time.Sleep(10 * time.Millisecond) // a lease has come when a request no longer waits for it
		}
	}
	if admitted < 500 || admitted > 500+again {
		t.Errorf("%d were admitted before and after, want 500 and at most %d more", admitted, again)
	}
}

// granted is how many tokens of the quota proxies have got.
func granted(t *testing.T, s manager.Store) int {
	t.Helper()
	buckets, err := s.AllBuckets(t.Context())
	if err != nil || len(buckets) != 1 {
		t.Fatalf("%d buckets, error %v", len(buckets), err)
	}
	state, err := lease.Decode(policy.QuotaPerMonth, buckets[0].State)
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := state.Granted(time.Now().UnixMilli())
	return int(tokens)
}
