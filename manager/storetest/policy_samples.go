package storetest

import (
	"crypto/sha256"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

func metadata(partner, name string) manager.Metadata {
	return manager.Metadata{Name: name, Partner: partner, ManagedBy: manager.OwnerFile, Revision: 7, CreatedAt: clock(0), UpdatedAt: clock(1)}
}

func application(partner, name, title string) *manager.Application {
	return &manager.Application{Metadata: metadata(partner, name), Spec: manager.ApplicationSpec{Title: title}}
}

func credential(partner, id, key string) *manager.Credential {
	return &manager.Credential{
		Metadata: metadata(partner, id), Application: "checkout", Environment: "sandbox", Digest: sha256.Sum256([]byte(key)),
		ExpiresAt: pointer(clock(9)), RevokedAt: pointer(clock(8)), RotatedTo: "next", RotatedFrom: "before",
	}
}

// everyKind is a policy with every field filled, in the order of LoadPolicy.
func everyKind(t *testing.T) []manager.Resource {
	narrow := manager.Limit{Name: "throughput", Scope: manager.ScopePartner, Operations: []string{"createPayment"},
		Rate: &manager.Rate{Requests: 1 << 40, Per: "second", Burst: 10}}
	limits := []manager.Limit{
		narrow,
		{Name: "monthly", Quota: &manager.Quota{Requests: 1<<63 - 1, Per: "month"}},
		{Name: "in-flight", Concurrency: &manager.Concurrency{Requests: 20}},
	}
	environment := &manager.Environment{Metadata: metadata("", "sandbox"),
		Spec: manager.EnvironmentSpec{Title: "Sandbox", Gateway: "http://127.0.0.1:10000"}}
	product := &manager.Product{Metadata: metadata("", "payments"), Spec: manager.ProductSpec{
		Title: "Zahlungen 💶", Summary: "<b>move</b> & \"go\"\u2028", Team: "core", Lifecycle: manager.LifecycleDraft,
		OpenAPI: "openapi: 3.0.0\n# \x00 \t <script>", BasePath: "/payments", Discoverable: true,
		Environments: map[string]manager.ProductEnvironment{"sandbox": {Hosts: []string{"a.test", "b.test"}}, "$ne.x": {Hosts: []string{}}},
		Capacity:     &manager.Rate{Requests: 500, Per: "second", Burst: 1},
	}}
	plan := &manager.Plan{Metadata: metadata("", "starter"), Spec: manager.PlanSpec{Title: "Starter", Weight: 3, Limits: limits}}
	partner := &manager.Partner{Metadata: metadata("", "acme"), Spec: manager.PartnerSpec{
		Title: "Acme", State: manager.StateSuspended, Support: manager.Support{Tier: "gold", Email: "help@example.test"},
		Members: []manager.MemberSeed{{Email: "dev@acme.test", Role: manager.RoleAdmin}},
	}}
	app := application("acme", "checkout", "Checkout")
	subscription := &manager.Subscription{Metadata: metadata("acme", "payments-sandbox"), Spec: manager.SubscriptionSpec{
		Product: "payments", Environment: "sandbox", Plan: "starter", State: manager.StateRequested,
		Operations: []string{"createPayment"}, Applications: []string{"checkout"},
		Overrides: &manager.Overrides{Limits: limits[:1]}, StartsAt: pointer(clock(-5)), EndsAt: pointer(clock(5)),
	}}
	key := credential("acme", "k2345abcdefg", "pgk_one")
	filled(t, environment.Spec)
	filled(t, product.Spec, "Operations")
	filled(t, plan.Spec)
	filled(t, narrow, "Quota", "Concurrency")
	filled(t, partner.Spec)
	filled(t, app.Spec)
	filled(t, subscription.Spec)
	filled(t, key.Metadata)
	filled(t, *key)
	return []manager.Resource{environment, product, plan, partner, app, subscription, key}
}
