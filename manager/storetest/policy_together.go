package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// policyTogetherTests are of several who read and write the policy at once.
var policyTogetherTests = []contractTest{
	{"each revision has one winner", testOneWinner},
	{"readers see whole revisions", testWholeRevisions},
}

// testOneWinner lets many write through two openings of the same data, as two
// managers would. They are few enough that no opening waits as long for the
// others as a store waits at most, however slow the disk is.
func testOneWinner(t *testing.T, open Open) {
	const workers, each = 8, 6
	stores := []manager.Store{opened(t, open), opened(t, open)}
	var winners sync.Map // names by revision
	together(t, workers, func(worker int) error {
		s := stores[worker%len(stores)]
		for i := range each {
			name := fmt.Sprintf("w%d-%02d", worker, i)
			revision, err := commitUntilWon(s, application("acme", name, name))
			if err != nil {
				return err
			}
			if other, taken := winners.LoadOrStore(revision, name); taken {
				return fmt.Errorf("%s and %s both won revision %d", name, other, revision)
			}
		}
		return nil
	})
	policy := got(stores[0].LoadPolicy(context.Background()))(t)
	if policy.Revision != workers*each || len(policy.Resources) != workers*each {
		t.Fatalf("revision %d with %d resources, want %d of each", policy.Revision, len(policy.Resources), workers*each)
	}
}

func commitUntilWon(s manager.Store, r manager.Resource) (int64, error) {
	for {
		expected, err := s.PolicyRevision(context.Background())
		if err != nil {
			return 0, err
		}
		revision, err := s.CommitPolicy(context.Background(), manager.PolicyCommit{Revision: expected, Changes: []manager.Change{put(r)}})
		if !errors.Is(err, manager.ErrRevision) {
			return revision, err
		}
	}
}

// testWholeRevisions commits the revision's number as two titles; a reader must never see two different ones.
func testWholeRevisions(t *testing.T, open Open) {
	writer, reader := opened(t, open), opened(t, open)
	const revisions = 60
	ended := make(chan struct{})
	together(t, 2, func(worker int) error {
		if worker == 0 {
			defer close(ended)
			for i := range int64(revisions) {
				title := fmt.Sprint(i + 1)
				changes := []manager.Change{put(application("acme", "a", title)), put(application("zeta", "z", title))}
				if _, err := writer.CommitPolicy(context.Background(), manager.PolicyCommit{Revision: i, Changes: changes}); err != nil {
					return err
				}
			}
			return nil
		}
		for {
			select {
			case <-ended:
				return nil
			default:
			}
			policy, err := reader.LoadPolicy(context.Background())
			if err != nil {
				return err
			}
			for _, r := range policy.Resources {
				if title := r.(*manager.Application).Spec.Title; title != fmt.Sprint(policy.Revision) {
					return fmt.Errorf("revision %d holds what revision %s wrote", policy.Revision, title)
				}
			}
		}
	})
}
