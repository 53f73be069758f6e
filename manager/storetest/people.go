package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var peopleTests = []contractTest{
	on("accounts are kept and replaced", testAccounts),
	on("of two writers of an account one wins", testAccountRevision),
	on("memberships are listed by partner, email or both", testMemberships),
	on("memberships are replaced and deleted", testChangeMemberships),
	on("sessions end at their time", testSessions),
	on("expired sessions are deleted", testDeleteExpiredSessions),
}

func testAccounts(t *testing.T, s manager.Store) {
	ctx := context.Background()
	for _, email := range hostile {
		_, err := s.Account(ctx, email)
		wantError(t, err, manager.ErrMissing)
		full := &manager.Account{Email: email, PasswordHash: "$argon2id$" + email, CreatedAt: clock(0), LastLoginAt: pointer(clock(1))}
		filled(t, *full, "Revision")
		must(t, s.PutAccount(ctx, full))
		full.Revision++
		equal(t, "account", full, got(s.Account(ctx, email))(t))
	}
	for _, email := range hostile {
		invited := &manager.Account{Email: email, CreatedAt: clock(2), Revision: 1}
		must(t, s.PutAccount(ctx, invited))
		invited.Revision++
		equal(t, "replaced account", invited, got(s.Account(ctx, email))(t))
	}
	var some []manager.Account
	for _, email := range hostile[:len(hostile)-2] {
		some = append(some, manager.Account{Email: email, CreatedAt: clock(2), Revision: 2})
	}
	asked := append([]string{"nobody"}, hostile[:len(hostile)-2]...)
	slices.Reverse(asked)
	equal(t, "accounts of some", some, got(s.AccountsOf(ctx, asked))(t))
	equal(t, "accounts of none", 0, len(got(s.AccountsOf(ctx, nil))(t)))
}

func testAccountRevision(t *testing.T, s manager.Store) {
	ctx := context.Background()
	account := &manager.Account{Email: "a@x.test", PasswordHash: "one", CreatedAt: clock(0)}
	must(t, s.PutAccount(ctx, account))
	for _, revision := range []int64{0, 2, -1} {
		stale := &manager.Account{Email: "a@x.test", PasswordHash: "lost", CreatedAt: clock(0), Revision: revision}
		wantError(t, s.PutAccount(ctx, stale, entry("lost")), manager.ErrRevision)
	}
	wantError(t, s.PutAccount(ctx, &manager.Account{Email: "b@x.test", Revision: 1}), manager.ErrRevision)
	wantAudit(t, s)

	oneWins(t, func() error {
		return s.PutAccount(ctx, &manager.Account{Email: "a@x.test", CreatedAt: clock(0), Revision: 1}, entry("won"))
	})
	wantAudit(t, s, entry("won"))
	equal(t, "revision", int64(2), got(s.Account(ctx, "a@x.test"))(t).Revision)
}

func member(partner, email string, role manager.Role) manager.Membership {
	return manager.Membership{Partner: partner, Email: email, Role: role, CreatedAt: clock(3)}
}

func testMemberships(t *testing.T, s manager.Store) {
	ctx := context.Background()
	filled(t, member("acme", "a@x.test", manager.RoleAdmin))
	var want []manager.Membership // of every hostile partner, every hostile email
	for _, partner := range hostile {
		for _, email := range hostile {
			want = append(want, member(partner, email, manager.RoleViewer))
		}
	}
	for i := range want {
		must(t, s.PutMembership(ctx, want[len(want)-1-i]))
	}
	n := len(hostile)
	for i, partner := range hostile {
		equal(t, "of a partner", want[i*n:(i+1)*n], got(s.Memberships(ctx, partner, ""))(t))
		equal(t, "of both", want[i*n+i:i*n+i+1], got(s.Memberships(ctx, partner, hostile[i]))(t))
		ofEmail := got(s.Memberships(ctx, "", hostile[i]))(t)
		for j := range ofEmail {
			equal(t, "of an email", want[j*n+i], ofEmail[j])
		}
		if len(ofEmail) != n {
			t.Fatalf("%d memberships of an email, want %d", len(ofEmail), n)
		}
	}
	equal(t, "of nobody", 0, len(got(s.Memberships(ctx, "nobody", ""))(t)))
	if _, err := s.Memberships(ctx, "", ""); err == nil {
		t.Fatal("memberships of nothing at all were listed")
	}
}

func testChangeMemberships(t *testing.T, s manager.Store) {
	ctx := context.Background()
	must(t, s.PutMembership(ctx, member("acme", "a@x.test", manager.RoleViewer)))
	must(t, s.PutMembership(ctx, member("globex", "a@x.test", manager.RoleViewer)))
	raised := member("acme", "a@x.test", manager.RoleAdmin)
	must(t, s.PutMembership(ctx, raised))
	equal(t, "raised", []manager.Membership{raised, member("globex", "a@x.test", manager.RoleViewer)}, got(s.Memberships(ctx, "", "a@x.test"))(t))
	for range 2 { // the second time there is none
		must(t, s.DeleteMembership(ctx, "acme", "a@x.test"))
		equal(t, "left", []manager.Membership{member("globex", "a@x.test", manager.RoleViewer)}, got(s.Memberships(ctx, "", "a@x.test"))(t))
	}
}

func session(token string, ends time.Time, data []byte) *manager.Session {
	return &manager.Session{TokenDigest: sha256.Sum256([]byte(token)), Data: data, ExpiresAt: ends}
}

func testSessions(t *testing.T, s manager.Store) {
	ctx := context.Background()
	one := session("one", clock(10), []byte("\x00\xff data"))
	filled(t, *one)
	_, err := s.Session(ctx, one.TokenDigest, clock(0))
	wantError(t, err, manager.ErrMissing)
	for _, data := range [][]byte{one.Data, nil, bytes.Repeat([]byte{7}, 1<<20)} {
		stored := session("one", clock(10), data)
		must(t, s.PutSession(ctx, stored))
		equal(t, "session", stored, got(s.Session(ctx, one.TokenDigest, clock(0)))(t))
	}
	got(s.Session(ctx, one.TokenDigest, clock(10).Add(-time.Microsecond)))(t)
	_, err = s.Session(ctx, one.TokenDigest, clock(10))
	wantError(t, err, manager.ErrMissing)

	longer := session("one", clock(20), nil)
	must(t, s.PutSession(ctx, longer))
	equal(t, "prolonged", longer, got(s.Session(ctx, one.TokenDigest, clock(15)))(t))
	longer = session("one", clock(30), []byte("more"))
	must(t, s.KeepSession(ctx, longer))
	equal(t, "kept", longer, got(s.Session(ctx, one.TokenDigest, clock(25)))(t))
	for range 2 {
		must(t, s.DeleteSession(ctx, one.TokenDigest))
		must(t, s.KeepSession(ctx, one)) // which does not bring it back
		_, err = s.Session(ctx, one.TokenDigest, clock(0))
		wantError(t, err, manager.ErrMissing)
	}
}

func testDeleteExpiredSessions(t *testing.T, s manager.Store) {
	ctx := context.Background()
	must(t, s.PutSession(ctx, session("ended", clock(1), nil)))
	must(t, s.PutSession(ctx, session("ends", clock(2), nil)))
	must(t, s.PutSession(ctx, session("lives", clock(3), nil)))
	must(t, s.DeleteExpiredSessions(ctx, clock(2)))
	for token, kept := range map[string]bool{"ended": false, "ends": false, "lives": true} {
		_, err := s.Session(ctx, sha256.Sum256([]byte(token)), clock(0)) // when none had expired yet
		if kept {
			must(t, err)
		} else {
			wantError(t, err, manager.ErrMissing)
		}
	}
}
