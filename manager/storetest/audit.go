package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var auditTests = []contractTest{
	on("every field comes back", testAuditRoundTrip),
	on("entries stand in the commit that they tell of", testAuditCommit),
	on("each question has its answer", testAuditQueries),
	on("pages list each entry once, newest first", testAuditPages),
	on("a made-up cursor is invalid", testAuditCursor),
	on("only what is too old is deleted", testDeleteAudit),
}

// entry is a whole entry, told apart by its action.
func entry(action string) manager.AuditEntry {
	return manager.AuditEntry{Time: clock(0), Actor: "ci", ActorKind: manager.ActorToken, OnBehalfOf: manager.OwnerFile, Address: "192.0.2.1",
		RequestID: "id-1", Action: action, Kind: manager.KindSubscription, Partner: "acme", Name: "payments", Product: "pay",
		Before: []byte(`{"a": 1}`), After: []byte("{\"b\":\"\x00\"}"), PolicyVersion: 7}
}

// wantAudit checks the whole log, newest first.
func wantAudit(t *testing.T, s manager.Store, want ...manager.AuditEntry) {
	t.Helper()
	equal(t, "audit", want, got(s.Audit(context.Background(), manager.AuditQuery{}))(t).Items)
}

func testAuditRoundTrip(t *testing.T, s manager.Store) {
	wantAudit(t, s)
	full, bare := entry("full"), manager.AuditEntry{Time: clock(-1)}
	filled(t, full)
	must(t, s.AddAudit(context.Background(), []manager.AuditEntry{full, bare}))
	wantAudit(t, s, full, bare)
	var all []manager.AuditEntry
	for i, text := range hostile {
		e := manager.AuditEntry{Time: clock(1 + i), Actor: text, RequestID: text, Action: text, Name: text, Partner: text, After: []byte(text)}
		all = append(all, e)
	}
	must(t, s.AddAudit(context.Background(), all))
	slices.Reverse(all)
	wantAudit(t, s, append(all, full, bare)...)
}

func testAuditCommit(t *testing.T, s manager.Store) {
	ctx := context.Background()
	app := application("acme", "a", "one")
	got(s.CommitPolicy(ctx, manager.PolicyCommit{Changes: []manager.Change{put(app)}, Audit: []manager.AuditEntry{entry("one"), entry("two")}}))(t)
	_, err := s.CommitPolicy(ctx, manager.PolicyCommit{Changes: []manager.Change{put(app)}, Audit: []manager.AuditEntry{entry("lost")}})
	wantError(t, err, manager.ErrRevision)
	wantAudit(t, s, entry("two"), entry("one"))
	must(t, s.PutMembership(ctx, member("acme", "a@x.test", manager.RoleAdmin), entry("three")))
	must(t, s.DeleteMembership(ctx, "acme", "a@x.test", entry("four")))
	must(t, s.PutAccount(ctx, &manager.Account{Email: "a@x.test"}, entry("five")))
	wantAudit(t, s, entry("five"), entry("four"), entry("three"), entry("two"), entry("one"))
}

func testAuditQueries(t *testing.T, s manager.Store) {
	ctx := context.Background()
	var entries []manager.AuditEntry
	for i := range 64 {
		e := entry(fmt.Sprint(i))
		e.Time = clock(-i)
		e.Actor, e.Partner, e.Name = fmt.Sprint("actor", i%2), fmt.Sprint("partner", i/2%2), fmt.Sprint("name", i/4%2)
		e.Kind, e.Product = []manager.Kind{manager.KindPlan, manager.KindPartner}[i/8%2], []string{"", "a", "b", "c"}[i/16]
		entries = append(entries, e)
	}
	must(t, s.AddAudit(ctx, entries))
	for _, c := range []struct {
		q     manager.AuditQuery
		match func(e manager.AuditEntry) bool
	}{
		{manager.AuditQuery{Actor: "actor1"}, func(e manager.AuditEntry) bool { return e.Actor == "actor1" }},
		{manager.AuditQuery{Partner: "partner1"}, func(e manager.AuditEntry) bool { return e.Partner == "partner1" }},
		{manager.AuditQuery{Name: "name1"}, func(e manager.AuditEntry) bool { return e.Name == "name1" }},
		{manager.AuditQuery{Kind: manager.KindPlan}, func(e manager.AuditEntry) bool { return e.Kind == manager.KindPlan }},
		{manager.AuditQuery{Products: []string{"a", "c"}}, func(e manager.AuditEntry) bool { return e.Product == "a" || e.Product == "c" }},
		{manager.AuditQuery{Products: []string{}}, func(manager.AuditEntry) bool { return false }},
		{manager.AuditQuery{From: clock(-30)}, func(e manager.AuditEntry) bool { return !e.Time.Before(clock(-30)) }},
		{manager.AuditQuery{To: clock(-30)}, func(e manager.AuditEntry) bool { return e.Time.Before(clock(-30)) }},
		{manager.AuditQuery{Actor: "actor0", Partner: "partner1", Name: "name0", Kind: manager.KindPartner, From: clock(-50), To: clock(-3), Products: []string{"a", "b"}},
			func(e manager.AuditEntry) bool {
				return e.Actor == "actor0" && e.Partner == "partner1" && e.Name == "name0" && e.Kind == manager.KindPartner &&
					inRange(e.Time, clock(-50), clock(-3)) && (e.Product == "a" || e.Product == "b")
			}},
		{manager.AuditQuery{Actor: `{"$ne":null}`}, func(manager.AuditEntry) bool { return false }},
	} {
		var want []manager.AuditEntry
		for _, e := range entries {
			if c.match(e) {
				want = append(want, e)
			}
		}
		equal(t, fmt.Sprintf("%+v", c.q), want, got(s.Audit(ctx, c.q))(t).Items)
	}
}

func testAuditPages(t *testing.T, s manager.Store) {
	ctx := context.Background()
	var want []manager.AuditEntry
	for i := range 150 {
		e := entry(fmt.Sprint(i))
		e.Time = clock(i / 40) // many of one moment
		want = append(want, e)
		must(t, s.AddAudit(ctx, want[i:]))
	}
	slices.Reverse(want)
	for _, limit := range []int{1, 7, 149, 150, 151} {
		var have []manager.AuditEntry
		for q := (manager.AuditQuery{Limit: limit}); ; {
			page := got(s.Audit(ctx, q))(t)
			if len(page.Items) > limit {
				t.Fatalf("%d items for the limit %d", len(page.Items), limit)
			}
			have = append(have, page.Items...)
			if q.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		equal(t, "pages", want, have)
	}
	unbounded := got(s.Audit(ctx, manager.AuditQuery{}))(t)
	if len(unbounded.Items) != 100 || unbounded.Next == "" {
		t.Fatalf("a page without limit has %d items, next %q", len(unbounded.Items), unbounded.Next)
	}
	late := entry("late")
	late.Time = clock(0).Add(-time.Hour)
	must(t, s.AddAudit(ctx, []manager.AuditEntry{late}))
	equal(t, "oldest", []manager.AuditEntry{late}, got(s.Audit(ctx, manager.AuditQuery{To: clock(-1)}))(t).Items)
}

func testAuditCursor(t *testing.T, s manager.Store) {
	must(t, s.AddAudit(context.Background(), []manager.AuditEntry{entry("one"), entry("two")}))
	good := got(s.Audit(context.Background(), manager.AuditQuery{Limit: 1}))(t).Next
	for _, cursor := range append(slices.Clone(hostile), good[:len(good)-3], good+good, strings.Repeat("A", 100000)) {
		_, err := s.Audit(context.Background(), manager.AuditQuery{Cursor: cursor})
		if manager.CodeOf(err) != manager.CodeInvalid {
			t.Errorf("cursor %.40q: error %v, want a *manager.Error of CodeInvalid", cursor, err)
		}
	}
}

func testDeleteAudit(t *testing.T, s manager.Store) {
	ctx := context.Background()
	must(t, s.DeleteAuditBefore(ctx, clock(0)))
	old := make([]manager.AuditEntry, 4321) // more than any store deletes at once
	for i := range old {
		old[i] = entry("old")
		old[i].Time = clock(-1 - i%60)
	}
	must(t, s.AddAudit(ctx, old))
	ends, lives := entry("ends"), entry("lives")
	ends.Time, lives.Time = clock(0).Add(-time.Microsecond), clock(0)
	must(t, s.AddAudit(ctx, []manager.AuditEntry{lives, ends}))
	must(t, s.DeleteAuditBefore(ctx, clock(-60)))
	equal(t, "none is older", 100, len(got(s.Audit(ctx, manager.AuditQuery{}))(t).Items))
	must(t, s.DeleteAuditBefore(ctx, clock(0)))
	wantAudit(t, s, lives)
	next := entry("next")
	next.Time = clock(1)
	must(t, s.AddAudit(ctx, []manager.AuditEntry{next}))
	wantAudit(t, s, next, lives)
}
