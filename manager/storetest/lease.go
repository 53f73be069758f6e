package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var leaseTests = []contractTest{
	on("proxies are kept, replaced and missing", testProxies),
	on("proxies are listed and forgotten by their last sync", testProxiesSince),
	on("buckets are read in the order asked for", testBuckets),
	on("a bucket alone", testBucketAlone),
	on("another revision writes nothing", testSyncAtomic),
	on("a cancelled context writes nothing", testCancelledSync),
	{"every batch counts once", testBatchesCountOnce},
}

func proxy(id string, minutes int, revision int64) *manager.Proxy {
	return &manager.Proxy{ID: id, Node: "node", FirstSeen: clock(0), LastSync: clock(minutes), PolicyVersion: 7, PolicyAt: clock(1),
		Sequence: 1<<64 - 1, Batch: []byte("\xff\x00batch"), Reply: []byte("\x00reply\xff"), Revision: revision}
}

func bucket(id, state string, revision int64) manager.Bucket {
	return manager.Bucket{ID: id, State: []byte(state), Revision: revision}
}

func testProxies(t *testing.T, s manager.Store) {
	ctx := context.Background()
	filled(t, *proxy("p", 1, 1))
	for _, id := range hostile {
		_, err := s.Proxy(ctx, id)
		wantError(t, err, manager.ErrMissing)
		bare := &manager.Proxy{ID: id}
		commitSync(t, s, manager.SyncCommit{Proxy: bare})
		bare.Revision = 1
		equal(t, "new proxy", bare, got(s.Proxy(ctx, id))(t))
		for revision := range int64(3) {
			commitSync(t, s, manager.SyncCommit{Proxy: proxy(id, 1, revision+1)})
			equal(t, "proxy", proxy(id, 1, revision+2), got(s.Proxy(ctx, id))(t))
		}
	}
}

func testProxiesSince(t *testing.T, s manager.Store) {
	ctx := context.Background()
	for i, id := range []string{"d", "b", "c", "a"} {
		commitSync(t, s, manager.SyncCommit{Proxy: proxy(id, i, 0)})
	}
	ids := func(since time.Time) (ids []string) {
		for _, p := range got(s.Proxies(ctx, since))(t) {
			ids = append(ids, p.ID)
		}
		return ids
	}
	equal(t, "all", []string{"a", "b", "c", "d"}, ids(time.Time{}))
	equal(t, "since", []string{"a", "c"}, ids(clock(2)))
	equal(t, "none", 0, len(ids(clock(4))))
	equal(t, "whole", *proxy("a", 3, 1), got(s.Proxies(ctx, clock(3)))(t)[0])
	must(t, s.DeleteProxiesBefore(ctx, clock(2)))
	equal(t, "left", []string{"a", "c"}, ids(time.Time{}))
	_, err := s.Proxy(ctx, "b")
	wantError(t, err, manager.ErrMissing)
	commitSync(t, s, manager.SyncCommit{Proxy: proxy("b", 9, 0)}) // a forgotten proxy may come again
	equal(t, "again", proxy("b", 9, 1), got(s.Proxy(ctx, "b"))(t))
}

func testBuckets(t *testing.T, s manager.Store) {
	var buckets []manager.Bucket
	var ids []string
	for _, id := range hostile {
		buckets = append(buckets, bucket(id, "\x00\xff"+id, 0))
		ids = append(ids, id)
	}
	buckets = append(buckets, bucket("empty", "", 0), manager.Bucket{ID: "large", State: bytes.Repeat([]byte{9}, 1<<20)})
	ids = append(ids, "empty", "large")
	commitSync(t, s, manager.SyncCommit{Proxy: proxy("p", 0, 0), Buckets: buckets})
	for i := range buckets {
		buckets[i].Revision = 1
	}
	slices.Reverse(ids)
	slices.Reverse(buckets)
	asked := slices.Insert(slices.Clone(ids), 3, "never stored")
	equal(t, "buckets", buckets, got(s.Buckets(context.Background(), asked))(t))
	equal(t, "no ids", 0, len(got(s.Buckets(context.Background(), nil))(t)))
	equal(t, "missing", 0, len(got(s.Buckets(context.Background(), []string{"never stored"}))(t)))
}

func testBucketAlone(t *testing.T, s manager.Store) {
	for revision := range int64(3) {
		commitSync(t, s, manager.SyncCommit{Buckets: []manager.Bucket{bucket("a", fmt.Sprint(revision), revision)}})
		equal(t, "bucket", []manager.Bucket{bucket("a", fmt.Sprint(revision), revision+1)}, got(s.Buckets(context.Background(), []string{"a"}))(t))
	}
	equal(t, "proxies", 0, len(got(s.Proxies(context.Background(), time.Time{}))(t)))
}

func testSyncAtomic(t *testing.T, s manager.Store) {
	ctx := context.Background()
	first := manager.SyncCommit{
		Proxy: proxy("p", 1, 0), Buckets: []manager.Bucket{bucket("a", "one", 0)}, Usage: []manager.UsageRow{counted(0, "acme", "x", 1)},
		Requests:       []manager.RequestRecord{logged(0, clock(0), fullKey)},
		CredentialUses: map[string]map[string]time.Time{"acme": {"k": clock(0)}},
	}
	commitSync(t, s, first)
	later := func(p *manager.Proxy, buckets ...manager.Bucket) manager.SyncCommit {
		return manager.SyncCommit{
			Proxy: p, Buckets: buckets, Usage: []manager.UsageRow{counted(0, "acme", "x", 5), counted(7, "globex", "x", 5)},
			Requests:       []manager.RequestRecord{logged(1, clock(1), fullKey)},
			CredentialUses: map[string]map[string]time.Time{"acme": {"k": clock(9), "new": clock(9)}},
		}
	}
	for name, stale := range map[string]manager.SyncCommit{
		"the same batch again":    first,
		"proxy made twice":        later(proxy("p", 9, 0), bucket("a", "two", 1)),
		"proxy too old":           later(proxy("p", 9, 2), bucket("a", "two", 1)),
		"proxy never stored":      later(proxy("q", 9, 1), bucket("a", "two", 1)),
		"bucket made twice":       later(proxy("p", 9, 1), bucket("b", "new", 0), bucket("a", "two", 0)),
		"bucket of another time":  later(proxy("p", 9, 1), bucket("b", "new", 0), bucket("a", "two", 2)),
		"bucket never stored":     later(proxy("p", 9, 1), bucket("a", "two", 1), bucket("b", "new", 1)),
		"bucket twice in a batch": later(proxy("p", 9, 1), bucket("a", "two", 1), bucket("a", "three", 1)),
		"bucket alone":            later(nil, bucket("a", "two", 0)),
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, s.CommitSync(ctx, stale), manager.ErrRevision)
			wantFirst(t, s)
		})
	}
	commitSync(t, s, later(proxy("p", 9, 1), bucket("b", "new", 0), bucket("a", "two", 1)))
	equal(t, "sum after all", int64(11), total(t, s, manager.UsageQuery{}))
}

// wantFirst checks that nothing but the first commit of testSyncAtomic is stored.
func wantFirst(t *testing.T, s manager.Store) {
	t.Helper()
	ctx := context.Background()
	equal(t, "proxies", []manager.Proxy{*proxy("p", 1, 1)}, got(s.Proxies(ctx, time.Time{}))(t))
	equal(t, "buckets", []manager.Bucket{bucket("a", "one", 1)}, got(s.Buckets(ctx, []string{"a", "b"}))(t))
	equal(t, "usage", int64(1), total(t, s, manager.UsageQuery{}))
	equal(t, "requests", 1, len(requests(t, s, manager.RequestQuery{Limit: 9}).Items))
	equal(t, "uses", map[string]time.Time{"k": clock(0)}, got(s.CredentialUses(ctx, "acme"))(t))
}

func testCancelledSync(t *testing.T, s manager.Store) {
	wantError(t, s.CommitSync(cancelled(), manager.SyncCommit{Proxy: proxy("p", 0, 0)}), context.Canceled)
	equal(t, "proxies", 0, len(got(s.Proxies(context.Background(), time.Time{}))(t)))
}

// testBatchesCountOnce lets many proxies take from one bucket through two
// openings of the same data. Each sends every batch until it is stored, and
// once more: the ledger, the usage and the log must agree to the last request.
func testBatchesCountOnce(t *testing.T, open Open) {
	const workers, batches = 8, 6
	stores := []manager.Store{opened(t, open), opened(t, open)}
	together(t, workers, func(worker int) error {
		s := stores[worker%len(stores)]
		id := fmt.Sprintf("proxy-%d", worker)
		for batch := range batches {
			stored, err := takeUntilStored(s, id, int64(batch))
			if err != nil {
				return err
			}
			if err := s.CommitSync(context.Background(), stored); !errors.Is(err, manager.ErrRevision) {
				return fmt.Errorf("%s: batch %d sent again: error %w, want ErrRevision", id, batch, err)
			}
		}
		return nil
	})
	s, want := stores[0], int64(workers*batches)
	spent := got(s.Buckets(context.Background(), []string{"shared"}))(t)[0]
	equal(t, "spent", uint64(want), binary.BigEndian.Uint64(spent.State))
	equal(t, "bucket's revision", want, spent.Revision)
	equal(t, "usage", want, total(t, s, manager.UsageQuery{}))
	equal(t, "requests", int(want), len(all(t, s, manager.RequestQuery{Limit: 7})))
	for _, p := range got(s.Proxies(context.Background(), time.Time{}))(t) {
		equal(t, "proxy's revision", int64(batches), p.Revision)
	}
}

// takeUntilStored takes one from the shared bucket.
func takeUntilStored(s manager.Store, id string, batch int64) (manager.SyncCommit, error) {
	ctx := context.Background()
	for {
		found, err := s.Buckets(ctx, []string{"shared"})
		if err != nil {
			return manager.SyncCommit{}, err
		}
		shared := manager.Bucket{ID: "shared", State: make([]byte, 8)}
		if len(found) > 0 {
			shared = found[0]
		}
		spent := binary.BigEndian.Uint64(shared.State) + 1
		shared.State = binary.BigEndian.AppendUint64(nil, spent)
		commit := manager.SyncCommit{
			Proxy: proxy(id, int(batch), batch), Buckets: []manager.Bucket{shared},
			Usage:    []manager.UsageRow{counted(int(batch)%3, "acme", "admitted", 1)},
			Requests: []manager.RequestRecord{logged(int(batch), clock(int(batch)), fullKey)},
		}
		if err := s.CommitSync(ctx, commit); !errors.Is(err, manager.ErrRevision) {
			return commit, err
		}
	}
}
