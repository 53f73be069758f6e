package manager_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

// summary is a catalog in few words: product, state, callable and suspended operations.
func summary(t *testing.T, s *manager.Service, partner, environment string) string {
	t.Helper()
	c, err := s.Catalog(context.Background(), partner, environment)
	if err != nil {
		t.Fatal(err)
	}
	if c.PolicyVersion != s.PolicyVersion() {
		t.Errorf("catalog of version %d at %d", c.PolicyVersion, s.PolicyVersion())
	}
	var lines []string
	for _, p := range c.Products {
		lines = append(lines, strings.TrimRight(p.Product.Metadata.Name+" "+p.State+" "+strings.Join(p.Hosts, " "), " "))
		for _, o := range p.Operations {
			lines = append(lines, strings.TrimRight("  "+o.Method+" "+o.Path+" "+o.Operation+" "+o.Detail.Summary, " "))
		}
		for _, o := range p.Suspended {
			lines = append(lines, "  ("+o.Method+" "+o.Path+")")
		}
	}
	return strings.Join(lines, "\n")
}

func expectSummary(t *testing.T, when string, s *manager.Service, partner, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimSpace(want), summary(t, s, partner, "sandbox")); diff != "" {
		t.Errorf("%s:\n%s", when, diff)
	}
}

func TestCatalog(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	if _, err := s.Apply(ctx, admin, estate(t), manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	put := func(r manager.Resource) {
		t.Helper()
		if _, _, err := s.Put(ctx, admin, r, manager.AnyRevision); err != nil {
			t.Fatal(err)
		}
	}
	expectSummary(t, "only the operations of the contract", s, "globex", `
risk active sandbox.example.test
  GET /risk/scores/{id} getScore`)
	expectSummary(t, "in the order of the document", s, "acme", `
pay active sandbox.example.test
  POST /pay/payments createPayment Create a payment
  GET /pay/payments listPayments
  GET /pay/payments/{id} getPayment
  GET /pay/payments/latest GET /payments/latest`)

	starts := c.Now().Add(time.Hour)
	risk := manager.SubscriptionSpec{Product: "risk", Environment: "sandbox", Plan: "starter", Operations: []string{"listAlerts"}, StartsAt: &starts}
	put(&manager.Subscription{Metadata: manager.Metadata{Name: "risk", Partner: "acme"}, Spec: risk})
	pay := manager.SubscriptionSpec{Product: "pay", Environment: "sandbox", Plan: "starter", State: manager.StateSuspended, Operations: []string{"getPayment"}}
	put(&manager.Subscription{Metadata: manager.Metadata{Name: "pay-sandbox", Partner: "acme"}, Spec: pay})
	expectSummary(t, "suspended, and not begun", s, "acme", `
pay suspended sandbox.example.test
  (GET /pay/payments/{id})
risk scheduled sandbox.example.test`)

	c.advance(time.Hour)
	put(&manager.Partner{Metadata: manager.Metadata{Name: "acme"}, Spec: manager.PartnerSpec{State: manager.StateSuspended}})
	expectSummary(t, "the whole partner is suspended", s, "acme", `
pay suspended sandbox.example.test
  (GET /pay/payments/{id})
risk suspended sandbox.example.test
  (GET /risk/alerts)`)

	pay.State = manager.StateEnded
	put(&manager.Subscription{Metadata: manager.Metadata{Name: "pay-sandbox", Partner: "acme"}, Spec: pay})
	pay.State = manager.StateRequested
	put(&manager.Subscription{Metadata: manager.Metadata{Name: "pay-again", Partner: "acme"}, Spec: pay})
	put(&manager.Partner{Metadata: manager.Metadata{Name: "acme"}})
	expectSummary(t, "ended and asked for again", s, "acme", `
pay requested sandbox.example.test
risk active sandbox.example.test
  GET /risk/alerts listAlerts List alerts`)

	for _, r := range estate(t) {
		if p, ok := r.(*manager.Product); ok && p.Metadata.Name == "risk" {
			p.Spec.Lifecycle = manager.LifecycleRetired
			put(p)
		}
	}
	expectSummary(t, "a retired product is gone", s, "acme", "pay requested sandbox.example.test")
	for _, at := range [][2]string{{"nobody", "sandbox"}, {"acme", "nowhere"}} {
		if _, err := s.Catalog(ctx, at[0], at[1]); manager.CodeOf(err) != manager.CodeNotFound {
			t.Errorf("%v: %v", at, err)
		}
	}
}

// TestCatalogAgreesWithDecisions: each operation listed is admitted, each other
// one of the estate is not found.
func TestCatalogAgreesWithDecisions(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	requests := map[string]string{ // operation → path
		"createPayment": "/pay/payments", "listPayments": "/pay/payments", "getPayment": "/pay/payments/1", "GET /payments/latest": "/pay/payments/latest",
		"getScore": "/risk/scores/1", "listAlerts": "/risk/alerts",
	}
	for partner, application := range map[string]string{"acme": "checkout", "globex": "screening"} {
		key, err := s.CreateCredential(ctx, admin, partner, application, "sandbox", 0)
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := s.Catalog(ctx, partner, "sandbox")
		if err != nil {
			t.Fatal(err)
		}
		listed := map[string]bool{}
		for _, p := range catalog.Products {
			for _, o := range p.Operations {
				listed[o.Operation] = true
			}
		}
		for operation, path := range requests {
			method := "GET"
			if operation == "createPayment" {
				method = "POST"
			}
			code := decide(s, c, key.Key, method, path)
			if listed[operation] != (code == policy.Admitted) || !listed[operation] && code != policy.OperationNotFound {
				t.Errorf("%s %s: listed %v, decided %v", partner, operation, listed[operation], code)
			}
		}
	}
}

func TestEffectiveLimits(t *testing.T) {
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	c, err := s.Catalog(context.Background(), "globex", "sandbox")
	if err != nil {
		t.Fatal(err)
	}
	want := []manager.Limit{
		{Name: "throughput", Scope: manager.ScopeSubscription, Rate: &manager.Rate{Requests: 50, Per: "second"}},
		{Name: "monthly", Scope: manager.ScopeSubscription, Quota: &manager.Quota{Requests: 10000, Per: "month"}},
	}
	if diff := cmp.Diff(want, c.Products[0].Limits); diff != "" {
		t.Error(diff)
	}
}

func TestPartnerEnvironments(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, append(estate(t), &manager.Environment{Metadata: manager.Metadata{Name: "acceptance"}}, &manager.Environment{Metadata: manager.Metadata{Name: "staging"}}), manager.ApplyOptions{})
	list, err := s.PartnerEnvironments(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Metadata.Name)
	}
	if got := strings.Join(names, " "); got != "sandbox production acceptance staging" {
		t.Error(got)
	}
}
