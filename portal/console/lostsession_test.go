package console

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// readOnly is a store of sessions to which nothing can be written while it is full.
type readOnly struct {
	manager.SessionStore
	full *bool
}

var errFull = errors.New("the disk is full")

func (s readOnly) PutSession(ctx context.Context, session *manager.Session) error {
	if *s.full {
		return errFull
	}
	return s.SessionStore.PutSession(ctx, session)
}

func (s readOnly) KeepSession(ctx context.Context, session *manager.Session) error {
	if *s.full {
		return errFull
	}
	return s.SessionStore.KeepSession(ctx, session)
}

// TestSessionNotStored: a login is refused, and what else was asked for is answered, once, and told in the log.
func TestSessionNotStored(t *testing.T) {
	e := newEstate(t)
	full := false
	e.site.Sessions.Store = web.SessionStore{Store: readOnly{e.service.Sessions(), &full}, Now: e.now}
	b := e.signedIn(bootstrapToken)
	logged := func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		return strings.Count(e.log.String(), "a session could not be stored")
	}

	full = true
	late := e.browser()
	a := late.post("/admin/login", url.Values{"token": {bootstrapToken}})
	if a.status != http.StatusServiceUnavailable || a.to() != "" || a.header.Get("Set-Cookie") != "" || !strings.Contains(a.body, "Your session could not be stored") {
		t.Errorf("a login that was not stored has status %d, leads to %q and sets %q", a.status, a.to(), a.header.Get("Set-Cookie"))
	}
	if n := logged(); n != 1 {
		t.Errorf("%d lines tell of it", n)
	}
	if a := late.get("/admin/partners"); a.status != http.StatusSeeOther {
		t.Errorf("it lets in: status %d", a.status)
	}
	a = b.get("/admin/partners")
	if a.status != http.StatusOK || strings.Count(a.body, "<html") != 1 || !strings.Contains(a.body, "acme") {
		t.Errorf("a page whose session was not stored has status %d and %d documents", a.status, strings.Count(a.body, "<html"))
	}
	if n := logged(); n != 2 {
		t.Errorf("%d lines tell of the two", n)
	}
	acme, err := e.service.Resource(t.Context(), manager.Ref{Kind: manager.KindPartner, Name: "acme"})
	must(t, err)
	a = b.post("/admin/partners/acme/state", url.Values{"to": {"suspended"}, "revision": {strconv.FormatInt(acme.Meta().Revision, 10)}})
	if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "look before you do it again") || strings.Count(a.body, "<html") != 1 {
		t.Errorf("a change of which the next page does not know has status %d\n%s", a.status, a.body)
	}

	full = false
	if a := b.get("/admin/partners/acme"); a.status != http.StatusOK || !strings.Contains(a.body, "Suspended") {
		t.Errorf("afterwards: status %d", a.status)
	}
}

// TestSessionOfWhoHasLeft is no error of ours.
func TestSessionOfWhoHasLeft(t *testing.T) {
	e := newEstate(t)
	address, err := url.Parse(e.server.URL + home)
	must(t, err)
	cookies := e.signedIn(bootstrapToken).client.Jar.Cookies(address)
	ctx, leave := context.WithCancel(context.Background())
	r := httptest.NewRequest(http.MethodGet, "/admin", nil).WithContext(ctx)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	e.site.Public(func(w http.ResponseWriter, r *http.Request) {
		leave()
		w.WriteHeader(http.StatusOK)
	}).ServeHTTP(httptest.NewRecorder(), r)
	e.mu.Lock()
	defer e.mu.Unlock()
	if strings.Contains(e.log.String(), "a session could not be stored") {
		t.Error("who has left is told as an error")
	}
}
