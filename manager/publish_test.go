package manager_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

// awaitVersion waits until a service has published a version.
func awaitVersion(t *testing.T, s *manager.Service, version int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		changed := s.Changed()
		if s.Published().Version >= version {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("version %d was not published; it is at %d", version, s.Published().Version)
		}
	}
}

func TestFirstSnapshot(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	running := goleak.IgnoreCurrent()
	s := startService(t, newClock(), store, slog.DiscardHandler)
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
	p := s.Published()
	if p == nil || p.Version != s.PolicyVersion() || p.Snapshot.Version() != uint64(p.Version) {
		t.Fatalf("published %+v", p)
	}
	if m := p.Snapshot.Manifest(); !m.Empty() || m.Emptied {
		t.Error("a new store is empty, and nobody emptied it")
	}
	s.Close()
	s.Close()
	goleak.VerifyNone(t, running)
	if err := s.Ready(); err == nil {
		t.Error("ready after Close")
	}
	if _, _, err := s.Put(context.Background(), admin, plan("late", 1), manager.AnyRevision); manager.CodeOf(err) != manager.CodeUnavailable {
		t.Errorf("a change after Close: %v", err)
	}
}

// TestPublishedCanBeFetched: what is published loads by its own digests, also
// parts of the version before.
func TestPublishedCanBeFetched(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	before := s.Published()
	changed := s.Changed()
	if _, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", 0); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("a change was published, and Changed says nothing")
	}
	now := s.Published()
	for _, manifest := range []string{before.Manifest, now.Manifest} {
		m, err := policy.ParseManifest(manifest)
		if err != nil {
			t.Fatal(err)
		}
		l := policy.NewLoader(m, nil)
		for _, e := range append([]policy.ManifestEntry(nil), l.Missing()...) {
			if err := l.Add(e.PartID, now.Parts[e.Digest]); err != nil {
				t.Errorf("version %d, part %v: %v", m.Version, e.PartID, err)
			}
		}
		if _, err := l.Snapshot(); err != nil {
			t.Error(err)
		}
	}
	for range 10 {
		if _, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", 0); err != nil {
			t.Fatal(err)
		}
	}
	if n, most := len(s.Published().Parts), s.Published().Snapshot.Manifest().Len()+5; n > most {
		t.Errorf("%d parts are kept, want at most %d", n, most)
	}
}

// TestManagersCompileTheSame: two managers on one store serve one policy as the same bytes.
func TestManagersCompileTheSame(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "policy.db")
	first := startService(t, newClock(), openStore(t, path), slog.DiscardHandler)
	late := newClock()
	late.advance(time.Hour)
	second := startService(t, late, openStore(t, path), slog.DiscardHandler)

	apply(t, first, estate(t), manager.ApplyOptions{})
	awaitVersion(t, second, first.PolicyVersion())
	if first.Published().Manifest != second.Published().Manifest {
		t.Error("two managers compile one policy differently")
	}
	// The second decides on what the first wrote, even before it noticed.
	for i := range 6 {
		s := []*manager.Service{first, second}[i%2]
		if _, _, err := s.Put(ctx, admin, plan(fmt.Sprintf("plan-%d", i), 1), manager.MustNotExist); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := first.Put(ctx, admin, plan("plan-5", 2), manager.MustNotExist); manager.CodeOf(err) != manager.CodeStale {
		t.Errorf("the other manager's plan exists: %v", err)
	}
	awaitVersion(t, second, first.PolicyVersion())
	if first.Published().Manifest != second.Published().Manifest {
		t.Error("two managers compile one policy differently after changes by both")
	}
}

// TestConcurrentChanges: nothing is lost when two managers change at once.
func TestConcurrentChanges(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "policy.db")
	services := []*manager.Service{
		startService(t, newClock(), openStore(t, path), slog.DiscardHandler),
		startService(t, newClock(), openStore(t, path), slog.DiscardHandler),
	}
	start := services[0].PolicyVersion()
	const each = 10
	var work sync.WaitGroup
	for i, s := range services {
		work.Go(func() {
			for n := range each {
				for {
					_, _, err := s.Put(ctx, admin, plan(fmt.Sprintf("plan-%d-%d", i, n), 1), manager.MustNotExist)
					if err == nil {
						break
					}
					if manager.CodeOf(err) != manager.CodeUnavailable { // the other one was faster five times
						t.Error(err)
						return
					}
				}
			}
		})
	}
	work.Wait()
	for _, s := range services {
		awaitVersion(t, s, start+2*each)
		if page, err := s.List(ctx, manager.KindPlan, "", 0, ""); err != nil || len(page.Items) != 2*each {
			t.Errorf("%d plans, %v", len(page.Items), err)
		}
	}
}

// TestEmptied: proxies take an empty policy only from an operator who emptied it.
func TestEmptied(t *testing.T) {
	ctx := context.Background()
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	s := startService(t, newClock(), store, slog.DiscardHandler)
	emptied := func() bool { return s.Published().Snapshot.Manifest().Emptied }
	apply(t, s, estate(t), manager.ApplyOptions{})
	held := s.Published().Snapshot.Manifest()
	apply(t, s, nil, manager.ApplyOptions{Prune: true})
	if now := s.Published().Snapshot.Manifest(); !now.Empty() || !emptied() || now.Follows(held, now.Time) != nil {
		t.Error("a policy that was emptied says so")
	}
	if _, _, err := s.Put(ctx, admin, plan("more", 1), manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if !emptied() {
		t.Error("it is as empty as before")
	}
	// A proxy that was away meanwhile may ask a manager that has started since.
	if now := startService(t, newClock(), store, slog.DiscardHandler).Published().Snapshot.Manifest(); !now.Emptied || now.Follows(held, now.Time) != nil {
		t.Error("a manager that has started since says that the policy was emptied")
	}
	apply(t, s, estate(t), manager.ApplyOptions{})
	if emptied() {
		t.Error("it is not empty any more")
	}
	retired := estate(t)
	for _, r := range retired {
		if p, ok := r.(*manager.Product); ok {
			p.Spec.Lifecycle = manager.LifecycleRetired
		}
	}
	apply(t, s, retired, manager.ApplyOptions{})
	if !emptied() {
		t.Error("an operator retired all products")
	}
}

// brokenStore fails on demand, as a store whose disk or network is gone.
type brokenStore struct {
	manager.Store
	broken atomic.Bool
}

var errBroken = errors.New("disk on fire at /secret/place")

func (b *brokenStore) CommitPolicy(ctx context.Context, commit manager.PolicyCommit) (int64, error) {
	if b.broken.Load() {
		return 0, errBroken
	}
	return b.Store.CommitPolicy(ctx, commit)
}

func (b *brokenStore) PolicyRevision(ctx context.Context) (int64, error) {
	if b.broken.Load() {
		return 0, errBroken
	}
	return b.Store.PolicyRevision(ctx)
}

// record counts log records by message.
type record struct {
	slog.Handler
	seen chan string
}

func (r record) Enabled(context.Context, slog.Level) bool { return true }

func (r record) Handle(_ context.Context, l slog.Record) error {
	select {
	case r.seen <- l.Message:
	default:
	}
	return nil
}

// TestStoreAway: the last policy stays, callers learn what to do, and the
// service is ready again when the store is.
func TestStoreAway(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	store := &brokenStore{Store: openStore(t, filepath.Join(t.TempDir(), "policy.db"))}
	log := record{Handler: slog.DiscardHandler, seen: make(chan string, 100)}
	s := startService(t, c, store, log)
	apply(t, s, estate(t), manager.ApplyOptions{})
	key, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	published := s.Published()

	store.broken.Store(true)
	_, err = s.RevokeCredential(ctx, admin, key.ID)
	if want := "the store does not answer; try again in a moment"; manager.CodeOf(err) != manager.CodeUnavailable || err.Error() != want {
		t.Errorf("got %v", err)
	}
	awaitLog(t, log, "the policy cannot be read; the last one stays")
	if err := s.Ready(); manager.CodeOf(err) != manager.CodeUnavailable {
		t.Errorf("ready without store: %v", err)
	}
	if s.Published() != published || getPayment(s, c, key.Key) != policy.Admitted {
		t.Error("a change that was not stored was published")
	}

	store.broken.Store(false)
	awaitLog(t, log, "the policy is read again")
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
	if _, err := s.RevokeCredential(ctx, admin, key.ID); err != nil {
		t.Error(err)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "the store does not answer",
		Done:     "every call of the store fails, then works again",
		Promised: "changes are refused with `unavailable` and change nothing; not ready; the last policy is served; all is well once it answers",
		Seen:     "as promised",
	})
}

func awaitLog(t *testing.T, log record, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		select {
		case seen := <-log.seen:
			if seen == message {
				return
			}
		case <-ctx.Done():
			t.Fatalf("nothing logged %q", message)
		}
	}
}

// TestRestart: a manager that starts again finds everything as it was.
func TestRestart(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "policy.db")
	first := startService(t, c, openStore(t, path), slog.DiscardHandler)
	apply(t, first, estate(t), manager.ApplyOptions{})
	first.Close()
	c.advance(time.Hour)
	second := startService(t, c, openStore(t, path), slog.DiscardHandler)
	if at := second.Published().At; !at.Equal(first.Published().At) || c.Now().Sub(at) < time.Hour {
		t.Errorf("published at %v, and after a restart at %v", first.Published().At, at)
	}
	if first.Published().Manifest != second.Published().Manifest {
		t.Error("the snapshot is another after a restart")
	}
	if got := apply(t, second, estate(t), manager.ApplyOptions{Prune: true}); len(got) > 0 {
		t.Errorf("after a restart the same documents changed %v", got)
	}
}
