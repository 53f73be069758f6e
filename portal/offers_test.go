package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// TestAskingForAProduct asks for what is shown to all, is declined, and asks again.
func TestAskingForAProduct(t *testing.T) {
	e := newEstate(t)
	b, viewer := e.loggedIn(acmeAdmin), e.loggedIn(acmeView)
	const button = `action="/products/forecasts/request"`
	if page := b.get("/products").body; !strings.Contains(page, "You can ask for") || !strings.Contains(page, button) || !strings.Contains(page, "Forecasts") {
		t.Error("what is shown to all is not offered")
	}
	if page := viewer.get("/products").body; !strings.Contains(page, "Forecasts") || strings.Contains(page, button) {
		t.Error("a viewer is offered to ask, or does not see what there is")
	}
	if page := b.get("/products?environment=production").body; strings.Contains(page, "Forecasts") {
		t.Error("it is offered where it is not")
	}
	if r := b.get("/products/forecasts"); r.status != http.StatusNotFound {
		t.Errorf("its documentation before: status %d", r.status)
	}
	sandbox := url.Values{"environment": {"sandbox"}}
	for path, want := range map[string]int{"/products/forecasts/request": http.StatusForbidden, "/products/identity/request": http.StatusForbidden} {
		if r := viewer.post(path, sandbox); r.status != want {
			t.Errorf("%s by a viewer: status %d", path, r.status)
		}
	}
	for _, path := range []string{"/products/identity/request", "/products/nothing/request"} { // held already, and not there
		if r := b.post(path, sandbox); r.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, r.status)
		}
	}
	if r := e.loggedIn(globexDev).post("/products/risk-feeds/request", sandbox); r.status != http.StatusNotFound {
		t.Errorf("what is not shown to all: status %d", r.status)
	}
	if r := b.post("/products/forecasts/request", url.Values{"environment": {"production"}}); r.status != http.StatusNotFound {
		t.Errorf("where it is not: status %d", r.status)
	}
	ref := manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "forecasts-sandbox"}
	for range 2 {
		r := b.post("/products/forecasts/request", sandbox)
		if page := b.get("/products").body; r.status != http.StatusSeeOther || !strings.Contains(page, "You asked for Forecasts.") || !strings.Contains(page, "Access was requested") || strings.Contains(page, button) {
			t.Errorf("asking: status %d, or the page does not say that it waits", r.status)
		}
		for _, o := range listed(t, b, "sandbox") {
			if o.Product == "forecasts" {
				t.Error("it can be called before it is approved")
			}
		}
		version := e.service.PolicyVersion()
		r = b.post("/products/forecasts/request", sandbox) // the button was pressed twice
		if page := b.get("/products").body; r.status != http.StatusSeeOther || !strings.Contains(page, "You asked for Forecasts.") || e.service.PolicyVersion() != version {
			t.Errorf("asking twice: status %d, or the page does not say that it was asked, or something has changed", r.status)
		}
		stored, err := e.service.Resource(t.Context(), ref)
		must(t, err)
		declined := *stored.(*manager.Subscription)
		if declined.Spec.State != manager.StateRequested || declined.Metadata.ManagedBy != manager.OwnerPortal {
			t.Errorf("stored is %+v", declined)
		}
		declined.Spec.State = manager.StateEnded
		_, _, err = e.service.Put(t.Context(), operator, &declined, manager.AnyRevision)
		must(t, err)
	}
	if r := b.get("/products/forecasts"); r.status != http.StatusNotFound {
		t.Errorf("its documentation after it was declined: status %d", r.status)
	}
}
