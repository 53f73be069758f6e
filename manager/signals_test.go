package manager_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// wires connect stores as a change stream does.
type wires struct {
	mu    sync.Mutex
	heard map[*sharedStore]func(manager.News)
}

func newWires() *wires { return &wires{heard: map[*sharedStore]func(manager.News){}} }

func (w *wires) tell(from *sharedStore, news manager.News) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s, heard := range w.heard {
		if s != from {
			heard(news)
		}
	}
}

// sharedStore is a store that tells others what it does, but for policy where it is deaf.
type sharedStore struct {
	brokenStore
	wires *wires
	deaf  bool
}

var _ manager.Notifier = (*sharedStore)(nil)

func (s *sharedStore) Signal(_ context.Context, signals []manager.Signal) error {
	for _, one := range signals {
		s.wires.tell(s, manager.News{Signal: one})
	}
	return nil
}

func (s *sharedStore) PolicyChanges(context.Context, [16]byte, int64) (*manager.PolicyDelta, error) {
	return nil, manager.ErrMissing
}

func (s *sharedStore) Listen(ctx context.Context, heard func(manager.News)) error {
	s.wires.mu.Lock()
	s.wires.heard[s] = heard
	s.wires.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (s *sharedStore) CommitPolicy(ctx context.Context, commit manager.PolicyCommit) (int64, error) {
	revision, err := s.brokenStore.CommitPolicy(ctx, commit)
	if err == nil && !s.deaf {
		s.wires.tell(s, manager.News{Policy: true})
	}
	return revision, err
}

// pair is two managers on one store.
func pair(t *testing.T, c *clock, deaf bool) (one, two *manager.Service, stores [2]*sharedStore) {
	t.Helper()
	path, w := filepath.Join(t.TempDir(), "policy.db"), newWires()
	for i := range stores {
		stores[i] = &sharedStore{brokenStore: brokenStore{Store: openStore(t, path)}, wires: w, deaf: deaf}
	}
	return startService(t, c, stores[0], slog.DiscardHandler), startService(t, c, stores[1], slog.DiscardHandler), stores
}

// patience bounds what is awaited in real time; nothing waits that long unless it fails.
const patience = 2 * time.Minute

// awaitThat waits in real time for what another goroutine does.
func awaitThat(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatal("it does not come to pass that " + what)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestOutageMakesNobodyGone has the store away for longer than the time after
// which a proxy counts as gone: what that holds is not given on until it had
// the time to be heard of again.
func TestOutageMakesNobodyGone(t *testing.T) {
	c := newClock()
	_, s, stores := pair(t, c, false)
	leased(t, s)
	a, b := newProcess(t, s, c, "a"), newProcess(t, s, c, "b")
	a.take(inFlight)
	a.settle()
	if n, _ := a.takeAll(inFlight); n != 4 {
		t.Fatalf("the first got %d slots", n)
	}
	a.settle()

	stores[1].broken.Store(true)
	c.advance(20 * time.Second)
	awaitThat(t, "the store is away", func() bool { return s.Ready() != nil })
	stores[1].broken.Store(false)
	awaitThat(t, "the store is back", func() bool { return s.Ready() == nil })
	b.take(inFlight)
	b.settle()
	if n, _ := b.takeAll(inFlight); n != 0 {
		t.Fatalf("the second got %d slots while the first may be there", n)
	}
	c.advance(16 * time.Second)
	for b.take(inFlight) != policy.Admitted {
		b.settle()
	}
}

// TestNewerThanTheManager has a proxy ask a manager that has not yet heard of
// the policy that the other gave out. In the bubble no time passes while the
// store is asked, however long that takes.
func TestNewerThanTheManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		one, two, _ := pair(t, c, true)
		leased(t, one)
		published := one.Published()
		m := wire.Watch{Proxy: newProcess(t, two, c, "p").id, Schema: policy.SchemaVersion, Lineage: published.Snapshot.Manifest().Lineage,
			Version: uint64(published.Version), Digest: published.Digest}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		r, err := watch(ctx, two, m)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if r.Manifest != "" {
			t.Error("the manager gave out what the proxy has, or an older policy")
		}
		if two.PolicyVersion() != one.PolicyVersion() {
			t.Errorf("the manager did not catch up: version %d, want %d", two.PolicyVersion(), one.PolicyVersion())
		}
		// The same revision that another version of the manager compiled otherwise is let be.
		m.Digest[0]++
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if r, err := watch(ctx, two, m); err != nil || r.Manifest != "" {
			t.Errorf("the proxy would swing between two managers: error %v", err)
		}
	})
}

// TestReadYourWrites changes at one manager, and asks the other, which nobody told, at once:
// in the bubble no poll comes in between, and no patience ends.
func TestReadYourWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		one, two, stores := pair(t, newClock(), true)
		apply(t, one, estate(t), manager.ApplyOptions{})
		ref := plan("new", 1).Ref()
		for name, enter := range map[string]func() error{
			"a token": func() error { _, err := two.Admission("secret").Principal(ctx, "secret"); return err },
			"a session": func() error {
				_, err := two.Sessions().Session(ctx, [32]byte{}, time.Now())
				if errors.Is(err, manager.ErrMissing) {
					return nil
				}
				return err
			},
		} {
			for _, change := range []func() error{
				func() error { _, _, err := one.Put(ctx, admin, plan("new", 1), manager.AnyRevision); return err },
				func() error { _, err := one.Delete(ctx, admin, ref, manager.AnyRevision); return err },
			} {
				if err := errors.Join(change(), enter()); err != nil {
					t.Fatalf("with %s: %v", name, err)
				}
				_, here := one.Resource(ctx, ref)
				_, there := two.Resource(ctx, ref)
				if manager.CodeOf(here) != manager.CodeOf(there) || one.PolicyVersion() != two.PolicyVersion() {
					t.Errorf("with %s the other manager answers %v, this one %v", name, there, here)
				}
			}
		}
		// While the store is away, what is known answers.
		stores[1].broken.Store(true)
		if _, err := two.Admission("secret").Principal(ctx, "secret"); err != nil {
			t.Error(err)
		}
	})
}

// TestChangeIsTold has a change reach the other manager before its next poll:
// in the bubble no time passes while somebody works.
func TestChangeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, _ := pair(t, newClock(), false)
		synctest.Wait() // both listen
		began, changed := time.Now(), two.Changed()
		leased(t, one)
		<-changed
		if took := time.Since(began); took != 0 || two.PolicyVersion() != one.PolicyVersion() {
			t.Errorf("the other manager heard of it after %v, and is at version %d of %d", took, two.PolicyVersion(), one.PolicyVersion())
		}
	})
}

// unorderedStore tells of changes in the worst order: what is there, then what is gone.
type unorderedStore struct {
	*sharedStore
	gone []manager.Change
}

func (s *unorderedStore) PolicyChanges(ctx context.Context, _ [16]byte, _ int64) (*manager.PolicyDelta, error) {
	all, err := s.LoadPolicy(ctx)
	if err != nil {
		return nil, err
	}
	delta := &manager.PolicyDelta{Revision: all.Revision, ChangedAt: all.ChangedAt, Emptied: all.Emptied}
	for _, r := range all.Resources {
		delta.Changes = append(delta.Changes, manager.Change{Ref: r.Ref(), After: r})
	}
	delta.Changes = append(delta.Changes, s.gone...)
	return delta, nil
}

// TestFollowKeyIDToAnotherPartner has the id of a key go from one partner to
// another between two looks: the manager that follows must still find the key.
func TestFollowKeyIDToAnotherPartner(t *testing.T) {
	const id = "legacy-key-1"
	c := newClock()
	one, _, stores := pair(t, c, false)
	two := startService(t, c, &unorderedStore{stores[1], []manager.Change{{Ref: manager.Ref{Kind: manager.KindCredential, Partner: "before", Name: id}}}}, slog.DiscardHandler)
	var owners []manager.Resource
	for _, name := range []string{"before", "after"} {
		owners = append(owners, &manager.Partner{Metadata: manager.Metadata{Name: name}},
			&manager.Application{Metadata: manager.Metadata{Name: "app", Partner: name}})
	}
	if _, err := one.Apply(t.Context(), admin, owners, manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	takeOver := func(partner string) {
		t.Helper()
		key := manager.ImportedKey{ID: id, Partner: partner, Application: "app", Environment: "sandbox", Digest: policy.KeyDigest("key of " + partner)}
		if _, err := one.ImportCredentials(t.Context(), admin, []manager.ImportedKey{key}, false); err != nil {
			t.Fatal(err)
		}
	}
	takeOver("before")
	_, revoked := one.RevokeCredential(t.Context(), admin, id)
	_, deleted := one.Delete(t.Context(), admin, owners[1].Ref(), manager.AnyRevision)
	if err := errors.Join(revoked, deleted); err != nil {
		t.Fatal(err)
	}
	takeOver("after")
	awaitThat(t, "the other manager follows", func() bool { return two.PolicyVersion() == one.PolicyVersion() })
	if _, err := two.RevokeCredential(t.Context(), admin, id); err != nil {
		t.Errorf("the manager that follows cannot revoke the key: %v", err)
	}
}

// TestNothingToChange asks a manager that has not heard of the newest policy to
// make it what it takes it for: that is a change all the same, and never
// answered as none while the store does not say so.
func TestNothingToChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, stores := pair(t, newClock(), true)
		apply(t, one, estate(t), manager.ApplyOptions{})
		set := func(s *manager.Service, weight int, dry bool) (manager.Action, error) {
			result, err := s.Apply(t.Context(), admin, []manager.Resource{plan("new", weight)}, manager.ApplyOptions{DryRun: dry})
			if err != nil {
				return "", err
			}
			return result.Results[0].Action, nil
		}
		for i, step := range []struct {
			at     *manager.Service
			weight int
			dry    bool
			want   manager.Action
		}{
			{two, 1, false, manager.ActionCreated},
			{one, 2, false, manager.ActionUpdated},
			{two, 1, false, manager.ActionUpdated}, // which is what two knows
			{one, 1, false, manager.ActionUnchanged},
			{one, 2, false, manager.ActionUpdated},
			{two, 1, true, manager.ActionUpdated},
		} {
			if got, err := set(step.at, step.weight, step.dry); got != step.want || err != nil {
				t.Errorf("step %d: %q, %v; want %q", i, got, err, step.want)
			}
		}
		stores[0].broken.Store(true)
		for _, dry := range []bool{false, true} {
			if _, err := set(one, 2, dry); manager.CodeOf(err) != manager.CodeUnavailable {
				t.Errorf("while the store is away, dry %v: %v", dry, err)
			}
		}
	})
}
