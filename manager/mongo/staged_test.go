package mongo_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/manager"
)

const largeCommit = 8000

// large puts so many plans, each with an entry of the audit log, that it takes several transactions.
func large(revision int64) manager.PolicyCommit {
	c := manager.PolicyCommit{Revision: revision}
	for i := range largeCommit {
		p := plan(fmt.Sprint("p", i), int(revision)+1)
		c.Changes = append(c.Changes, manager.Change{Ref: p.Ref(), After: p})
		c.Audit = append(c.Audit, manager.AuditEntry{Time: time.Unix(revision, 0), Action: "put", Name: p.Metadata.Name})
	}
	return c
}

// wantLarge wants the policy to be that of large at its revision.
func wantLarge(t *testing.T, s manager.Store) (revision int64) {
	t.Helper()
	policy, err := s.LoadPolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range policy.Resources {
		if weight := r.(*manager.Plan).Spec.Weight; int64(weight) != policy.Revision {
			t.Fatalf("revision %d holds %s of revision %d", policy.Revision, r.Meta().Name, weight)
		}
	}
	if policy.Revision > 0 && len(policy.Resources) != largeCommit {
		t.Fatalf("revision %d holds %d plans", policy.Revision, len(policy.Resources))
	}
	return policy.Revision
}

// stagedDocuments are how many writes lie aside.
func stagedDocuments(t *testing.T, url string) (n int64) {
	t.Helper()
	past(t, url, func(db *driver.Database) (err error) {
		n, err = db.Collection("staged").CountDocuments(t.Context(), bson.D{})
		return err
	})
	return n
}

// TestLargeCommitCutOff ends managers amid large commits: while they stage, and once the commit is made but not yet in its place.
func TestLargeCommitCutOff(t *testing.T) {
	t.Parallel()
	url := newURL()
	other := opened(t, url)
	defer func() { _ = other.Close() }() // the end of the test
	cutOff := func(when func() bool) {
		t.Helper()
		s := opened(t, url)
		ctx, cancel := context.WithCancel(t.Context())
		next, ended := large(wantLarge(t, other)), make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = s.CommitPolicy(ctx, next) // how far it came is what the test looks at
		}()
		eventually(t, "it is time to end the manager", when)
		cancel()
		<-ended
		_ = s.Close()
		t.Logf("cut off at %d staged writes", stagedDocuments(t, url))
	}
	cutOff(func() bool { return stagedDocuments(t, url) > 0 })
	before := wantLarge(t, other)
	for range 2 {
		cutOff(func() bool {
			revision, err := other.PolicyRevision(t.Context())
			return err == nil && revision > before
		})
		if before = wantLarge(t, other); before == 0 {
			t.Fatal("nothing was committed")
		}
	}
	// The next one to commit finishes what is left, and sweeps what never came about.
	past(t, url, func(db *driver.Database) error {
		old := bson.D{{Key: "commit", Value: bson.NewObjectIDFromTimestamp(time.Now().Add(-48 * time.Hour))}, {Key: "number", Value: int64(0)}}
		_, err := db.Collection("staged").InsertOne(t.Context(), bson.D{{Key: "_id", Value: old}})
		return err
	})
	if _, err := other.CommitPolicy(t.Context(), large(before)); err != nil {
		t.Fatal(err)
	}
	if revision := wantLarge(t, other); revision != before+1 {
		t.Errorf("revision %d after %d", revision, before)
	}
	page, err := other.Audit(t.Context(), manager.AuditQuery{Limit: 100_000})
	if err != nil || int64(len(page.Items)) != (before+1)*largeCommit {
		t.Errorf("%d entries of the audit log for %d commits, error %v", len(page.Items), before+1, err)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "MongoDB: a manager is cut off amid a large change",
		Done:     "a change of 8,000 resources cut off while it is staged, and twice once it is committed but not in its place",
		Promised: "all of the change or nothing of it is read at any time; the next manager finishes it, with its entries of the audit log",
		Seen:     "as promised",
	})
}

// TestStagedWritesAreMissing has a pending commit whose writes somebody has
// deleted: no policy without them is read, and nothing waits for them for ever.
func TestStagedWritesAreMissing(t *testing.T) {
	t.Parallel()
	url := newURL()
	s := opened(t, url)
	defer func() { _ = s.Close() }() // the end of the test
	past(t, url, func(db *driver.Database) error {
		lost := bson.D{{Key: "commit", Value: bson.NewObjectID()}, {Key: "writes", Value: int64(3)}, {Key: "done", Value: int64(1)}}
		_, err := db.Collection("meta").UpdateOne(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "pending", Value: lost}}}})
		return err
	})
	_, load := s.LoadPolicy(t.Context())
	_, commit := s.CommitPolicy(t.Context(), manager.PolicyCommit{})
	_, audit := s.Audit(t.Context(), manager.AuditQuery{})
	for call, err := range map[string]error{"LoadPolicy": load, "CommitPolicy": commit, "Audit": audit} {
		if err == nil || !strings.Contains(err.Error(), "not there") {
			t.Errorf("%s: error %v, want one that says what is missing", call, err)
		}
	}
}
