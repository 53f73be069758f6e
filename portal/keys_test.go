package portal

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

var keyOnPage = regexp.MustCompile(`<code id="key">([^<]*)</code>`)

// shown is the key that an answer shows.
func shown(t *testing.T, r answer) string {
	t.Helper()
	found := keyOnPage.FindStringSubmatch(r.body)
	if r.status != http.StatusOK || found == nil {
		t.Fatalf("no key is shown: status %d\n%s", r.status, r.body)
	}
	if r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the page with the key may be kept: %s", r.header.Get("Cache-Control"))
	}
	return html.UnescapeString(found[1])
}

// states are the states of acme's keys by id.
func (e *estate) states() map[string]manager.CredentialView {
	e.t.Helper()
	keys, err := e.service.Credentials(context.Background(), "acme", "checkout")
	must(e.t, err)
	byID := map[string]manager.CredentialView{}
	for _, key := range keys {
		byID[key.Metadata.Name] = key
	}
	return byID
}

func TestKeyIsShownOnce(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	key := shown(t, b.post("/applications/checkout/keys", url.Values{"environment": {"production"}, "lifetime": {"90d"}}))
	environment, id, ok := policy.ParseKey(key)
	if !ok || environment != "production" {
		t.Fatalf("%s is no key for production", key)
	}
	stored := e.states()[id]
	if left := stored.ExpiresAt.Sub(noon); left != 90*24*time.Hour {
		t.Errorf("it expires in %s", left)
	}
	secret := key[strings.LastIndexByte(key, '_')+1:]
	for _, path := range []string{"/applications", "/applications?environment=production", "/applications/checkout/keys/" + id + "/rotate", "/applications/checkout/keys/" + id + "/revoke",
		"/applications/checkout/keys/new", "/products", "/usage", "/requests"} {
		r := b.get(path)
		if strings.Contains(r.body, secret) {
			t.Errorf("%s shows the key again", path)
		}
		if r.status != http.StatusOK {
			t.Errorf("%s: status %d", path, r.status)
		}
	}
	if !strings.Contains(b.get("/applications").body, "pgk_production_"+id) {
		t.Error("the new key is not listed")
	}
	e.absent("the key's secret", secret)
}

func TestKeyFormsAreChecked(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	for _, form := range []url.Values{{"environment": {"moon"}, "lifetime": {"never"}}, {"environment": {"sandbox"}, "lifetime": {"1000000h"}}, {}} {
		if r := b.post("/applications/checkout/keys", form); r.status < 400 || r.status >= 500 {
			t.Errorf("%v: status %d", form, r.status)
		}
	}
	if len(e.states()) != 0 {
		t.Error("a key was made")
	}
}

func TestRotate(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	for overlap, want := range map[string]string{"0h": manager.CredentialExpired, "1h": manager.CredentialExpiring, "24h": manager.CredentialExpiring, "168h": manager.CredentialExpiring} {
		old := e.key("acme", "checkout", "sandbox")
		form := b.get("/applications/checkout/keys/" + old.ID + "/rotate").body
		if !strings.Contains(form, `name="overlap" value="`+overlap+`"`) {
			t.Errorf("the form does not offer %s", overlap)
		}
		key := shown(t, b.post("/applications/checkout/keys/"+old.ID+"/rotate", url.Values{"overlap": {overlap}}))
		_, id, _ := policy.ParseKey(key)
		states := e.states()
		if states[id].State != manager.CredentialActive || states[id].Environment != "sandbox" || states[old.ID].State != want || states[old.ID].RotatedTo != id {
			t.Errorf("after an overlap of %s the new key is %s and the old %s", overlap, states[id].State, states[old.ID].State)
		}
		page := b.get("/applications").body
		if strings.Contains(page, "/keys/"+old.ID+"/rotate") || !strings.Contains(page, "Replaced by <code>"+id) {
			t.Error("a key that was replaced is still offered for rotation, or is not told from the new one")
		}
	}
	key := e.key("acme", "checkout", "sandbox")
	if r := b.post("/applications/checkout/keys/"+key.ID+"/rotate", url.Values{"overlap": {"9999h"}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("an overlap that is not offered: status %d", r.status)
	}
}

func TestRevoke(t *testing.T) {
	e := newEstate(t)
	key := e.key("acme", "checkout", "sandbox")
	e.traffic(key)
	b := e.loggedIn(acmeAdmin)
	path := "/applications/checkout/keys/" + key.ID + "/revoke"
	for _, want := range []string{"cannot be undone", "credential_revoked", "3 minutes ago"} {
		if page := b.get(path).body; !strings.Contains(page, want) {
			t.Errorf("the confirmation does not say %q", want)
		}
	}
	if e.states()[key.ID].State != manager.CredentialActive {
		t.Fatal("looking at the confirmation revokes the key")
	}
	r := b.post(path, nil)
	if r.status != http.StatusSeeOther || e.states()[key.ID].State != manager.CredentialRevoked {
		t.Fatalf("revoking: status %d, the key is %s", r.status, e.states()[key.ID].State)
	}
	page := b.get("/applications").body
	if !strings.Contains(page, "Revoked") || !strings.Contains(page, "is revoked.") || strings.Contains(page, path) {
		t.Error("the page does not show the key as revoked")
	}
}

func TestExpiringKeys(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(acmeAdmin)
	words := func() []string {
		page := b.get("/applications").body
		var found []string
		for _, word := range []string{">Active<", ">Expires soon<", ">Replaced<", "1 key will expire within 14 days", "2 keys will expire within 14 days"} {
			if strings.Contains(page, word) {
				found = append(found, word)
			}
		}
		return found
	}
	add := func(lifetime time.Duration) *manager.NewKey {
		key, err := e.service.CreateCredential(t.Context(), operator, "acme", "checkout", "sandbox", lifetime)
		must(t, err)
		return key
	}
	late := add(90 * 24 * time.Hour)
	if got := words(); !slices.Equal(got, []string{">Active<"}) {
		t.Errorf("with 90 days left: %v", got)
	}
	add(3 * 24 * time.Hour)
	if got := words(); !slices.Equal(got, []string{">Active<", ">Expires soon<", "1 key will expire within 14 days"}) {
		t.Errorf("with 3 days left: %v", got)
	}
	b.post("/applications/checkout/keys/"+late.ID+"/rotate", url.Values{"overlap": {"1h"}})
	if got := words(); !slices.Equal(got, []string{">Active<", ">Expires soon<", ">Replaced<", "1 key will expire within 14 days"}) {
		t.Errorf("after its rotation: %v", got)
	}
}
