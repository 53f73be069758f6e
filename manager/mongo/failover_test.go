package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
)

// TestPrimaryLost takes the primary of a replica set of three away, first in
// order and then by force, while two managers serve three proxies under load.
func TestPrimaryLost(t *testing.T) {
	t.Parallel()
	const quota = 3000
	set, err := mongod.Start(t.Context(), mongod.Options{Members: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	url := set.URL("failover")
	one, two, key, proxies := twoManagers(t, url, "[{name: monthly, quota: {requests: 3000, per: month}}]")
	x := newTraffic(t, key, proxies...)
	eventually(t, "requests are admitted", func() bool { return x.admitted.Load() > 100 })

	if err := set.StepDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	changed(t, one, "[{name: monthly, quota: {requests: 3000, per: month}}, {name: fast, rate: {requests: 100000, per: second}}]")
	restart := killPrimary(t, set)
	changed(t, two, "[{name: monthly, quota: {requests: 3000, per: month}}]")
	if err := restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the quota is used up", func() bool { return x.admitted.Load() >= quota && x.limited.Load() > 100 })
	x.end()
	if n := x.admitted.Load(); n != quota {
		t.Errorf("%d were admitted, want %d", n, quota)
	}
	eventually(t, "all usage is stored", func() bool { return admittedUsage(t, one) == quota })
	if x.others.Load() > 0 {
		t.Errorf("%d answers that should not be", x.others.Load())
	}
	reliability.Record(t, reliability.Row{
		Fault:    "MongoDB: the primary is lost",
		Done:     "step down, then SIGKILL, of a set of three under load by three proxies and two managers, with a change of policy after each",
		Promised: "changes wait for the new primary; the quota is admitted exactly, and counted exactly",
		Seen:     fmt.Sprintf("%d of %d admitted and counted, no other answer", x.admitted.Load(), quota),
	})
}

func killPrimary(t *testing.T, set *mongod.Set) (restart func() error) {
	t.Helper()
	var err error
	eventually(t, "there is a primary to kill", func() bool {
		restart, err = set.KillPrimary(t.Context())
		return err == nil
	})
	return restart
}

// changed changes the plan while the store has no primary: it takes longer, and that is all.
func changed(t *testing.T, n *node, limits string) {
	t.Helper()
	began := time.Now()
	apply(t, n, estateYAML(limits))
	t.Logf("the policy was changed after %v", time.Since(began))
}

// TestCommitsOutliveThePrimary counts through a step down by hand: each commit
// that was acknowledged is there, each that was not may be sent again, and none
// counts twice.
func TestCommitsOutliveThePrimary(t *testing.T) {
	url := newURL()
	s := opened(t, url)
	defer func() { _ = s.Close() }() // the end of the test
	const workers, batches = 4, 25
	errs := make(chan error, workers)
	for worker := range workers {
		go func() { errs <- commitAll(s, fmt.Sprintf("proxy-%d", worker), batches) }()
	}
	for round := range 2 {
		eventually(t, "there are commits", func() bool {
			sums, err := s.UsageSums(t.Context(), manager.UsageQuery{})
			return err == nil && len(sums) > 0 && sums[0].Requests >= int64(workers*batches*(round+1)/4)
		})
		eventually(t, "the primary steps down", func() bool { return single.StepDown(t.Context()) == nil })
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	sums, err := s.UsageSums(t.Context(), manager.UsageQuery{})
	if err != nil || len(sums) != 1 || sums[0].Requests != workers*batches {
		t.Errorf("%v, error %v; want %d requests", sums, err, workers*batches)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "MongoDB: the primary steps down between commits",
		Done:     "two step downs while four proxies store batches, each sent twice",
		Promised: "each acknowledged batch is there, and none counts twice",
		Seen:     fmt.Sprintf("%d of %d batches counted", workers*batches, workers*batches),
	})
}

func commitAll(s manager.Store, id string, batches int64) error {
	for revision := range batches {
		commit := manager.SyncCommit{
			Proxy: &manager.Proxy{ID: id, LastSync: time.Now(), Revision: revision},
			Usage: []manager.UsageRow{{Minute: time.Unix(0, 0), Key: manager.UsageKey{Partner: "acme"}, Requests: 1}},
		}
		if err := s.CommitSync(context.Background(), commit); err != nil {
			return err
		}
		if err := s.CommitSync(context.Background(), commit); !errors.Is(err, manager.ErrRevision) {
			return fmt.Errorf("the same batch again: error %w, want ErrRevision", err)
		}
	}
	return nil
}
