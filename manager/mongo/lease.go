package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

type proxy struct {
	ID            string `bson:"_id"`
	Node          string `bson:"node"`
	FirstSeen     int64  `bson:"first_seen"`
	LastSync      int64  `bson:"last_sync"`
	PolicyVersion int64  `bson:"policy_version"`
	PolicyAt      int64  `bson:"policy_at"`
	Sequence      int64  `bson:"sequence"` // the bits of an unsigned number
	Batch         []byte `bson:"batch"`
	Reply         []byte `bson:"reply"`
	Revision      int64  `bson:"revision"`
	Hours         bool   `bson:"hours"` // its last usage is in the sums of hours: a manager that keeps none writes the rest alone
}

func storedProxy(p *manager.Proxy) proxy {
	return proxy{ID: p.ID, Node: p.Node, FirstSeen: micros(p.FirstSeen), LastSync: micros(p.LastSync), PolicyVersion: p.PolicyVersion,
		PolicyAt: micros(p.PolicyAt), Sequence: int64(p.Sequence), Batch: p.Batch, Reply: p.Reply, Revision: p.Revision + 1, Hours: true}
}

func (p *proxy) read() manager.Proxy {
	return manager.Proxy{ID: p.ID, Node: p.Node, FirstSeen: fromMicros(p.FirstSeen), LastSync: fromMicros(p.LastSync),
		PolicyVersion: p.PolicyVersion, PolicyAt: fromMicros(p.PolicyAt), Sequence: uint64(p.Sequence), Batch: p.Batch, Reply: p.Reply, Revision: p.Revision}
}

// Proxy implements manager.LeaseStore.
func (s *Store) Proxy(ctx context.Context, id string) (*manager.Proxy, error) {
	var stored proxy
	err := s.call(ctx, "read a proxy", func(ctx context.Context) error {
		return s.one(ctx, proxyCollection, byID(id), &stored)
	})
	if err != nil {
		return nil, err
	}
	p := stored.read()
	return &p, nil
}

// Proxies implements manager.LeaseStore.
func (s *Store) Proxies(ctx context.Context, since time.Time) (found []manager.Proxy, err error) {
	var stored []proxy
	err = s.call(ctx, "list proxies", func(ctx context.Context) (err error) {
		filter := equals("last_sync", bson.D{{Key: "$gte", Value: micros(since)}})
		stored, err = all[proxy](ctx, s, proxyCollection, filter, options.Find().SetSort(equals("_id", 1)))
		return err
	})
	for i := range stored {
		found = append(found, stored[i].read())
	}
	return found, err
}

type bucket struct {
	ID       string `bson:"_id"`
	State    []byte `bson:"state"`
	Revision int64  `bson:"revision"`
}

// Buckets implements manager.LeaseStore.
func (s *Store) Buckets(ctx context.Context, ids []string) (found []manager.Bucket, err error) {
	if len(ids) == 0 {
		return nil, ctx.Err()
	}
	var stored []bucket
	err = s.call(ctx, "read buckets", func(ctx context.Context) (err error) {
		stored, err = all[bucket](ctx, s, bucketCollection, byID(bson.D{{Key: "$in", Value: ids}}))
		return err
	})
	at := make(map[string]*bucket, len(stored))
	for i := range stored {
		at[stored[i].ID] = &stored[i]
	}
	for _, id := range ids {
		if b := at[id]; b != nil {
			found = append(found, manager.Bucket{ID: id, State: b.State, Revision: b.Revision})
		}
	}
	return found, err
}

// CommitSync implements manager.LeaseStore. Proxy may be nil where only
// buckets change. Usage comes last, since that is what commits of different
// proxies may meet in.
func (s *Store) CommitSync(ctx context.Context, commit manager.SyncCommit) error {
	slot := slotOf(commit.Proxy)
	release, err := s.lockSlot(ctx, slot, len(commit.Usage)+len(commit.CredentialUses) > 0)
	if err != nil {
		return err
	}
	defer release()
	return s.atomically(ctx, "commit a sync", func(ctx context.Context) error {
		if p := commit.Proxy; p != nil {
			if err := s.swap(ctx, proxyCollection, p.ID, p.Revision, storedProxy(p)); err != nil {
				return err
			}
		}
		n, err := s.bulk(ctx, bucketCollection, bucketWrites(commit.Buckets))
		if err != nil {
			return taken(err)
		}
		if n < int64(len(commit.Buckets)) {
			return manager.ErrRevision
		}
		if err := s.addRequests(ctx, commit.Requests); err != nil {
			return err
		}
		if _, err := s.bulk(ctx, usageCollection, usageWrites(commit.Usage, slot)); err != nil {
			return err
		}
		if _, err := s.bulk(ctx, hourCollection, hourWrites(commit.Usage, slot)); err != nil {
			return err
		}
		_, err = s.bulk(ctx, useCollection, useWrites(commit.CredentialUses, slot))
		return err
	})
}

// lockSlot keeps commits of this process that add to the same usage from
// getting in each other's way.
func (s *Store) lockSlot(ctx context.Context, slot int, needed bool) (release func(), err error) {
	if !needed {
		return func() {}, nil
	}
	select {
	case s.slots[slot] <- struct{}{}:
		return func() { <-s.slots[slot] }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func bucketWrites(buckets []manager.Bucket) []driver.WriteModel {
	writes := make([]driver.WriteModel, len(buckets))
	for i, b := range buckets {
		document := bucket{ID: b.ID, State: b.State, Revision: b.Revision + 1}
		if b.Revision == 0 {
			writes[i] = driver.NewInsertOneModel().SetDocument(document)
			continue
		}
		filter := bson.D{{Key: "_id", Value: b.ID}, {Key: "revision", Value: b.Revision}}
		writes[i] = driver.NewReplaceOneModel().SetFilter(filter).SetReplacement(document)
	}
	return writes
}

// DeleteProxiesBefore implements manager.LeaseStore.
func (s *Store) DeleteProxiesBefore(ctx context.Context, t time.Time) error {
	return s.delete(ctx, "forget proxies", proxyCollection, equals("last_sync", bson.D{{Key: "$lt", Value: micros(t)}}))
}
