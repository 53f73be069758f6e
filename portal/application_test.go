package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

func (e *estate) applicationOf(partner, name string) (*manager.Application, error) {
	return read[*manager.Application](e.t.Context(), e.service, manager.Ref{Kind: manager.KindApplication, Partner: partner, Name: name})
}

func TestRenameApplication(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	if page := b.get("/applications").body; !strings.Contains(page, `href="/applications/checkout/rename"`) {
		t.Error("the page does not offer it")
	}
	if form := b.get("/applications/checkout/rename").body; !strings.Contains(form, `value="Checkout service"`) {
		t.Error("the form does not begin with the title")
	}
	if r := b.post("/applications/checkout/rename", url.Values{"title": {"Web <shop>"}}); r.status != http.StatusSeeOther || r.header.Get("Location") != "/applications#application-checkout" {
		t.Fatalf("status %d to %s", r.status, r.header.Get("Location"))
	}
	page := b.get("/applications").body
	if a, err := e.applicationOf("acme", "checkout"); err != nil || a.Spec.Title != "Web <shop>" || !strings.Contains(page, "is called Web &lt;shop&gt; now") {
		t.Errorf("%+v, %v", a, err)
	}
	r := b.post("/applications/checkout/rename", url.Values{"title": {strings.Repeat("x", 201)}})
	if a, err := e.applicationOf("acme", "checkout"); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `aria-invalid="true"`) || err != nil || a.Spec.Title != "Web <shop>" {
		t.Errorf("a title that is too long: status %d, then %+v, %v", r.status, a, err)
	}
	if r := b.post("/applications/checkout/rename", nil); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `value="Web &lt;shop&gt;"`) {
		t.Errorf("without the field: status %d", r.status)
	}
	if a, err := e.applicationOf("acme", "checkout"); err != nil || a.Spec.Title != "Web <shop>" {
		t.Errorf("without the field: %+v, %v", a, err)
	}
	if r := b.post("/applications/checkout/rename", url.Values{"title": {""}}); r.status != http.StatusSeeOther || !strings.Contains(b.get("/applications").body, ">checkout</h2>") {
		t.Errorf("without a title the name is none: status %d", r.status)
	}
	if r := b.post("/applications/nothing/rename", url.Values{"title": {"Made by renaming"}}); r.status != http.StatusNotFound {
		t.Errorf("renaming what does not exist: status %d", r.status)
	}
}

// called is what a gateway says of a request with a key.
func (e *estate) called(key string) policy.Code {
	q := policy.Request{Method: "GET", Host: "sandbox.api.localhost", Path: "/payments/payments", Key: key, Keys: 1, Now: noon.UnixMilli()}
	return e.service.Published().Snapshot.Decide(&q).Code
}

func TestDeleteApplication(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	first, spent := e.key("acme", "nightly-reconciliation", "sandbox"), e.key("acme", "nightly-reconciliation", "sandbox")
	other := e.key("acme", "checkout", "sandbox")
	b.post("/applications/nightly-reconciliation/keys/"+spent.ID+"/revoke", nil)
	b.get("/applications") // says that it is revoked, once
	const path = "/applications/nightly-reconciliation/delete"
	question := b.get(path).body
	for _, want := range []string{"1 working key</strong> ends with it", `name="key" value="` + first.ID + `"`, "credential_unknown", "cannot be undone"} {
		if !strings.Contains(question, want) {
			t.Errorf("the question does not say %s", want)
		}
	}
	if strings.Contains(question, spent.ID) || strings.Contains(question, other.ID) {
		t.Error("the question names keys that do not end")
	}
	second := e.key("acme", "nightly-reconciliation", "production") // by a colleague, meanwhile
	r := b.post(path, url.Values{"key": {first.ID, other.ID}})
	if r.status != http.StatusConflict || !strings.Contains(r.body, "Nothing is deleted") || !strings.Contains(r.body, "2 working keys</strong> end with it") || !strings.Contains(r.body, second.ID) {
		t.Fatalf("with a key that the question did not name: status %d", r.status)
	}
	if code := e.called(first.Key); code != policy.Undecided {
		t.Fatalf("what was refused ended a key: %s", code)
	}
	if r := b.post(path, url.Values{"key": {first.ID, second.ID, other.ID}}); r.status != http.StatusSeeOther {
		t.Fatalf("status %d\n%s", r.status, r.body)
	}
	if code := e.called(first.Key); code != policy.CredentialUnknown {
		t.Errorf("the gateway says %s to a key that ended with its application", code)
	}
	if code := e.called(other.Key); code != policy.Undecided {
		t.Errorf("the gateway says %s to the key of another application, which the form named", code)
	}
	page := b.get("/applications").body
	if strings.Contains(page, "nightly-reconciliation") || !strings.Contains(page, "The application Nightly reconciliation is deleted.") {
		t.Error("the page still has it, or does not say that it is gone")
	}
	audit, err := e.service.Audit(t.Context(), manager.AuditQuery{Actor: acmeAdmin, Partner: "acme"})
	must(t, err)
	deleted := 0
	for _, entry := range audit.Items {
		if entry.Action == "deleted" {
			deleted++
		}
	}
	if deleted != 4 { // the application, two working keys and the revoked one
		t.Errorf("the audit log has %d deletions", deleted)
	}
	if r := b.post(path, url.Values{}); r.status != http.StatusNotFound {
		t.Errorf("deleting it again: status %d", r.status)
	}
}

// TestApplicationsThatStay: what a subscription names, and what the provider keeps in files.
func TestApplicationsThatStay(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	key := e.key("acme", "checkout", "sandbox")
	const path = "/applications/checkout/delete"
	if page := b.get(path).body; !strings.Contains(page, "cannot be deleted yet") || !strings.Contains(page, "Payments in Production") || strings.Contains(page, "<button class=\"primary danger\"") {
		t.Error("the question does not say what needs it, or goes on all the same")
	}
	if r := b.post(path, url.Values{"key": {key.ID}}); r.status != http.StatusConflict || !strings.Contains(r.body, "Payments in Production") {
		t.Errorf("status %d", r.status)
	}
	e.unchanged(key)

	files := manager.Actor{Name: "apply", Owner: manager.OwnerFile}
	_, err := e.service.Apply(t.Context(), files, estateResources(t), manager.ApplyOptions{})
	must(t, err)
	if page := b.get("/applications").body; strings.Contains(page, "/rename") || strings.Contains(page, "/delete") || strings.Count(page, "Kept by the provider") != 2 {
		t.Error("the page offers what cannot be, or does not say why not")
	}
	for _, path := range []string{"/applications/checkout/rename", "/applications/checkout/delete", "/applications/nightly-reconciliation/delete"} {
		for how, r := range map[string]answer{"GET": b.get(path), "POST": b.post(path, url.Values{"title": {"Mine"}, "key": {key.ID}})} {
			if r.status != http.StatusConflict || !strings.Contains(r.body, "The provider keeps the application") {
				t.Errorf("%s %s: status %d", how, path, r.status)
			}
		}
	}
	e.unchanged(key)
}
