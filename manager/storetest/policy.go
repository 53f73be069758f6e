package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var policyTests = []contractTest{
	{"a new store is empty and has a lineage of its own", testNewPolicy},
	{"lineage stays when opened again", testLineageStays},
	on("every kind comes back whole and in order", testPolicyRoundTrip),
	on("hostile names are names", testHostileNames),
	on("resources are replaced and deleted", testReplaceAndDelete),
	on("another revision writes nothing", testWrongRevision),
	on("two credentials never share a digest", testDigestUnique),
	on("two partners never share a credential id", testCredentialIDUnique),
	on("a freed digest may be taken in the same commit", testFreedDigest),
	on("a change must name its resource", testChangeOfAnother),
	on("a cancelled context writes nothing", testCancelledCommit),
	{"that a policy was emptied is kept", testEmptied},
	{"when a policy was changed is kept", testChangedAt},
}

func put(r manager.Resource) manager.Change {
	return manager.Change{Ref: r.Ref(), After: r}
}

func remove(r manager.Resource) manager.Change {
	return manager.Change{Ref: r.Ref()}
}

func commit(t *testing.T, s manager.Store, changes ...manager.Change) int64 {
	t.Helper()
	expected := got(s.PolicyRevision(context.Background()))(t)
	revision := got(s.CommitPolicy(context.Background(), manager.PolicyCommit{Revision: expected, Changes: changes}))(t)
	if revision != expected+1 {
		t.Fatalf("revision %d after %d", revision, expected)
	}
	return revision
}

// wantPolicy checks the whole policy.
func wantPolicy(t *testing.T, s manager.Store, revision int64, want ...manager.Resource) {
	t.Helper()
	policy := got(s.LoadPolicy(context.Background()))(t)
	equal(t, "resources", want, policy.Resources)
	current := got(s.PolicyRevision(context.Background()))(t)
	if policy.Revision != revision || current != revision {
		t.Fatalf("revision %d, by PolicyRevision %d, want %d", policy.Revision, current, revision)
	}
}

func testNewPolicy(t *testing.T, open Open) {
	s := opened(t, open)
	wantPolicy(t, s, 0)
	if got(s.LoadPolicy(context.Background()))(t).Lineage == [16]byte{} {
		t.Fatal("the lineage is zero")
	}
	must(t, s.Ping(context.Background()))
}

func testLineageStays(t *testing.T, open Open) {
	one := got(opened(t, open).LoadPolicy(context.Background()))(t).Lineage
	two := got(opened(t, open).LoadPolicy(context.Background()))(t).Lineage
	if one != two {
		t.Fatalf("lineage %x, opened again %x", one, two)
	}
}

func testPolicyRoundTrip(t *testing.T, s manager.Store) {
	want := everyKind(t)
	bare := []manager.Resource{ // the same kinds with nothing in them but a name
		&manager.Environment{Metadata: manager.Metadata{Name: "bare"}},
		&manager.Product{Metadata: manager.Metadata{Name: "bare"}},
		&manager.Plan{Metadata: manager.Metadata{Name: "bare"}},
		&manager.Partner{Metadata: manager.Metadata{Name: "bare"}},
		&manager.Application{Metadata: manager.Metadata{Name: "bare", Partner: "bare"}},
		&manager.Subscription{Metadata: manager.Metadata{Name: "bare", Partner: "bare"}},
		&manager.Credential{Metadata: manager.Metadata{Name: "bare", Partner: "bare"}},
	}
	var changes []manager.Change
	var sorted []manager.Resource
	for i := range want {
		changes = append(changes, put(want[len(want)-1-i]), put(bare[i]))
		one, two := want[i], bare[i] // acme < bare < payments, sandbox, starter
		if one.Ref().Partner == "" && one.Ref().Name > "bare" {
			one, two = two, one
		}
		sorted = append(sorted, one, two)
	}
	wantPolicy(t, s, commit(t, s, changes...), sorted...)
}

func testHostileNames(t *testing.T, s manager.Store) {
	var changes []manager.Change
	var want []manager.Resource
	for _, partner := range hostile {
		want = append(want, application(partner, "plain", partner))
	}
	for i, name := range hostile {
		want = append(want, credential(name, name, fmt.Sprint(i)))
	}
	for i := range want { // written in another order than they are read
		changes = append(changes, put(want[len(want)-1-i]))
	}
	wantPolicy(t, s, commit(t, s, changes...), want...)
	for i, r := range want[:len(hostile)] {
		wantPolicy(t, s, commit(t, s, remove(r)), want[i+1:]...)
	}
}

func testReplaceAndDelete(t *testing.T, s manager.Store) {
	one, other := application("acme", "a", "one"), application("globex", "a", "other")
	key := credential("acme", "k", "one")
	wantPolicy(t, s, commit(t, s, put(one), put(other), put(key)), one, other, key)

	replaced := application("acme", "a", "two")
	rotated := credential("acme", "k", "two")
	rotated.ExpiresAt, rotated.RevokedAt = nil, nil
	wantPolicy(t, s, commit(t, s, put(replaced), put(rotated)), replaced, other, rotated)

	wantPolicy(t, s, commit(t, s, remove(key), remove(one)), other)
	wantPolicy(t, s, commit(t, s, remove(key), remove(one)), other) // what is gone may be deleted again
	wantPolicy(t, s, commit(t, s), other)                           // nothing changed is a revision too
	wantPolicy(t, s, commit(t, s, put(one), put(key)), one, other, key)
}

func testWrongRevision(t *testing.T, s manager.Store) {
	a, b := application("acme", "a", "one"), application("acme", "b", "two")
	revision := commit(t, s, put(a))
	for _, expected := range []int64{-1, 0, revision - 1, revision + 1, 1<<63 - 1} {
		_, err := s.CommitPolicy(context.Background(), manager.PolicyCommit{Revision: expected, Emptied: true, Changes: []manager.Change{put(b), remove(a)}})
		wantError(t, err, manager.ErrRevision)
		wantPolicy(t, s, revision, a)
	}
}

// refused makes sure that a commit fails for another reason than its revision, and writes nothing.
func refused(t *testing.T, s manager.Store, changes []manager.Change, before ...manager.Resource) {
	t.Helper()
	revision := got(s.PolicyRevision(context.Background()))(t)
	_, err := s.CommitPolicy(context.Background(), manager.PolicyCommit{Revision: revision, Emptied: true, Changes: changes})
	if err == nil || errors.Is(err, manager.ErrRevision) {
		t.Fatalf("error %v, want one that is not ErrRevision", err)
	}
	wantPolicy(t, s, revision, before...)
}

func testDigestUnique(t *testing.T, s manager.Store) {
	stored, other := credential("acme", "k1", "same"), credential("globex", "k3", "other")
	commit(t, s, put(stored), put(other))
	app := application("acme", "checkout", "written first")
	refused(t, s, []manager.Change{put(app), put(credential("globex", "k2", "same"))}, stored, other)
	refused(t, s, []manager.Change{put(app), put(credential("acme", "k2", "same"))}, stored, other)
	refused(t, s, []manager.Change{put(app), put(credential("globex", "k3", "same"))}, stored, other)
	refused(t, s, []manager.Change{put(credential("a", "k4", "new")), remove(other), put(credential("b", "k5", "new"))}, stored, other)
}

func testCredentialIDUnique(t *testing.T, s manager.Store) {
	stored := credential("acme", "k1", "one")
	commit(t, s, put(stored))
	refused(t, s, []manager.Change{put(credential("globex", "k1", "two"))}, stored)
	wantPolicy(t, s, commit(t, s, remove(credential("globex", "k1", "one"))), stored)
}

func testFreedDigest(t *testing.T, s manager.Store) {
	before, after := credential("globex", "k1", "same"), credential("acme", "k2", "same")
	commit(t, s, put(before))
	wantPolicy(t, s, commit(t, s, put(after), remove(before)), after)
}

func testChangeOfAnother(t *testing.T, s manager.Store) {
	wrong := put(application("acme", "a", "one"))
	wrong.Ref.Partner = "globex"
	refused(t, s, []manager.Change{wrong})
}

func testCancelledCommit(t *testing.T, s manager.Store) {
	_, err := s.CommitPolicy(cancelled(), manager.PolicyCommit{Changes: []manager.Change{put(application("acme", "a", "one"))}})
	wantError(t, err, context.Canceled)
	wantPolicy(t, s, 0)
}

func testChangedAt(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t)
	equal(t, "never changed", time.Time{}, got(s.LoadPolicy(ctx))(t).ChangedAt)
	revision := int64(0)
	for _, at := range []time.Time{clock(1), {}, clock(2)} {
		revision = got(s.CommitPolicy(ctx, manager.PolicyCommit{Revision: revision, At: at}))(t)
		equal(t, "changed", at.UTC(), got(s.LoadPolicy(ctx))(t).ChangedAt)
	}
	must(t, s.Close())
	s = opened(t, open)
	equal(t, "changed, opened again", clock(2).UTC(), got(s.LoadPolicy(ctx))(t).ChangedAt)
	must(t, s.Reset(ctx, revision))
	equal(t, "deleted", time.Time{}, got(s.LoadPolicy(ctx))(t).ChangedAt)
}

func testEmptied(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t)
	revision := commit(t, s, put(application("acme", "a", "one")))
	for _, emptied := range []bool{true, true, false, true} {
		revision = got(s.CommitPolicy(ctx, manager.PolicyCommit{Revision: revision, Emptied: emptied}))(t)
		equal(t, "emptied", emptied, got(s.LoadPolicy(ctx))(t).Emptied)
	}
	must(t, s.Close())
	s = opened(t, open)
	equal(t, "emptied, opened again", true, got(s.LoadPolicy(ctx))(t).Emptied)
	must(t, s.Reset(ctx, revision))
	equal(t, "emptied, deleted", false, got(s.LoadPolicy(ctx))(t).Emptied)
}
