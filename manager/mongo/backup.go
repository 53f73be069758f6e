package mongo

import (
	"context"
	"crypto/rand"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

// Accounts implements manager.BackupStore.
func (s *Store) Accounts(ctx context.Context) ([]manager.Account, error) {
	return s.accounts(ctx, bson.D{})
}

// AllBuckets implements manager.BackupStore.
func (s *Store) AllBuckets(ctx context.Context) (found []manager.Bucket, err error) {
	var stored []bucket
	err = s.call(ctx, "list buckets", func(ctx context.Context) (err error) {
		stored, err = all[bucket](ctx, s, bucketCollection, bson.D{}, options.Find().SetSort(byID(1)))
		return err
	})
	for _, b := range stored {
		found = append(found, manager.Bucket{ID: b.ID, State: b.State, Revision: b.Revision})
	}
	return found, err
}

// Reset implements manager.BackupStore, collection by collection.
func (s *Store) Reset(ctx context.Context, revision int64) error {
	lineage := make([]byte, 16)
	_, _ = rand.Read(lineage) // never fails
	first := meta{ID: metaID, Schema: schemaVersion, Lineage: lineage, Revision: revision}
	err := s.call(ctx, "draw a new lineage", func(ctx context.Context) error {
		return s.put(ctx, metaCollection, byID(metaID), first)
	})
	names := []string{credentialCollection, resourceCollection}
	for name := range indices {
		if name != metaCollection {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if err == nil {
			err = s.delete(ctx, "empty the collection "+name, name, bson.D{})
		}
	}
	return err
}
