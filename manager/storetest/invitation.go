package storetest

import (
	"context"
	"crypto/sha256"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

var invitationTests = []contractTest{
	on("invitations are found until they end", testInvitations),
	on("a new one replaces the old", testReplaceInvitation),
	on("one is accepted once, with all that belongs to it", testAcceptInvitation),
	on("an account that has changed accepts nothing", testAcceptStale),
}

func invitation(partner, email, token string) manager.Invitation {
	return manager.Invitation{Digest: sha256.Sum256([]byte(token)), Partner: partner, Email: email, Role: manager.RoleViewer,
		InvitedBy: "boss@" + partner, OnBehalfOf: manager.OwnerPortal, CreatedAt: clock(1), ExpiresAt: clock(10)}
}

func testInvitations(t *testing.T, s manager.Store) {
	ctx := context.Background()
	filled(t, invitation("a", "a", "a"))
	var want []manager.Invitation
	for _, email := range hostile {
		want = append(want, invitation("acme", email, email))
		must(t, s.PutInvitation(ctx, invitation("globex", email, "globex"+email)))
	}
	for i := range want {
		must(t, s.PutInvitation(ctx, want[len(want)-1-i]))
	}
	equal(t, "of a partner", want, got(s.Invitations(ctx, "acme"))(t))
	equal(t, "of nobody", 0, len(got(s.Invitations(ctx, "nobody"))(t)))
	one := want[3]
	equal(t, "by digest", &one, got(s.Invitation(ctx, one.Digest, clock(9)))(t))
	_, err := s.Invitation(ctx, one.Digest, clock(10))
	wantError(t, err, manager.ErrMissing)
	for range 2 { // the second time there is none
		must(t, s.DeleteInvitation(ctx, "acme", one.Email))
		_, err = s.Invitation(ctx, one.Digest, clock(9))
		wantError(t, err, manager.ErrMissing)
	}
	equal(t, "the other partner's", len(want), len(got(s.Invitations(ctx, "globex"))(t)))
}

func testReplaceInvitation(t *testing.T, s manager.Store) {
	ctx := context.Background()
	old, next := invitation("acme", "a@x.test", "old"), invitation("acme", "a@x.test", "next")
	next.Role, next.ExpiresAt = manager.RoleAdmin, clock(20)
	must(t, s.PutInvitation(ctx, old, entry("invited")))
	must(t, s.PutInvitation(ctx, next, entry("invited again")))
	_, err := s.Invitation(ctx, old.Digest, clock(2))
	wantError(t, err, manager.ErrMissing)
	equal(t, "next", []manager.Invitation{next}, got(s.Invitations(ctx, "acme"))(t))
	must(t, s.DeleteInvitation(ctx, "acme", "a@x.test", entry("taken back")))
	wantAudit(t, s, entry("taken back"), entry("invited again"), entry("invited"))
}

func testAcceptInvitation(t *testing.T, s manager.Store) {
	ctx := context.Background()
	i := invitation("acme", "a@x.test", "link")
	must(t, s.PutInvitation(ctx, i))
	m := member("acme", "a@x.test", manager.RoleViewer)
	oneWins(t, func() error {
		account := &manager.Account{Email: "a@x.test", PasswordHash: "hash", CreatedAt: clock(2)}
		return s.AcceptInvitation(ctx, i.Digest, account, m, entry("accepted"))
	})
	want := &manager.Account{Email: "a@x.test", PasswordHash: "hash", CreatedAt: clock(2), Revision: 1}
	equal(t, "account", want, got(s.Account(ctx, "a@x.test"))(t))
	equal(t, "members", []manager.Membership{m}, got(s.Memberships(ctx, "acme", ""))(t))
	equal(t, "left", 0, len(got(s.Invitations(ctx, "acme"))(t)))
	wantAudit(t, s, entry("accepted"))
}

func testAcceptStale(t *testing.T, s manager.Store) {
	ctx := context.Background()
	i := invitation("acme", "a@x.test", "link")
	must(t, s.PutInvitation(ctx, i))
	must(t, s.PutAccount(ctx, &manager.Account{Email: "a@x.test", CreatedAt: clock(0)}))
	account := &manager.Account{Email: "a@x.test", PasswordHash: "hash", CreatedAt: clock(0)}
	m := member("acme", "a@x.test", manager.RoleViewer)
	wantError(t, s.AcceptInvitation(ctx, i.Digest, account, m, entry("lost")), manager.ErrRevision)
	equal(t, "still there", []manager.Invitation{i}, got(s.Invitations(ctx, "acme"))(t))
	equal(t, "members", 0, len(got(s.Memberships(ctx, "acme", ""))(t)))
	wantAudit(t, s)
	account.Revision = 1
	must(t, s.AcceptInvitation(ctx, i.Digest, account, m))
	equal(t, "password", "hash", got(s.Account(ctx, "a@x.test"))(t).PasswordHash)
}
