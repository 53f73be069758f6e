package manager_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

func TestFind(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	var all []manager.Resource
	for i := range 7 {
		state := manager.StateActive
		if i%2 == 1 {
			state = manager.StateSuspended
		}
		name := fmt.Sprintf("found-%d", i)
		all = append(all,
			&manager.Partner{Metadata: manager.Metadata{Name: name}, Spec: manager.PartnerSpec{Title: fmt.Sprintf("Company %d", i), State: state}},
			&manager.Application{Metadata: manager.Metadata{Name: "b", Partner: name}}, &manager.Application{Metadata: manager.Metadata{Name: "a", Partner: name}})
	}
	if _, err := s.Apply(ctx, admin, all, manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		q    manager.Query
		want string
	}{
		{"all", manager.Query{Kind: manager.KindPartner, Limit: 3}, "found-0 found-1 found-2 | found-3 found-4 found-5 | found-6"},
		{"suspended", manager.Query{Kind: manager.KindPartner, State: manager.StateSuspended, Limit: 2}, "found-1 found-3 | found-5"},
		{"by title", manager.Query{Kind: manager.KindPartner, Text: "PANY 6"}, "found-6"},
		{"owned by all", manager.Query{Kind: manager.KindApplication, Limit: 5}, "a b a b a | b a b a b | a b a b"},
		{"owned by one", manager.Query{Kind: manager.KindApplication, Partner: "found-2", Limit: 1}, "a | b"},
		{"none", manager.Query{Kind: manager.KindPartner, Text: "nobody"}, ""},
	} {
		if got := pages(t, s, c.q); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

// TestFindSubscribers looks for who subscribes to a product, among all and at
// one partner: a subscription that has ended is nobody's.
func TestFindSubscribers(t *testing.T) {
	s := teamEstate(t)
	ended := changed(t, s, manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "risk"}, func(r *manager.Subscription) *manager.Subscription {
		c := *r
		c.Spec.State = manager.StateEnded
		return &c
	})
	if _, _, err := s.Put(t.Context(), admin, ended, manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	for _, partner := range []string{"", "acme"} {
		for product, want := range map[string]string{"pay": "pay", "risk": "", "nothing": ""} {
			if got := pages(t, s, manager.Query{Kind: manager.KindSubscription, Partner: partner, Product: product}); got != want {
				t.Errorf("to %s at %q: %q, want %q", product, partner, got, want)
			}
		}
	}
}

// pages are the names on all pages of a query.
func pages(t *testing.T, s *manager.Service, q manager.Query) string {
	t.Helper()
	text := ""
	for {
		page, err := s.Find(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range page.Items {
			if i > 0 {
				text += " "
			}
			text += r.Meta().Name
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return text
		}
		text += " | "
	}
}

func TestWaiting(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	owner := []manager.Resource{
		&manager.Partner{Metadata: manager.Metadata{Name: "waits"}}, &manager.Application{Metadata: manager.Metadata{Name: "main", Partner: "waits"}},
	}
	if _, err := s.Apply(ctx, admin, owner, manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	ids := map[time.Duration]string{}
	for _, lives := range []time.Duration{time.Hour, 10 * 24 * time.Hour, 5 * 24 * time.Hour, 30 * 24 * time.Hour, 0} {
		key, err := s.CreateCredential(ctx, admin, "waits", "main", "sandbox", lives)
		if err != nil {
			t.Fatal(err)
		}
		ids[lives] = key.ID
	}
	c.advance(2 * time.Hour)
	got := s.Waiting(nil, 14*24*time.Hour).Ending
	if len(got) != 2 || got[0].Metadata.Name != ids[5*24*time.Hour] || got[1].Metadata.Name != ids[10*24*time.Hour] {
		t.Errorf("waiting are %v of %v", got, ids)
	}
	if _, err := s.RotateCredential(ctx, admin, ids[5*24*time.Hour], time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := s.Waiting(nil, 14*24*time.Hour).Ending; len(got) != 2 || got[0].RotatedFrom == "" && got[1].RotatedFrom == "" {
		t.Errorf("after a rotation: %v", got)
	}
}

func TestBootstrapTokenIsAdmitted(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	const text = "the one that the manager is started with"
	p, err := s.Admission(text).Principal(ctx, text)
	if err != nil || p.Name != manager.BootstrapToken || p.Grant.Role != manager.TokenAdmin {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := s.Admission("").Principal(ctx, ""); manager.CodeOf(err) != manager.CodeUnauthorized {
		t.Errorf("no token where there is none: %v", err)
	}
	if _, err := s.Admission("").Holder(ctx, [32]byte{}); manager.CodeOf(err) != manager.CodeUnauthorized {
		t.Errorf("no digest where there is none: %v", err)
	}
}
