package storetest

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var tokenTests = []contractTest{
	on("tokens are found by digest and listed by name", testTokens),
	on("of two writers of a token one wins", testTokenRevision),
	on("a use is noted without a new revision", testTokenUse),
	on("two tokens never share a digest", testTokenDigest),
}

func adminToken(name, text string) *manager.AdminToken {
	return &manager.AdminToken{Name: name, Digest: sha256.Sum256([]byte(text)), Role: manager.TokenOperator, Teams: []string{"core", "é\"$"},
		CreatedBy: "bootstrap", CreatedAt: clock(0), ExpiresAt: pointer(clock(9)), RevokedAt: pointer(clock(8)), LastUsedAt: pointer(clock(7))}
}

func testTokens(t *testing.T, s manager.Store) {
	ctx := context.Background()
	filled(t, *adminToken("a", "a"), "Revision")
	equal(t, "none", 0, len(got(s.AdminTokens(ctx))(t)))
	var want []manager.AdminToken
	for _, name := range hostile {
		full := adminToken(name, name)
		must(t, s.PutAdminToken(ctx, full))
		full.LastUsedAt, full.Revision = nil, 1
		want = append(want, *full)
		equal(t, "by digest", full, got(s.AdminToken(ctx, full.Digest))(t))
	}
	equal(t, "all", want, got(s.AdminTokens(ctx))(t))
	_, err := s.AdminToken(ctx, sha256.Sum256([]byte("unknown")))
	wantError(t, err, manager.ErrMissing)

	bare := &manager.AdminToken{Name: "bare", Digest: [32]byte{1}, Role: manager.TokenAdmin, CreatedAt: clock(0)}
	must(t, s.PutAdminToken(ctx, bare))
	bare.Revision = 1
	equal(t, "bare", bare, got(s.AdminToken(ctx, bare.Digest))(t))
	confined := &manager.AdminToken{Name: "confined", Digest: [32]byte{2}, Role: manager.TokenOperator, Teams: []string{}, CreatedAt: clock(0)}
	must(t, s.PutAdminToken(ctx, confined))
	confined.Revision = 1
	equal(t, "confined to no team, which is not the same", confined, got(s.AdminToken(ctx, confined.Digest))(t))
}

func testTokenRevision(t *testing.T, s manager.Store) {
	ctx := context.Background()
	must(t, s.PutAdminToken(ctx, adminToken("ci", "one"), entry("made")))
	wantError(t, s.PutAdminToken(ctx, adminToken("ci", "two"), entry("lost")), manager.ErrRevision)
	changed := adminToken("ci", "one")
	changed.Role, changed.Revision = manager.TokenSupport, 2
	wantError(t, s.PutAdminToken(ctx, changed, entry("lost")), manager.ErrRevision)
	changed.Revision = 1
	must(t, s.PutAdminToken(ctx, changed, entry("changed")))
	changed.Revision, changed.LastUsedAt = 2, nil
	equal(t, "changed", []manager.AdminToken{*changed}, got(s.AdminTokens(ctx))(t))
	wantAudit(t, s, entry("changed"), entry("made"))
}

func testTokenUse(t *testing.T, s manager.Store) {
	ctx := context.Background()
	must(t, s.NoteTokenUse(ctx, "nobody", clock(1)))
	token := adminToken("ci", "one")
	must(t, s.PutAdminToken(ctx, token))
	for _, use := range []struct{ at, want time.Time }{{clock(5), clock(5)}, {clock(3), clock(5)}, {clock(6), clock(6)}} {
		must(t, s.NoteTokenUse(ctx, "ci", use.at))
		stored := got(s.AdminToken(ctx, token.Digest))(t)
		equal(t, "last use", pointer(use.want), stored.LastUsedAt)
		equal(t, "revision", int64(1), stored.Revision)
	}
	token.Revision, token.LastUsedAt = 1, nil
	must(t, s.PutAdminToken(ctx, token))
	equal(t, "last use", pointer(clock(6)), got(s.AdminToken(ctx, token.Digest))(t).LastUsedAt)
}

func testTokenDigest(t *testing.T, s manager.Store) {
	ctx := context.Background()
	must(t, s.PutAdminToken(ctx, adminToken("one", "same")))
	if err := s.PutAdminToken(ctx, adminToken("two", "same"), entry("lost")); err == nil {
		t.Fatal("two tokens have one digest")
	}
	equal(t, "tokens", 1, len(got(s.AdminTokens(ctx))(t)))
	wantAudit(t, s)
}
