package portal

import (
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

func TestQuotaUse(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	v := &visit{server: &server{Site: &web.Site{Now: func() time.Time { return now }}}}
	quota := manager.Limit{Name: "monthly", Quota: &manager.Quota{Requests: 100, Per: "month"}}
	held := manager.CatalogProduct{
		Subscription: &manager.Subscription{Metadata: manager.Metadata{Name: "mine"}},
		Limits:       []manager.Limit{quota, {Name: "throughput", Rate: &manager.Rate{Requests: 5, Per: "second"}}},
	}
	resets := now.Add(7 * 24 * time.Hour)
	list := limitsOf(held, []manager.LimitUse{
		{Limit: quota, Subscription: "mine", Application: "checkout", Used: 80, Remaining: 20, ResetsAt: resets},
		{Limit: quota, Subscription: "another", Used: 1, Remaining: 99, ResetsAt: resets},
		{Limit: quota, Used: 100, ResetsAt: resets},
	}, v)
	if len(list) != 2 || len(list[0].Uses) != 2 || len(list[1].Uses) != 0 {
		t.Fatalf("the limits are %+v", list)
	}
	own, whole := list[0].Uses[0], list[0].Uses[1]
	if own.Used != "80" || own.Of != "100" || own.Percent != 80 || own.Application != "checkout" || own.Resets.Text != "in 7 days" || whole.Percent != 100 {
		t.Errorf("the uses are %+v and %+v", own, whole)
	}
}

// TestEmptyCatalogLeadsOn: where a partner has nothing in an environment, the page says where it has something.
func TestEmptyCatalogLeadsOn(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(globexDev)
	page := b.get("/products?environment=production").body
	if !strings.Contains(page, "Nothing in Production yet") || !strings.Contains(page, `its products in <a href="/products?environment=sandbox">Sandbox</a>.`) {
		t.Error("the page does not lead to the environment in which there is something")
	}
	subscriptions, err := e.service.List(t.Context(), manager.KindSubscription, "globex", 100, "")
	must(t, err)
	for _, s := range subscriptions.Items {
		_, err := e.service.Delete(t.Context(), operator, s.Ref(), manager.AnyRevision)
		must(t, err)
	}
	if page := b.get("/products").body; !strings.Contains(page, "has no product yet. The provider can add subscriptions.") {
		t.Error("who has nothing anywhere is led somewhere")
	}
}
