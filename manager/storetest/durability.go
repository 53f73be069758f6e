package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var durabilityTests = []contractTest{
	{"everything is there when opened again", testOpenedAgain},
	{"another opening sees every commit", testAnotherOpening},
	{"a closed store answers with errors", testClosed},
	on("an ended context is honoured by every method", testEndedContext),
	on("everything is listed and deleted", testReset),
}

// writeEverything uses every method that stores.
func writeEverything(t *testing.T, s manager.Store) {
	t.Helper()
	ctx := context.Background()
	var changes []manager.Change
	for _, r := range everyKind(t) {
		changes = append(changes, put(r))
	}
	commit(t, s, changes...)
	must(t, s.PutAccount(ctx, &manager.Account{Email: "a@x.test", PasswordHash: "hash", CreatedAt: clock(0)}))
	must(t, s.PutMembership(ctx, member("acme", "a@x.test", manager.RoleAdmin)))
	must(t, s.PutSession(ctx, session("token", clock(9), []byte("data"))))
	must(t, s.PutInvitation(ctx, invitation("acme", "b@x.test", "link")))
	must(t, s.PutAdminToken(ctx, adminToken("ci", "pgt_1"), entry("made")))
	must(t, s.AddAudit(ctx, []manager.AuditEntry{entry("more")}))
	got(s.TakeMarks(ctx, noon, []manager.Mark{{Key: "k", ID: "1", Until: clock(9)}}))(t)
	commitSync(t, s, manager.SyncCommit{
		Proxy: proxy("p", 1, 0), Buckets: []manager.Bucket{bucket("a", "state", 0)}, Usage: []manager.UsageRow{counted(0, "acme", "x", 5)},
		Requests:       []manager.RequestRecord{logged(0, clock(0), fullKey)},
		CredentialUses: map[string]map[string]time.Time{"acme": {"k": clock(0)}},
	})
}

func wantEverything(t *testing.T, s manager.Store) {
	t.Helper()
	ctx := context.Background()
	wantPolicy(t, s, 1, everyKind(t)...)
	equal(t, "account", &manager.Account{Email: "a@x.test", PasswordHash: "hash", CreatedAt: clock(0), Revision: 1}, got(s.Account(ctx, "a@x.test"))(t))
	equal(t, "members", []manager.Membership{member("acme", "a@x.test", manager.RoleAdmin)}, got(s.Memberships(ctx, "acme", ""))(t))
	one := session("token", clock(9), []byte("data"))
	equal(t, "session", one, got(s.Session(ctx, one.TokenDigest, clock(0)))(t))
	equal(t, "invitations", []manager.Invitation{invitation("acme", "b@x.test", "link")}, got(s.Invitations(ctx, "acme"))(t))
	token := adminToken("ci", "pgt_1")
	token.LastUsedAt, token.Revision = nil, 1
	equal(t, "token", token, got(s.AdminToken(ctx, token.Digest))(t))
	wantAudit(t, s, entry("more"), entry("made"))
	equal(t, "marks", []int{1}, got(s.Marks(ctx, noon, "k"))(t))
	equal(t, "proxy", proxy("p", 1, 1), got(s.Proxy(ctx, "p"))(t))
	equal(t, "buckets", []manager.Bucket{bucket("a", "state", 1)}, got(s.Buckets(ctx, []string{"a"}))(t))
	equal(t, "usage", int64(5), total(t, s, manager.UsageQuery{}))
	equal(t, "requests", []manager.RequestRecord{logged(0, clock(0), fullKey)}, requests(t, s, manager.RequestQuery{Limit: 2}).Items)
	equal(t, "uses", map[string]time.Time{"k": clock(0)}, got(s.CredentialUses(ctx, "acme"))(t))
}

func testOpenedAgain(t *testing.T, open Open) {
	s := open(t)
	writeEverything(t, s)
	before := got(s.LoadPolicy(context.Background()))(t).Lineage
	must(t, s.Close())
	s = opened(t, open)
	wantEverything(t, s)
	if after := got(s.LoadPolicy(context.Background()))(t).Lineage; after != before {
		t.Fatalf("lineage %x, before %x", after, before)
	}
}

func testAnotherOpening(t *testing.T, open Open) {
	one, other := opened(t, open), opened(t, open)
	wantPolicy(t, other, 0)
	writeEverything(t, one)
	wantEverything(t, other)
}

// calls uses every method once but Close; each returns the error.
func calls(s manager.Store, ctx context.Context) map[string]error {
	errs := map[string]error{}
	add := func(name string) func(_ any, err error) { return func(_ any, err error) { errs[name] = err } }
	add("LoadPolicy")(s.LoadPolicy(ctx))
	add("PolicyRevision")(s.PolicyRevision(ctx))
	add("CommitPolicy")(s.CommitPolicy(ctx, manager.PolicyCommit{}))
	add("Account")(s.Account(ctx, "a"))
	errs["PutAccount"] = s.PutAccount(ctx, &manager.Account{Email: "a"})
	add("AccountsOf")(s.AccountsOf(ctx, []string{"a"}))
	add("Memberships")(s.Memberships(ctx, "a", ""))
	errs["PutMembership"] = s.PutMembership(ctx, manager.Membership{Partner: "a", Email: "a"})
	errs["DeleteMembership"] = s.DeleteMembership(ctx, "a", "a")
	add("Session")(s.Session(ctx, [32]byte{}, noon))
	errs["PutSession"] = s.PutSession(ctx, &manager.Session{})
	errs["KeepSession"] = s.KeepSession(ctx, &manager.Session{})
	errs["DeleteSession"] = s.DeleteSession(ctx, [32]byte{})
	errs["DeleteExpiredSessions"] = s.DeleteExpiredSessions(ctx, noon)
	add("Invitation")(s.Invitation(ctx, [32]byte{}, noon))
	add("Invitations")(s.Invitations(ctx, "a"))
	errs["PutInvitation"] = s.PutInvitation(ctx, manager.Invitation{Partner: "a", Email: "a"})
	errs["DeleteInvitation"] = s.DeleteInvitation(ctx, "a", "a")
	errs["AcceptInvitation"] = s.AcceptInvitation(ctx, [32]byte{}, &manager.Account{Email: "a"}, manager.Membership{Partner: "a", Email: "a"})
	add("AdminToken")(s.AdminToken(ctx, [32]byte{}))
	add("AdminTokens")(s.AdminTokens(ctx))
	errs["PutAdminToken"] = s.PutAdminToken(ctx, &manager.AdminToken{Name: "a"})
	errs["NoteTokenUse"] = s.NoteTokenUse(ctx, "a", noon)
	errs["AddAudit"] = s.AddAudit(ctx, []manager.AuditEntry{{}})
	add("Audit")(s.Audit(ctx, manager.AuditQuery{}))
	errs["DeleteAuditBefore"] = s.DeleteAuditBefore(ctx, noon)
	add("TakeMarks")(s.TakeMarks(ctx, noon, []manager.Mark{{Key: "a", ID: "a", Until: noon}}))
	add("Marks")(s.Marks(ctx, noon, "a"))
	add("MarkedIDs")(s.MarkedIDs(ctx, noon, "a"))
	errs["DeleteMarks"] = s.DeleteMarks(ctx, []manager.Mark{{Key: "a"}})
	errs["DeleteExpiredMarks"] = s.DeleteExpiredMarks(ctx, noon)
	add("UsageSums")(s.UsageSums(ctx, manager.UsageQuery{}))
	add("Requests")(s.Requests(ctx, manager.RequestQuery{}))
	add("CredentialUses")(s.CredentialUses(ctx, "a"))
	errs["DeleteUsageBefore"] = s.DeleteUsageBefore(ctx, noon, noon)
	add("Proxy")(s.Proxy(ctx, "a"))
	add("Proxies")(s.Proxies(ctx, noon))
	add("Buckets")(s.Buckets(ctx, []string{"a"}))
	errs["CommitSync"] = s.CommitSync(ctx, manager.SyncCommit{Proxy: &manager.Proxy{ID: "a"}})
	errs["DeleteProxiesBefore"] = s.DeleteProxiesBefore(ctx, noon)
	add("Accounts")(s.Accounts(ctx))
	add("AllBuckets")(s.AllBuckets(ctx))
	errs["Reset"] = s.Reset(ctx, 7)
	errs["Ping"] = s.Ping(ctx)
	return errs
}

// wantAll makes sure that calls knows every method but Close.
func wantAll(t *testing.T, errs map[string]error) {
	t.Helper()
	for method := range reflect.TypeFor[manager.Store]().Methods() {
		if _, called := errs[method.Name]; !called && method.Name != "Close" {
			t.Errorf("%s is not called", method.Name)
		}
	}
}

func testEndedContext(t *testing.T, s manager.Store) {
	errs := calls(s, cancelled())
	wantAll(t, errs)
	for method, err := range errs {
		t.Run(method, func(t *testing.T) { wantError(t, err, context.Canceled) })
	}
	wantPolicy(t, s, 0)
}

func testClosed(t *testing.T, open Open) {
	s := open(t)
	must(t, s.Close())
	for method, err := range calls(s, context.Background()) {
		if err == nil {
			t.Errorf("%s of a closed store returned no error", method)
		}
	}
}

// testReset also looks that what was deleted can be stored anew.
func testReset(t *testing.T, s manager.Store) {
	ctx := context.Background()
	writeEverything(t, s)
	commitSync(t, s, manager.SyncCommit{Buckets: []manager.Bucket{bucket("b", "other", 0)}})
	must(t, s.PutAccount(ctx, &manager.Account{Email: "b@x.test", CreatedAt: clock(0), LastLoginAt: pointer(clock(1))}))
	accounts := got(s.Accounts(ctx))(t)
	if len(accounts) != 2 || accounts[0].Email != "a@x.test" || accounts[0].PasswordHash != "hash" || accounts[0].Revision != 1 {
		t.Fatalf("accounts %+v", accounts)
	}
	equal(t, "last login", pointer(clock(1)), accounts[1].LastLoginAt)
	equal(t, "buckets", []manager.Bucket{bucket("a", "state", 1), bucket("b", "other", 1)}, got(s.AllBuckets(ctx))(t))

	before := got(s.LoadPolicy(ctx))(t).Lineage
	must(t, s.Reset(ctx, 41))
	wantPolicy(t, s, 41)
	if after := got(s.LoadPolicy(ctx))(t).Lineage; after == before || after == [16]byte{} {
		t.Fatalf("lineage %x, before %x", after, before)
	}
	wantNothing(t, s)
	must(t, s.Reset(ctx, 0))
	writeEverything(t, s)
	wantEverything(t, s)
}

func wantNothing(t *testing.T, s manager.Store) {
	t.Helper()
	ctx := context.Background()
	equal(t, "accounts", 0, len(got(s.Accounts(ctx))(t)))
	equal(t, "members", 0, len(got(s.Memberships(ctx, "acme", ""))(t)))
	equal(t, "invitations", 0, len(got(s.Invitations(ctx, "acme"))(t)))
	equal(t, "tokens", 0, len(got(s.AdminTokens(ctx))(t)))
	equal(t, "buckets", 0, len(got(s.AllBuckets(ctx))(t)))
	equal(t, "proxies", 0, len(got(s.Proxies(ctx, time.Time{}))(t)))
	equal(t, "marks", []int{0}, got(s.Marks(ctx, noon, "k"))(t))
	equal(t, "usage", int64(0), total(t, s, manager.UsageQuery{}))
	equal(t, "requests", 0, len(requests(t, s, manager.RequestQuery{}).Items))
	equal(t, "uses", 0, len(got(s.CredentialUses(ctx, "acme"))(t)))
	wantAudit(t, s)
	_, err := s.Session(ctx, session("token", clock(9), nil).TokenDigest, clock(0))
	wantError(t, err, manager.ErrMissing)
}
