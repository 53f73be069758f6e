package manager_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// large is the estate that the promises speak of: partners with one
// application, one subscription and ten keys each.
func large(t testing.TB, partners int) (*manager.Service, manager.Store) {
	t.Helper()
	ctx := context.Background()
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	c := newClock()
	s := startService(t, c, store, slog.DiscardHandler)
	defer s.Close()
	resources := estate(t)
	for i := range partners {
		name := fmt.Sprintf("partner-%05d", i)
		resources = append(resources,
			&manager.Partner{Metadata: manager.Metadata{Name: name}, Spec: manager.PartnerSpec{Title: name}},
			&manager.Application{Metadata: manager.Metadata{Name: "app", Partner: name}},
			&manager.Subscription{Metadata: manager.Metadata{Name: "pay", Partner: name}, Spec: manager.SubscriptionSpec{Product: "pay", Environment: "sandbox", Plan: "starter"}})
	}
	apply(t, s, resources, manager.ApplyOptions{})
	var changes []manager.Change
	for i := range 10 * partners {
		key := &manager.Credential{Metadata: manager.Metadata{Name: fmt.Sprintf("id%010d", i), Partner: fmt.Sprintf("partner-%05d", i/10), ManagedBy: manager.OwnerAPI, CreatedAt: c.now, UpdatedAt: c.now},
			Application: "app", Environment: "sandbox", Digest: sha256.Sum256(fmt.Append(nil, i))}
		changes = append(changes, manager.Change{Ref: key.Ref(), After: key})
	}
	if _, err := store.CommitPolicy(ctx, s.PolicyVersion(), changes); err != nil {
		t.Fatal(err)
	}
	return startService(t, c, store, slog.DiscardHandler), store
}

// BenchmarkChange measures one change of the large estate, from the call to
// the publication, with the real store.
func BenchmarkChange(b *testing.B) {
	s, _ := large(b, 10_000)
	ctx := context.Background()
	b.Run("key", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.CreateCredential(ctx, admin, "partner-00007", "app", "sandbox", 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plan", func(b *testing.B) {
		weight := 0
		for b.Loop() {
			weight = weight%1000 + 1
			plan := &manager.Plan{Metadata: manager.Metadata{Name: "big"}, Spec: manager.PlanSpec{Weight: weight}}
			if _, _, err := s.Put(ctx, admin, plan, manager.AnyRevision); err != nil {
				b.Fatal(err)
			}
		}
	})
}
