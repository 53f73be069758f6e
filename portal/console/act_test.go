package console

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// hidden are the hidden fields of a page's form.
func hidden(page string) url.Values {
	form := url.Values{}
	for _, f := range regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		form.Set(f[1], html.UnescapeString(f[2]))
	}
	return form
}

// confirm opens the page that asks, and does what it asks.
func (b *browser) confirm(path string) answer {
	b.e.t.Helper()
	asked := b.get(path)
	if asked.status != http.StatusOK {
		b.e.t.Fatalf("%s: %d\n%s", path, asked.status, asked.body)
	}
	to, _, _ := strings.Cut(path, "?")
	return b.post(to, hidden(asked.body))
}

func (e *estate) state(ref manager.Ref) manager.State {
	e.t.Helper()
	r, err := e.service.Resource(context.Background(), ref)
	must(e.t, err)
	switch r := r.(type) {
	case *manager.Partner:
		return r.Spec.State
	case *manager.Subscription:
		return r.Spec.State
	}
	return ""
}

// proxy stores a proxy that decides by a version.
func (e *estate) proxy(node string, version int64) {
	e.t.Helper()
	now := e.now()
	must(e.t, e.store.CommitSync(context.Background(), manager.SyncCommit{Proxy: &manager.Proxy{
		ID: node + ".6f1a9c3e7b42", Node: node, FirstSeen: now, LastSync: now, PolicyVersion: version, PolicyAt: now, Sequence: 1,
	}}))
}

func TestSuspendAPartner(t *testing.T) {
	e := newEstate(t)
	acme := manager.Ref{Kind: manager.KindPartner, Name: "acme"}
	e.proxy("edge-1", e.service.PolicyVersion()+1)
	e.proxy("edge-2", e.service.PolicyVersion())
	b := e.signedIn(e.token("riley", manager.TokenSupport))
	if asked := b.get("/admin/partners/acme/state?to=suspended"); !strings.Contains(asked.body, "until the file is applied again") {
		t.Error("the page does not tell that a file manages the partner")
	}
	a := b.confirm("/admin/partners/acme/state?to=suspended")
	if a.to() != "/admin/partners/acme" || e.state(acme) != manager.StateSuspended {
		t.Fatalf("%d to %s, and acme is %s", a.status, a.to(), e.state(acme))
	}
	page := b.get(a.to()).body
	version := strconv.FormatInt(e.service.PolicyVersion(), 10)
	for _, want := range []string{"Acme Corp is suspended.", "the next apply may bring back", "policy version <strong>" + version, "state?to=active"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if again := b.get(a.to()).body; strings.Contains(again, "Acme Corp is suspended.") {
		t.Error("it says so twice")
	}
	log, err := e.service.Audit(context.Background(), manager.AuditQuery{Partner: "acme", Limit: 1})
	must(t, err)
	if entry := log.Items[0]; entry.Actor != "riley" || entry.Action != "suspended" || entry.ActorKind != manager.ActorToken || entry.Address == "" {
		t.Errorf("the audit log says %+v", entry)
	}
	admin := e.signedIn(bootstrapToken)
	if a := admin.get("/admin/changes/" + version); !strings.Contains(a.body, "<strong>1 of 2</strong>") || !strings.Contains(a.body, "edge-2.6f1a9c3e7b42") {
		t.Errorf("who is behind is not told: %s", a.body)
	}
	admin.confirm("/admin/partners/acme/state?to=active")
	if e.state(acme) != manager.StateActive {
		t.Errorf("acme is %s", e.state(acme))
	}
	admin.get("/admin/changes/" + version) // as another tab does that follows an earlier change
	if page := admin.get("/admin/partners/acme").body; !strings.Contains(page, "Acme Corp is active again.") || !strings.Contains(page, "It is in force from policy version") {
		t.Error("another page has taken what was to be said")
	}
}

func TestSubscriptionThroughItsLife(t *testing.T) {
	e := newEstate(t)
	ref := manager.Ref{Kind: manager.KindSubscription, Partner: "globex", Name: "risk-sandbox"}
	_, _, err := e.service.Put(context.Background(), operator, &manager.Subscription{
		Metadata: manager.Metadata{Name: ref.Name, Partner: ref.Partner},
		Spec:     manager.SubscriptionSpec{Product: "risk-feeds", Environment: "sandbox", Plan: e.anyPlan(), State: manager.StateRequested},
	}, manager.MustNotExist)
	must(t, err)
	at := "/admin/partners/globex/subscriptions/risk-sandbox/state?to="
	support, b := e.signedIn(e.token("riley", manager.TokenSupport)), e.signedIn(bootstrapToken)
	if a := support.get(at + "active"); a.status != http.StatusForbidden {
		t.Errorf("support may approve: %d", a.status)
	}
	if page := support.get("/admin/partners/globex").body; strings.Contains(page, at) || !strings.Contains(page, "payments-sandbox/state?to=suspended") {
		t.Error("support sees the wrong buttons")
	}
	if page := b.get("/admin").body; !strings.Contains(page, html.EscapeString(at+"active")) {
		t.Error("the overview does not tell that it waits")
	}
	for _, to := range []manager.State{"active", "suspended", "active", "ended", "active"} {
		if a := b.confirm(at + string(to)); a.status != http.StatusSeeOther || e.state(ref) != to {
			t.Fatalf("to %s: %d, it is %s", to, a.status, e.state(ref))
		}
	}
	if a := b.get(at + "requested"); a.status != http.StatusConflict {
		t.Errorf("back to requested: %d", a.status)
	}
}

// TestApproveChoosesThePlan approves what a partner asked for, which leaves the plan to the operator.
func TestApproveChoosesThePlan(t *testing.T) {
	e := newEstate(t)
	ref := manager.Ref{Kind: manager.KindSubscription, Partner: "globex", Name: "forecasts-sandbox"}
	_, err := e.service.RequestAccess(context.Background(), operator, "globex", "forecasts", "sandbox")
	must(t, err)
	at := "/admin/partners/globex/subscriptions/forecasts-sandbox/state"
	b := e.signedIn(bootstrapToken)
	asked := b.get(at + "?to=active")
	if asked.status != http.StatusOK || !strings.Contains(asked.body, `<select id="plan" name="plan" required>`) || !strings.Contains(asked.body, `<option value="`+e.anyPlan()+`">`) {
		t.Fatalf("the page does not ask for a plan: %d", asked.status)
	}
	form := hidden(asked.body)
	if a := b.post(at, form); a.status != http.StatusUnprocessableEntity || e.state(ref) != manager.StateRequested {
		t.Errorf("without a plan: %d, it is %s", a.status, e.state(ref))
	}
	form.Set("plan", e.anyPlan())
	if a := b.post(at, form); a.status != http.StatusSeeOther || e.state(ref) != manager.StateActive {
		t.Errorf("with a plan: %d, it is %s", a.status, e.state(ref))
	}
	if page := b.get(at + "?to=suspended").body; strings.Contains(page, `name="plan"`) {
		t.Error("a plan that is chosen is asked for again")
	}
}

func (e *estate) anyPlan() string {
	e.t.Helper()
	page, err := e.service.List(context.Background(), manager.KindPlan, "", 1, "")
	must(e.t, err)
	return page.Items[0].Meta().Name
}

// TestActOnWhatHasChanged sends a form that somebody else has overtaken.
func TestActOnWhatHasChanged(t *testing.T) {
	e := newEstate(t)
	b := e.signedIn(bootstrapToken)
	form := hidden(b.get("/admin/partners/acme/state?to=suspended").body)
	b.confirm("/admin/partners/acme/state?to=suspended")
	b.confirm("/admin/partners/acme/state?to=active")
	if a := b.post("/admin/partners/acme/state", form); a.status != http.StatusConflict {
		t.Errorf("an old form: %d", a.status)
	}
	form.Del("revision")
	if a := b.post("/admin/partners/acme/state", form); a.status != http.StatusUnprocessableEntity {
		t.Errorf("without revision: %d", a.status)
	}
}

func TestRevokeAKey(t *testing.T) {
	e := newEstate(t)
	ctx := context.Background()
	key, err := e.service.CreateCredential(ctx, operator, "acme", "checkout", "sandbox", 5*24*time.Hour)
	must(t, err)
	at := "/admin/partners/acme/keys/" + key.ID + "/revoke"
	auditor, b := e.signedIn(e.token("ada", manager.TokenAuditor)), e.signedIn(e.token("riley", manager.TokenSupport))
	if page := auditor.get("/admin/partners/acme").body; strings.Contains(page, at) || !strings.Contains(page, key.ID) {
		t.Error("an auditor does not see the key, or is offered to revoke it")
	}
	if page := auditor.get("/admin").body; !strings.Contains(page, key.ID) {
		t.Error("the overview does not tell that the key ends")
	}
	if a := b.get("/admin/partners/globex/keys/" + key.ID + "/revoke"); a.status != http.StatusNotFound {
		t.Errorf("as another partner's key: %d", a.status)
	}
	b.confirm(at)
	stored, err := e.service.Credential(ctx, key.ID)
	must(t, err)
	if stored.RevokedAt == nil {
		t.Error("the key is not revoked")
	}
	if page := b.get("/admin/partners/acme").body; strings.Contains(page, at) || strings.Contains(page, key.Key) {
		t.Error("the key can be revoked again, or is shown")
	}
}
