package portal

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/partnergate/partnergate/manager"
)

// invited makes a link in the portal and returns where it leads to.
func (b *browser) invited(email, role string) string {
	b.e.t.Helper()
	page := b.post("/members", url.Values{"email": {email}, "role": {role}})
	link := regexp.MustCompile(`id="link">([^<]+)<`).FindStringSubmatch(page.body)
	if page.status != http.StatusOK || link == nil {
		b.e.t.Fatalf("inviting: %d %s", page.status, page.body)
	}
	at, err := url.Parse(html.UnescapeString(link[1]))
	must(b.e.t, err)
	return at.RequestURI()
}

func tokenIn(link string) string { return strings.TrimPrefix(link, "/invitation?token=") }

func TestInviteAndJoin(t *testing.T) {
	e := newEstate(t)
	admin := e.loggedIn(acmeAdmin)
	first := admin.invited("new@acme.test", "developer")
	link := admin.invited("new@acme.test", "developer")
	if page := admin.get("/members").body; !strings.Contains(page, "new@acme.test") || strings.Contains(page, tokenIn(link)) {
		t.Error("the invitation is not listed, or its link is shown again")
	}
	guest := e.browser()
	if r := guest.get(first); r.status != http.StatusNotFound {
		t.Errorf("the link that was replaced: %d", r.status)
	}
	if r := guest.get(link); r.status != http.StatusOK || !strings.Contains(r.body, "Join Acme Corp") {
		t.Fatalf("the link: %d", r.status)
	}
	if r := guest.post("/invitation", url.Values{"token": {tokenIn(link)}, "password": {"short"}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("a short password: %d", r.status)
	}
	if r := guest.post("/invitation", url.Values{"token": {tokenIn(link)}, "password": {password}}); r.status != http.StatusSeeOther {
		t.Fatalf("joining: %d %s", r.status, r.body)
	}
	if r := guest.get("/applications/new"); r.status != http.StatusOK {
		t.Errorf("after joining: %d", r.status)
	}
	if r := e.browser().post("/invitation", url.Values{"token": {tokenIn(link)}, "password": {password}}); r.status != http.StatusNotFound {
		t.Errorf("a second time: %d", r.status)
	}
	e.loggedIn("new@acme.test")
	e.absent("the link's token", tokenIn(link))
	taken := admin.invited("other@acme.test", "viewer")
	if r := admin.post("/invitations/other@acme.test/cancel", nil); r.status != http.StatusSeeOther {
		t.Errorf("taking back: %d", r.status)
	}
	if r := guest.get(taken); r.status != http.StatusNotFound {
		t.Errorf("a link taken back: %d", r.status)
	}
}

// Who has no password yet is shown as invited, and gets one by a link of the admin.
func TestMemberWithoutPassword(t *testing.T) {
	e := newEstate(t)
	must(t, e.service.InviteMember(t.Context(), operator, "acme", "seeded@acme.test", manager.RoleViewer))
	admin := e.loggedIn(acmeAdmin)
	if page := admin.get("/members").body; strings.Count(page, ">Invited</span>") != 1 || !strings.Contains(page, "Make a link for seeded@acme.test") {
		t.Error("the member is not shown as invited")
	}
	link := admin.invited("seeded@acme.test", "viewer")
	guest := e.browser()
	if r := guest.post("/invitation", url.Values{"token": {tokenIn(link)}, "password": {password}}); r.status != http.StatusSeeOther {
		t.Fatalf("setting a password: %d %s", r.status, r.body)
	}
	if page := admin.get("/members").body; strings.Contains(page, ">Invited</span>") || !strings.Contains(page, "seeded@acme.test") {
		t.Error("the member is still shown as invited")
	}
}

// A link ends with the membership of the admin who made it, and so does the admin's own page.
func TestLinkEndsWithItsAdmin(t *testing.T) {
	e := newEstate(t)
	admin := e.loggedIn(acmeAdmin)
	link := admin.invited("friend@acme.test", "admin")
	must(t, e.service.InviteMember(t.Context(), operator, "acme", acmeAdmin, manager.RoleViewer))
	guest := e.browser()
	if r := guest.get(link); r.status != http.StatusNotFound {
		t.Errorf("the link of a viewer: %d", r.status)
	}
	if r := guest.post("/invitation", url.Values{"token": {tokenIn(link)}, "password": {password}}); r.status != http.StatusNotFound {
		t.Errorf("joining by it: %d", r.status)
	}
	if r := admin.get("/members"); r.status != http.StatusForbidden {
		t.Errorf("the page of a viewer: %d", r.status)
	}
	must(t, e.service.RemoveMember(t.Context(), operator, "acme", acmeAdmin))
	if r := admin.get("/products"); r.status != http.StatusForbidden {
		t.Errorf("after the removal: %d", r.status)
	}
}

// Whoever has a login and is made a member of a second partner sees it at once.
func TestSecondPartnerAfterLogin(t *testing.T) {
	e := newEstate(t)
	b := e.loggedIn(globexDev)
	if page := b.get("/products").body; strings.Contains(page, `value="acme"`) {
		t.Fatal("globex's developer is offered acme before")
	}
	if _, link, err := e.service.Enroll(t.Context(), operator, "acme", globexDev, manager.RoleViewer); err != nil || link != nil {
		t.Fatalf("%+v, %v", link, err)
	}
	if page := b.get("/products").body; !strings.Contains(page, `name="partner" value="acme"`) {
		t.Error("the browser that is logged in is not offered acme, or is about it without being asked")
	}
	if r := b.post("/partner", url.Values{"partner": {"acme"}}); r.status != http.StatusSeeOther {
		t.Errorf("choosing acme: %d", r.status)
	}
	if page := e.loggedIn(globexDev).get("/products").body; !strings.Contains(page, `name="partner" value="globex"`) {
		t.Error("a new login, which begins with acme, is not offered globex")
	}
}

func TestMembersPage(t *testing.T) {
	e := newEstate(t)
	admin := e.loggedIn(acmeAdmin)
	role := func(email string) manager.Role {
		all, err := e.service.Members(t.Context(), "acme")
		must(t, err)
		for _, m := range all {
			if m.Email == email {
				return m.Role
			}
		}
		return ""
	}
	if r := admin.post("/members/"+acmeView+"/role", url.Values{"role": {"developer"}}); r.status != http.StatusSeeOther || role(acmeView) != manager.RoleDeveloper {
		t.Errorf("changing a role: %d, %s", r.status, role(acmeView))
	}
	for _, wrong := range []struct {
		path, field, value string
		want               int
	}{
		{"/members/" + acmeView + "/role", "role", "emperor", http.StatusUnprocessableEntity},
		{"/members/nobody@acme.test/role", "role", "admin", http.StatusNotFound},
		{"/members/" + acmeAdmin + "/role", "role", "viewer", http.StatusConflict}, // the only one
		{"/members/" + acmeAdmin + "/remove", "", "", http.StatusConflict},
		{"/members", "email", "no address", http.StatusUnprocessableEntity},
		{"/members", "email", acmeView, http.StatusUnprocessableEntity}, // is one, and has a password
		{"/invitations/nobody@acme.test/cancel", "", "", http.StatusNotFound},
	} {
		form := url.Values{"role": {"viewer"}}
		form.Set(wrong.field, wrong.value)
		if r := admin.post(wrong.path, form); r.status != wrong.want {
			t.Errorf("%s with %s: %d, want %d", wrong.path, wrong.value, r.status, wrong.want)
		}
	}
	developer := e.loggedIn(acmeView)
	if page := developer.get("/products").body; strings.Contains(page, `href="/members"`) {
		t.Error("a developer is offered the members")
	}
	if r := developer.post("/members/"+acmeView+"/role", url.Values{"role": {"admin"}}); r.status != http.StatusForbidden || role(acmeView) != manager.RoleDeveloper {
		t.Errorf("a member makes itself admin: %d", r.status)
	}
	if r := admin.post("/members/"+acmeView+"/remove", nil); r.status != http.StatusSeeOther || role(acmeView) != "" {
		t.Errorf("removing: %d", r.status)
	}
	if r := developer.get("/products"); r.status != http.StatusForbidden {
		t.Errorf("who was removed still sees: %d", r.status)
	}
}

func TestChangePasswordInThePortal(t *testing.T) {
	e := newEstate(t)
	here, elsewhere := e.loggedIn(acmeView), e.loggedIn(acmeView)
	const next = "another long password"
	if r := here.post("/password", url.Values{"current": {"wrong"}, "new": {next}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "not your password") {
		t.Errorf("with a wrong one: %d", r.status)
	}
	if r := here.post("/password", url.Values{"current": {password}, "new": {"short"}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "12 to 256") {
		t.Errorf("to a short one: %d", r.status)
	}
	if r := here.post("/password", url.Values{"current": {password}, "new": {next}}); r.status != http.StatusSeeOther {
		t.Fatalf("changing: %d %s", r.status, r.body)
	}
	if r := here.get("/products"); r.status != http.StatusOK || !strings.Contains(r.body, "Your password is changed") {
		t.Errorf("this browser: %d", r.status)
	}
	if r := elsewhere.get("/products"); r.status != http.StatusSeeOther {
		t.Errorf("another browser: %d", r.status)
	}
	e.absent("the new password", next)
}

// The 11th login in 15 minutes is refused, whatever X-Forwarded-For says, to members and others alike.
func TestEleventhLogin(t *testing.T) {
	e := newEstate(t)
	var bodies []string
	for _, email := range []string{acmeAdmin, "nobody@acme.test"} {
		b := e.browser()
		for i := range 11 {
			r, err := http.NewRequest(http.MethodPost, e.server.URL+"/login", strings.NewReader(url.Values{"email": {email}, "password": {"wrong"}}.Encode()))
			must(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
			want := http.StatusUnauthorized
			if i == 10 {
				want = http.StatusTooManyRequests
			}
			a := b.do(r)
			if a.status != want {
				t.Fatalf("try %d of %s: %d", i+1, email, a.status)
			}
			if i == 10 {
				if a.header.Get("Retry-After") != "900" || !strings.Contains(a.body, "15 minutes") {
					t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
				}
				bodies = append(bodies, strings.ReplaceAll(a.body, email, ""))
			}
		}
	}
	if bodies[0] != bodies[1] {
		t.Error("member and stranger can be told apart")
	}
	if r := e.browser().post("/login", url.Values{"email": {acmeAdmin}, "password": {password}}); r.status != http.StatusTooManyRequests {
		t.Errorf("the right password from a throttled address: %d", r.status)
	}
	e.loggedIn(acmeView) // behind the same address, and innocent
}

// TestJoiningInTheBrowser invites and joins as people do.
func TestJoiningInTheBrowser(t *testing.T) {
	e := newEstate(t)
	b := newTab(t, e.server.URL)
	b.login(acmeAdmin)
	b.follow(`.sections a[href^="/members"]`)
	b.follow(`a[href="/members/invite"]`)
	b.do(chromedp.SendKeys(chromedp.CSS("#email"), "new@acme.test"), chromedp.Click(chromedp.CSS(`input[value="viewer"]`)))
	b.follow("button.primary")
	b.do(chromedp.Click(chromedp.CSS(".secret .copy")))
	b.await("document.querySelector('.secret .copy-word').textContent === 'Copied'")
	link, err := url.Parse(eval[string](b, "document.getElementById('link').textContent"))
	must(t, err)
	b.follow(".actions .primary")
	if page := eval[string](b, "document.querySelector('main').textContent"); !strings.Contains(page, "new@acme.test") {
		t.Error("the invitation is not listed")
	}
	b.open(link.RequestURI())
	b.do(chromedp.SendKeys(chromedp.CSS("#password"), password))
	b.follow("button.primary")
	if at := eval[string](b, "location.pathname + document.querySelector('.account-email').textContent"); at != "/productsnew@acme.test" {
		t.Errorf("after joining the browser is at %s", at)
	}
	b.quiet()
}
