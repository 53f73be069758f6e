package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/partnergate/partnergate/manager"
)

// change tells which resources a revision of the policy wrote, so that other
// managers need not read all of it again. It is there for ten minutes, and not
// for a large commit.
type change struct {
	Revision int64        `bson:"_id"`
	Refs     []resourceID `bson:"refs"`
	At       time.Time    `bson:"at"` // a date, since MongoDB deletes by it
}

const (
	changeSeconds = 600
	mostRefs      = 5000 // that are read one by one: beyond that, all is quicker
)

// addChange belongs to the transaction of the revision.
func (s *Store) addChange(ctx context.Context, revision int64, changes []manager.Change) error {
	made := change{Revision: revision, Refs: make([]resourceID, len(changes)), At: time.Now()}
	for i := range changes {
		made.Refs[i] = resourceID(changes[i].Ref)
	}
	_, err := s.in(changeCollection).InsertOne(ctx, made)
	return err
}

// PolicyChanges implements manager.Notifier.
func (s *Store) PolicyChanges(ctx context.Context, lineage [16]byte, since int64) (delta *manager.PolicyDelta, err error) {
	err = s.atomically(ctx, "read what has changed in the policy", func(ctx context.Context) error {
		var head meta
		if err := s.one(ctx, metaCollection, byID(metaID), &head); err != nil {
			return err
		}
		if [16]byte(head.Lineage) != lineage || head.Revision < since {
			return manager.ErrMissing
		}
		refs, err := s.changedSince(ctx, since, head.Revision)
		if err != nil {
			return err
		}
		delta = &manager.PolicyDelta{Revision: head.Revision, ChangedAt: head.changedAt(), Emptied: head.Emptied}
		delta.Changes, err = s.readChanges(ctx, refs)
		return err
	})
	return delta, err
}

// changedSince names each resource once that the revisions after since have written.
func (s *Store) changedSince(ctx context.Context, since, revision int64) (map[manager.Ref]bool, error) {
	filter := byID(bson.D{{Key: "$gt", Value: since}, {Key: "$lte", Value: revision}})
	made, err := all[change](ctx, s, changeCollection, filter)
	if err != nil {
		return nil, err
	}
	refs := map[manager.Ref]bool{}
	for i := range made {
		for _, ref := range made[i].Refs {
			refs[manager.Ref(ref)] = true
		}
	}
	if int64(len(made)) != revision-since || len(refs) > mostRefs {
		return nil, manager.ErrMissing
	}
	return refs, nil
}

// readChanges reads those that are there; the others have been deleted.
func (s *Store) readChanges(ctx context.Context, refs map[manager.Ref]bool) (changes []manager.Change, err error) {
	resources, credentials := []resourceID{}, []string{}
	for ref := range refs {
		if ref.Kind == manager.KindCredential {
			credentials = append(credentials, ref.Name)
		} else {
			resources = append(resources, resourceID(ref))
		}
	}
	found, err := s.readPolicy(ctx, byID(bson.D{{Key: "$in", Value: resources}}), byID(bson.D{{Key: "$in", Value: credentials}}))
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		if refs[r.Ref()] { // else another partner's key of the same id
			changes = append(changes, manager.Change{Ref: r.Ref(), After: r})
			delete(refs, r.Ref())
		}
	}
	for ref := range refs {
		changes = append(changes, manager.Change{Ref: ref})
	}
	return changes, nil
}
