package mongo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/partnergate/partnergate/manager"
)

// policyWrite is one write of a commit. One field is set.
type policyWrite struct {
	Deleted    *resourceID `bson:"deleted,omitempty"` // credentials, too
	Resource   *resource   `bson:"resource,omitempty"`
	Credential *credential `bson:"credential,omitempty"`
	Audit      *auditEntry `bson:"audit,omitempty"`
}

// size is about how many bytes it takes.
func (w *policyWrite) size() int {
	switch {
	case w.Resource != nil:
		return len(w.Resource.Document)
	case w.Audit != nil:
		return len(w.Audit.Before) + len(w.Audit.After)
	}
	return 0
}

// What one transaction writes at most, so that it fits into the smallest cache
// that MongoDB has and is over in a second or two.
const (
	transactionWrites = 2000
	transactionBytes  = 16 << 20
)

// CommitPolicy implements manager.PolicyStore. Deletions come first, so that
// what one change frees another may take.
func (s *Store) CommitPolicy(ctx context.Context, commit manager.PolicyCommit) (int64, error) {
	next := commit.Revision + 1
	doing := fmt.Sprintf("commit the policy's revision %d", next)
	writes, err := policyWrites(&commit)
	if err != nil {
		return 0, fmt.Errorf("mongodb store: %s: %w", doing, err)
	}
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	if fits(writes) < len(writes) {
		return next, s.commitStaged(ctx, doing, &commit, writes)
	}
	return next, s.atomically(ctx, doing, func(ctx context.Context) error {
		if err := s.raise(ctx, &commit, nil); err != nil {
			return err
		}
		if err := s.addChange(ctx, next, commit.Changes); err != nil {
			return err
		}
		return s.apply(ctx, writes)
	})
}

// fits is how many of the writes go into one transaction; one always does.
func fits(writes []policyWrite) int {
	size := 0
	for i := range writes {
		if size += writes[i].size(); i > 0 && size > transactionBytes || i == transactionWrites {
			return i
		}
	}
	return len(writes)
}

// raise makes a commit's revision the next one, or returns manager.ErrRevision.
func (s *Store) raise(ctx context.Context, commit *manager.PolicyCommit, p *pending) error {
	changedAt := int64(0)
	if !commit.At.IsZero() {
		changedAt = micros(commit.At)
	}
	update := bson.D{{Key: "revision", Value: commit.Revision + 1}, {Key: "changed_at", Value: changedAt}, {Key: "emptied", Value: commit.Emptied}}
	if p != nil {
		update = append(update, bson.E{Key: "pending", Value: p})
	}
	head := bson.D{{Key: "_id", Value: metaID}, {Key: "revision", Value: commit.Revision}, {Key: "pending", Value: nil}}
	result, err := s.in(metaCollection).UpdateOne(ctx, head, bson.D{{Key: "$set", Value: update}})
	if err == nil && result.MatchedCount == 0 {
		return manager.ErrRevision
	}
	return err
}

// apply does the writes; it belongs to a transaction.
func (s *Store) apply(ctx context.Context, writes []policyWrite) error {
	var resources, credentials []driver.WriteModel
	var audit []auditEntry
	for i := range writes {
		switch w := &writes[i]; {
		case w.Audit != nil:
			audit = append(audit, *w.Audit)
		case w.Resource != nil:
			resources = append(resources, driver.NewReplaceOneModel().SetFilter(byID(w.Resource.ID)).SetReplacement(w.Resource).SetUpsert(true))
		case w.Credential != nil:
			credentials = append(credentials, driver.NewReplaceOneModel().SetFilter(keyOf(w.Credential.ID, w.Credential.Partner)).SetReplacement(w.Credential).SetUpsert(true))
		case w.Deleted.Kind == manager.KindCredential:
			credentials = append(credentials, driver.NewDeleteOneModel().SetFilter(keyOf(w.Deleted.Name, w.Deleted.Partner)))
		default:
			resources = append(resources, driver.NewDeleteOneModel().SetFilter(byID(*w.Deleted)))
		}
	}
	if _, err := s.bulk(ctx, resourceCollection, resources); err != nil {
		return err
	}
	if _, err := s.bulk(ctx, credentialCollection, credentials); err != nil {
		return explainDuplicate(err)
	}
	if len(audit) == 0 {
		return nil
	}
	_, err := s.in(auditCollection).InsertMany(ctx, audit)
	return err
}

// keyOf finds a credential: no partner changes another's.
func keyOf(id, partner string) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "partner", Value: partner}}
}

func explainDuplicate(err error) error {
	if driver.IsDuplicateKeyError(err) {
		return fmt.Errorf("%w: %w", errDuplicate, err)
	}
	return err
}

// policyWrites are the writes of a commit, deletions first.
func policyWrites(commit *manager.PolicyCommit) ([]policyWrite, error) {
	writes := make([]policyWrite, 0, len(commit.Changes)+len(commit.Audit))
	for _, c := range commit.Changes {
		if c.After == nil {
			deleted := resourceID(c.Ref)
			writes = append(writes, policyWrite{Deleted: &deleted})
		}
	}
	for _, c := range commit.Changes {
		if c.After == nil {
			continue
		}
		if c.Ref != c.After.Ref() {
			return nil, fmt.Errorf("the change of %v holds the resource %v", c.Ref, c.After.Ref())
		}
		if after, ok := c.After.(*manager.Credential); ok {
			stored := storedCredential(after)
			writes = append(writes, policyWrite{Credential: &stored})
			continue
		}
		stored, err := storedResource(c.Ref, c.After)
		if err != nil {
			return nil, fmt.Errorf("write %v: %w", c.Ref, err)
		}
		writes = append(writes, policyWrite{Resource: &stored})
	}
	for i := range commit.Audit {
		stored := storedAudit(&commit.Audit[i])
		writes = append(writes, policyWrite{Audit: &stored})
	}
	return writes, nil
}
