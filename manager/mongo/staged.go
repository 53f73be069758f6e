package mongo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

// A commit that is too large for one transaction is staged: its writes are
// stored aside, in as many steps as it takes. Then one small transaction raises
// the revision and names them as pending, and that is the commit: from then on
// whoever reads the policy reads it with them. At last they are moved to their
// places, by whoever comes first: the next to commit, where this one dies.

// pending is a commit whose writes from Done on are not in their places yet.
type pending struct {
	Commit bson.ObjectID `bson:"commit"`
	Writes int64         `bson:"writes"` // how many there are
	Done   int64         `bson:"done"`   // how many are in their places
}

// stagedWrite is one of them.
type stagedWrite struct {
	ID    stagedID    `bson:"_id"`
	Write policyWrite `bson:",inline"`
}

type stagedID struct {
	Commit bson.ObjectID `bson:"commit"`
	Number int64         `bson:"number"`
}

// staleAfter is how old what was staged and never committed is when it is swept:
// by more than the clocks of two managers differ.
const staleAfter = 24 * time.Hour

var errStagedMissing = errors.New("staged writes are not there; if it stays so, restore the last backup")

var errDuplicate = errors.New("another credential has the same digest, or another partner's has the same id")

// stagedFrom finds the writes of a commit from a number on.
func stagedFrom(commit bson.ObjectID, number int64) bson.D {
	return byID(bson.D{{Key: "$gte", Value: stagedID{commit, number}}, {Key: "$lte", Value: bson.D{{Key: "commit", Value: commit}, {Key: "number", Value: bson.MaxKey{}}}}})
}

func (s *Store) commitStaged(ctx context.Context, doing string, commit *manager.PolicyCommit, writes []policyWrite) error {
	if err := s.checkStaged(ctx, doing, commit, writes); err != nil {
		return err
	}
	p := &pending{Commit: bson.NewObjectID(), Writes: int64(len(writes))}
	if err := s.stage(ctx, p.Commit, writes); err != nil {
		return err
	}
	err := s.atomically(ctx, doing, func(ctx context.Context) error {
		if err := s.checkPending(ctx, p); err != nil {
			return err
		}
		return s.raise(ctx, commit, p)
	})
	if err != nil {
		return err
	}
	_ = s.settle(ctx) // it is committed; whoever comes next goes on
	return nil
}

// checkPending makes sure that all is there which is not in its place.
func (s *Store) checkPending(ctx context.Context, p *pending) error {
	n, err := s.in(stagedCollection).CountDocuments(ctx, stagedFrom(p.Commit, p.Done))
	if err == nil && n != p.Writes-p.Done {
		return fmt.Errorf("%w: %d of %d", errStagedMissing, n, p.Writes-p.Done)
	}
	return err
}

// stage stores the writes aside.
func (s *Store) stage(ctx context.Context, commit bson.ObjectID, writes []policyWrite) error {
	for number := int64(0); len(writes) > 0; {
		n := fits(writes)
		documents := make([]stagedWrite, n)
		for i := range documents {
			documents[i] = stagedWrite{stagedID{commit, number + int64(i)}, writes[i]}
		}
		err := s.atomically(ctx, "stage a part of a commit", func(ctx context.Context) error {
			_, err := s.in(stagedCollection).InsertMany(ctx, documents)
			return err
		})
		if err != nil {
			return err
		}
		number, writes = number+int64(n), writes[n:]
	}
	return nil
}

// checkStaged makes sure before the commit of what would fail after it. The
// policy cannot change in between: the commit compares its revision.
func (s *Store) checkStaged(ctx context.Context, doing string, commit *manager.PolicyCommit, writes []policyWrite) error {
	revision, err := s.PolicyRevision(ctx)
	if err == nil && revision != commit.Revision {
		err = manager.ErrRevision
	}
	if err == nil {
		err = s.checkCredentials(ctx, writes)
	}
	if err != nil {
		return fmt.Errorf("mongodb store: %s: %w", doing, err)
	}
	return nil
}

func (s *Store) checkCredentials(ctx context.Context, writes []policyWrite) error {
	deleted, owners, digests := map[manager.Ref]bool{}, map[string]string{}, map[string]string{}
	for i := range writes {
		if d := writes[i].Deleted; d != nil {
			deleted[manager.Ref(*d)] = true
		}
		if c := writes[i].Credential; c != nil {
			_, twice := digests[string(c.Digest)]
			if _, owned := owners[c.ID]; twice || owned {
				return errDuplicate
			}
			owners[c.ID], digests[string(c.Digest)] = c.Partner, c.ID
		}
	}
	for some := range slices.Chunk(slices.Collect(maps.Keys(digests)), transactionWrites) {
		var bytes [][]byte
		var ids []string
		for _, digest := range some {
			bytes, ids = append(bytes, []byte(digest)), append(ids, digests[digest])
		}
		var there []credential
		err := s.call(ctx, "look for equal credentials", func(ctx context.Context) (err error) {
			there, err = all[credential](ctx, s, credentialCollection, bson.D{{Key: "$or", Value: bson.A{
				byID(bson.D{{Key: "$in", Value: ids}}), equals("digest", bson.D{{Key: "$in", Value: bytes}}),
			}}})
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range there {
			gone := deleted[manager.Ref{Kind: manager.KindCredential, Partner: c.Partner, Name: c.ID}]
			owner, replaced := owners[c.ID]
			id, taken := digests[string(c.Digest)]
			if !gone && (replaced && owner != c.Partner || taken && id != c.ID) {
				return errDuplicate
			}
		}
	}
	return nil
}

// settle moves what is pending to its places, and returns when nothing is. Any
// number of managers may do so at once: each step is one transaction that
// counts it as done.
func (s *Store) settle(ctx context.Context) error {
	for {
		var head meta
		err := s.call(ctx, "look for a pending commit", func(ctx context.Context) error {
			head = meta{}
			return s.one(ctx, metaCollection, byID(metaID), &head)
		})
		if err != nil || head.Pending == nil {
			return err
		}
		if err := s.settleStep(ctx, head.Pending); err != nil {
			return err
		}
	}
}

func (s *Store) settleStep(ctx context.Context, p *pending) error {
	last := false
	err := s.atomically(ctx, "settle a part of a commit", func(ctx context.Context) error {
		part, err := all[stagedWrite](ctx, s, stagedCollection, stagedFrom(p.Commit, p.Done),
			options.Find().SetSort(byID(1)).SetLimit(transactionWrites))
		if err != nil {
			return err
		}
		writes := make([]policyWrite, len(part))
		for i := range part {
			writes[i] = part[i].Write
		}
		writes = writes[:fits(writes)]
		done := p.Done + int64(len(writes))
		update := bson.D{{Key: "$set", Value: equals("pending.done", done)}}
		ends := done >= p.Writes
		if ends {
			update = bson.D{{Key: "$unset", Value: equals("pending", 1)}}
		}
		head := bson.D{{Key: "_id", Value: metaID}, {Key: "pending.commit", Value: p.Commit}, {Key: "pending.done", Value: p.Done}}
		result, err := s.in(metaCollection).UpdateOne(ctx, head, update)
		if last = false; err != nil || result.MatchedCount == 0 {
			return err // another has done this step, and sweeps after the last one
		}
		if last = ends; len(writes) == 0 {
			return errStagedMissing
		}
		return s.apply(ctx, writes)
	})
	if err == nil && last {
		err = s.sweep(ctx, p.Commit)
	}
	return err
}

// sweep deletes what was staged for a commit that is settled, and for those
// that never came about.
func (s *Store) sweep(ctx context.Context, settled bson.ObjectID) error {
	stale := bson.NewObjectIDFromTimestamp(time.Now().Add(-staleAfter))
	return s.delete(ctx, "delete what was staged", stagedCollection, bson.D{{Key: "$or", Value: bson.A{
		equals("_id.commit", settled), equals("_id.commit", bson.D{{Key: "$lt", Value: stale}}),
	}}})
}

// withPending is the policy after the writes that are not in their places yet.
func (s *Store) withPending(ctx context.Context, found []manager.Resource, p *pending) ([]manager.Resource, error) {
	if err := s.checkPending(ctx, p); err != nil {
		return nil, err
	}
	here := append(stagedFrom(p.Commit, p.Done), bson.E{Key: "audit", Value: nil})
	rest, err := all[stagedWrite](ctx, s, stagedCollection, here, options.Find().SetSort(byID(1)))
	if err != nil {
		return nil, err
	}
	policy := make(map[manager.Ref]manager.Resource, len(found)+len(rest))
	for _, r := range found {
		policy[r.Ref()] = r
	}
	for i := range rest {
		switch w := &rest[i].Write; {
		case w.Deleted != nil:
			delete(policy, manager.Ref(*w.Deleted))
		case w.Resource != nil:
			r, err := w.Resource.read()
			if err != nil {
				return nil, fmt.Errorf("read %v: %w", manager.Ref(w.Resource.ID), err)
			}
			policy[r.Ref()] = r
		case w.Credential != nil:
			c := w.Credential.read()
			policy[c.Ref()] = c
		}
	}
	return slices.Collect(maps.Values(policy)), nil
}
