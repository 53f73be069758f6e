package mongo_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

func plan(name string, weight int) *manager.Plan {
	return &manager.Plan{Metadata: manager.Metadata{Name: name}, Spec: manager.PlanSpec{Weight: weight}}
}

// TestManagersCompileTheSame changes the policy at either manager at random, each of which reads only what the other has changed:
// the two must end with the same bytes, and so must one that reads all.
func TestManagersCompileTheSame(t *testing.T) {
	t.Parallel()
	url := newURL()
	nodes := []*node{newNode(t, opened(t, url)), newNode(t, opened(t, url))}
	apply(t, nodes[0], estateYAML("[]"))
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		n, name := nodes[random.IntN(2)], fmt.Sprint("p", random.IntN(5))
		var err error
		switch random.IntN(4) {
		case 0:
			_, _, err = n.Put(t.Context(), admin, plan(name, random.IntN(9)), manager.AnyRevision)
		case 1:
			if _, err = n.Delete(t.Context(), admin, plan(name, 0).Ref(), manager.AnyRevision); manager.CodeOf(err) == manager.CodeNotFound {
				err = nil
			}
		case 2:
			newKey(t, n)
		case 3:
			apply(t, n, estateYAML(fmt.Sprintf("[{name: r, rate: {requests: %d, per: second}}]", 1+random.IntN(9))))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	agree(t, nodes[0], nodes[1])
	digest := newNode(t, opened(t, url)).Published().Digest
	for i, n := range nodes {
		if n.Published().Digest != digest {
			t.Errorf("manager %d has compiled version %d otherwise than one that has just started", i, n.PolicyVersion())
		}
	}
}

func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	s := opened(t, newURL())
	defer func() { _ = s.Close() }() // the end of the test
	commit := func(changes ...manager.Change) {
		t.Helper()
		revision, err := s.PolicyRevision(t.Context())
		if err == nil {
			_, err = s.CommitPolicy(t.Context(), manager.PolicyCommit{Revision: revision, Emptied: true, Changes: changes})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(r manager.Resource) manager.Change { return manager.Change{Ref: r.Ref(), After: r} }
	commit(put(plan("a", 1)), put(plan("b", 1)))
	commit(put(plan("a", 2)), put(plan("c", 1)))
	commit(manager.Change{Ref: plan("c", 0).Ref()})
	before, err := s.LoadPolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	delta, err := s.PolicyChanges(t.Context(), before.Lineage, 1)
	if err != nil || delta.Revision != 3 || !delta.Emptied || len(delta.Changes) != 2 {
		t.Fatalf("%+v, error %v; want revision 3 with two changes", delta, err)
	}
	for _, c := range delta.Changes {
		if p, there := c.After.(*manager.Plan); there != (c.Ref.Name == "a") || there && p.Spec.Weight != 2 {
			t.Errorf("%v is now %+v", c.Ref, c.After)
		}
	}
	if delta, err := s.PolicyChanges(t.Context(), before.Lineage, 3); err != nil || delta.Revision != 3 || len(delta.Changes) != 0 {
		t.Errorf("%+v, error %v; want no change since the last revision", delta, err)
	}
	large := make([]manager.Change, 6000) // too many to be read one by one
	for i := range large {
		large[i] = put(plan(fmt.Sprint("l", i), 1))
	}
	commit(large...)
	for name, since := range map[string]int64{"a large change": 3, "a later revision": 9} {
		if _, err := s.PolicyChanges(t.Context(), before.Lineage, since); !errors.Is(err, manager.ErrMissing) {
			t.Errorf("%s: error %v, want ErrMissing", name, err)
		}
	}
	if _, err := s.PolicyChanges(t.Context(), [16]byte{1}, 4); !errors.Is(err, manager.ErrMissing) {
		t.Errorf("another lineage: error %v, want ErrMissing", err)
	}
}
