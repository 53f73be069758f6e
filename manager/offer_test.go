package manager_test

import (
	"context"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// offered are the names of what a partner may ask for.
func offered(t *testing.T, s *manager.Service, partner, environment string) string {
	t.Helper()
	products, err := s.Offers(context.Background(), partner, environment)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range products {
		names = append(names, p.Metadata.Name)
	}
	return strings.Join(names, " ")
}

// showing is a service in whose estate all products but one are shown to all.
func showing(t *testing.T, hidden string) *manager.Service {
	t.Helper()
	s, resources := newService(t, newClock()), estate(t)
	for _, r := range resources {
		if p, ok := r.(*manager.Product); ok {
			p.Spec.Discoverable = p.Metadata.Name != hidden
		}
	}
	apply(t, s, resources, manager.ApplyOptions{})
	return s
}

func TestOffers(t *testing.T) {
	s := showing(t, "pay")
	for _, c := range []struct{ partner, environment, want string }{
		{"acme", "sandbox", "risk"}, // pay-next is a draft
		{"acme", "production", ""},  // risk is not there
		{"globex", "sandbox", ""},   // it has risk, and pay is not shown
		{"globex", "nowhere", ""},
	} {
		if got := offered(t, s, c.partner, c.environment); got != c.want {
			t.Errorf("%s may ask for %q in %s, not %q", c.partner, got, c.environment, c.want)
		}
	}
	for _, wrong := range []struct {
		email, partner, product, environment string
		code                                 manager.ErrorCode
	}{
		{"eve@acme.test", "acme", "risk", "sandbox", manager.CodeForbidden}, // a viewer
		{"dev@acme.test", "globex", "risk", "sandbox", manager.CodeNotFound},
		{"dev@acme.test", "acme", "pay-next", "sandbox", manager.CodeNotFound},
		{"dev@acme.test", "acme", "risk", "production", manager.CodeNotFound},
		{"dev@acme.test", "acme", "nothing", "sandbox", manager.CodeNotFound},
		{"hank@globex.test", "globex", "pay", "sandbox", manager.CodeNotFound},
	} {
		_, err := s.RequestAccess(context.Background(), person(wrong.email), wrong.partner, wrong.product, wrong.environment)
		wantCode(t, err, wrong.code, "")
	}
}

// TestARequestThatAFileManages is declined, and asked for again by a member.
func TestARequestThatAFileManages(t *testing.T) {
	s, resources := newService(t, newClock()), estate(t)
	for _, r := range resources {
		if p, ok := r.(*manager.Product); ok {
			p.Spec.Discoverable = true
		}
	}
	declined := &manager.Subscription{
		Metadata: manager.Metadata{Name: "risk-sandbox", Partner: "acme"},
		Spec:     manager.SubscriptionSpec{Product: "risk", Environment: "sandbox", State: manager.StateEnded},
	}
	apply(t, s, append(resources, declined), manager.ApplyOptions{})
	asked, err := s.RequestAccess(context.Background(), person("dev@acme.test"), "acme", "risk", "sandbox")
	if err != nil || asked.Metadata.Name != "risk-sandbox-2" {
		t.Fatalf("asked is %+v, %v", asked, err)
	}
	r, err := s.Resource(context.Background(), declined.Ref())
	if err != nil {
		t.Fatal(err)
	}
	if there := r.(*manager.Subscription); there.Metadata.ManagedBy != manager.OwnerFile || there.Spec.State != manager.StateEnded {
		t.Errorf("what the file manages is %+v", there)
	}
}

func TestARequestThroughItsLife(t *testing.T) {
	ctx := context.Background()
	s := showing(t, "pay")
	ask := func() error {
		_, err := s.RequestAccess(ctx, person("dev@acme.test"), "acme", "risk", "sandbox")
		return err
	}
	ref := manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "risk-sandbox"}
	put := func(state manager.State, plan string) error {
		r, err := s.Resource(ctx, ref)
		if err != nil {
			t.Fatal(err)
		}
		next := *r.(*manager.Subscription)
		next.Spec.State, next.Spec.Plan = state, plan
		_, _, err = s.Put(ctx, admin, &next, manager.AnyRevision)
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if got := summary(t, s, "acme", "sandbox"); !strings.HasSuffix(got, "\nrisk requested sandbox.example.test") {
		t.Errorf("the catalog is\n%s", got)
	}
	version := s.PolicyVersion()
	if err := ask(); err != nil || s.PolicyVersion() != version {
		t.Errorf("asking again: %v, and version %d after %d; want no change", err, s.PolicyVersion(), version)
	}
	wantCode(t, put(manager.StateActive, ""), manager.CodeInvalid, "")
	wantCode(t, put(manager.StateActive, "nothing"), manager.CodeInvalid, "")
	if err := put(manager.StateEnded, ""); err != nil {
		t.Fatal("declined: ", err)
	}
	if err := ask(); err != nil { // the request that was declined, and no other
		t.Fatal(err)
	}
	if err := put(manager.StateActive, "starter"); err != nil {
		t.Fatal("approved: ", err)
	}
	if got := summary(t, s, "acme", "sandbox"); !strings.Contains(got, "\nrisk active") || offered(t, s, "acme", "sandbox") != "" {
		t.Errorf("the catalog is\n%s", got)
	}
}
