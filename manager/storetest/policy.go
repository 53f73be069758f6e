package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

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
	on("a large document", testLargeDocument),
	on("a large commit", testLargeCommit),
	on("a cancelled context writes nothing", testCancelledCommit),
	{"each revision has one winner", testOneWinner},
	{"readers see whole revisions", testWholeRevisions},
	{"that a policy was emptied is kept", testEmptied},
	{"a large commit is whole or not there", testWholeLargeCommit},
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

func metadata(partner, name string) manager.Metadata {
	return manager.Metadata{Name: name, Partner: partner, ManagedBy: manager.OwnerFile, Revision: 7, CreatedAt: clock(0), UpdatedAt: clock(1)}
}

func application(partner, name, title string) *manager.Application {
	return &manager.Application{Metadata: metadata(partner, name), Spec: manager.ApplicationSpec{Title: title}}
}

func credential(partner, id, key string) *manager.Credential {
	return &manager.Credential{
		Metadata: metadata(partner, id), Application: "checkout", Environment: "sandbox", Digest: sha256.Sum256([]byte(key)),
		ExpiresAt: pointer(clock(9)), RevokedAt: pointer(clock(8)), RotatedTo: "next", RotatedFrom: "before",
	}
}

// everyKind is a policy with every field filled, in the order of LoadPolicy.
func everyKind(t *testing.T) []manager.Resource {
	narrow := manager.Limit{Name: "throughput", Scope: manager.ScopePartner, Operations: []string{"createPayment"},
		Rate: &manager.Rate{Requests: 1 << 40, Per: "second", Burst: 10}}
	limits := []manager.Limit{
		narrow,
		{Name: "monthly", Quota: &manager.Quota{Requests: 1<<63 - 1, Per: "month"}},
		{Name: "in-flight", Concurrency: &manager.Concurrency{Requests: 20}},
	}
	environment := &manager.Environment{Metadata: metadata("", "sandbox"),
		Spec: manager.EnvironmentSpec{Title: "Sandbox", Gateway: "http://127.0.0.1:10000"}}
	product := &manager.Product{Metadata: metadata("", "payments"), Spec: manager.ProductSpec{
		Title: "Zahlungen 💶", Summary: "<b>move</b> & \"go\"\u2028", Team: "core", Lifecycle: manager.LifecycleDraft,
		OpenAPI: "openapi: 3.0.0\n# \x00 \t <script>", BasePath: "/payments", Discoverable: true,
		Environments: map[string]manager.ProductEnvironment{"sandbox": {Hosts: []string{"a.test", "b.test"}}, "$ne.x": {Hosts: []string{}}},
		Capacity:     &manager.Rate{Requests: 500, Per: "second", Burst: 1},
	}}
	plan := &manager.Plan{Metadata: metadata("", "starter"), Spec: manager.PlanSpec{Title: "Starter", Weight: 3, Limits: limits}}
	partner := &manager.Partner{Metadata: metadata("", "acme"), Spec: manager.PartnerSpec{
		Title: "Acme", State: manager.StateSuspended, Support: manager.Support{Tier: "gold", Email: "help@example.test"},
		Members: []manager.MemberSeed{{Email: "dev@acme.test", Role: manager.RoleAdmin}},
	}}
	app := application("acme", "checkout", "Checkout")
	subscription := &manager.Subscription{Metadata: metadata("acme", "payments-sandbox"), Spec: manager.SubscriptionSpec{
		Product: "payments", Environment: "sandbox", Plan: "starter", State: manager.StateRequested,
		Operations: []string{"createPayment"}, Applications: []string{"checkout"},
		Overrides: &manager.Overrides{Limits: limits[:1]}, StartsAt: pointer(clock(-5)), EndsAt: pointer(clock(5)),
	}}
	key := credential("acme", "k2345abcdefg", "pgk_one")
	filled(t, environment.Spec)
	filled(t, product.Spec, "Operations")
	filled(t, plan.Spec)
	filled(t, narrow, "Quota", "Concurrency")
	filled(t, partner.Spec)
	filled(t, app.Spec)
	filled(t, subscription.Spec)
	filled(t, key.Metadata)
	filled(t, *key)
	return []manager.Resource{environment, product, plan, partner, app, subscription, key}
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

func testLargeDocument(t *testing.T, s manager.Store) {
	product := &manager.Product{Metadata: metadata("", "large")}
	product.Spec.OpenAPI = strings.Repeat("{\"ü\": '\\'}\n", 5<<20/12)
	wantPolicy(t, s, commit(t, s, put(product)), product)
}

func testLargeCommit(t *testing.T, s manager.Store) {
	var changes []manager.Change
	var want []manager.Resource
	for i := range 3000 {
		want = append(want, application("acme", fmt.Sprintf("app-%05d", i), "title"))
	}
	for i := range 3000 {
		want = append(want, credential("acme", fmt.Sprintf("key-%05d", i), fmt.Sprint(i)))
	}
	for _, r := range want {
		changes = append(changes, put(r))
	}
	wantPolicy(t, s, commit(t, s, changes...), want...)
}

func testCancelledCommit(t *testing.T, s manager.Store) {
	_, err := s.CommitPolicy(cancelled(), manager.PolicyCommit{Changes: []manager.Change{put(application("acme", "a", "one"))}})
	wantError(t, err, context.Canceled)
	wantPolicy(t, s, 0)
}

// testOneWinner lets many write through two openings of the same data, as two managers would.
func testOneWinner(t *testing.T, open Open) {
	const workers, each = 8, 12
	stores := []manager.Store{opened(t, open), opened(t, open)}
	var lock sync.Mutex
	winners := map[int64]string{}
	together(t, workers, func(worker int) error {
		s := stores[worker%len(stores)]
		for i := range each {
			name := fmt.Sprintf("w%d-%02d", worker, i)
			revision, err := commitUntilWon(s, application("acme", name, name))
			if err != nil {
				return err
			}
			lock.Lock()
			if other, taken := winners[revision]; taken {
				return fmt.Errorf("%s and %s both won revision %d", name, other, revision)
			}
			winners[revision] = name
			lock.Unlock()
		}
		return nil
	})
	policy := got(stores[0].LoadPolicy(context.Background()))(t)
	if policy.Revision != workers*each || len(policy.Resources) != workers*each || len(winners) != workers*each {
		t.Fatalf("revision %d with %d resources and %d winners, want %d of each", policy.Revision, len(policy.Resources), len(winners), workers*each)
	}
}

func commitUntilWon(s manager.Store, r manager.Resource) (int64, error) {
	for {
		expected, err := s.PolicyRevision(context.Background())
		if err != nil {
			return 0, err
		}
		revision, err := s.CommitPolicy(context.Background(), manager.PolicyCommit{Revision: expected, Changes: []manager.Change{put(r)}})
		if !errors.Is(err, manager.ErrRevision) {
			return revision, err
		}
	}
}

// testWholeLargeCommit commits more than a transaction of some stores holds, while a reader looks.
func testWholeLargeCommit(t *testing.T, open Open) {
	const n = 3000
	ctx := context.Background()
	writer, reader := opened(t, open), opened(t, open)
	commitOf := func(title string) manager.PolicyCommit {
		c := manager.PolicyCommit{Revision: got(writer.PolicyRevision(ctx))(t)}
		for i := range n {
			c.Changes = append(c.Changes, put(application("acme", fmt.Sprint("a", i), title)), put(credential("acme", fmt.Sprint("k", i), fmt.Sprint("digest", i))))
			c.Audit = append(c.Audit, entry(fmt.Sprint(title, i)))
		}
		return c
	}
	got(writer.CommitPolicy(ctx, commitOf("one")))(t)
	second := commitOf("two")
	for i := range n / 2 { // half of the keys go
		second.Changes[2*i+1] = remove(credential("acme", fmt.Sprint("k", i), ""))
	}
	ended := make(chan struct{})
	together(t, 2, func(worker int) error {
		if worker == 0 {
			defer close(ended)
			_, err := writer.CommitPolicy(ctx, second)
			return err
		}
		for {
			if err := wholeRevision(reader, n); err != nil {
				return err
			}
			select {
			case <-ended:
				return wholeRevision(reader, n)
			default:
			}
		}
	})
	if policy := got(reader.LoadPolicy(ctx))(t); policy.Revision != 2 {
		t.Fatalf("revision %d, want 2", policy.Revision)
	}
	page := got(reader.Audit(ctx, manager.AuditQuery{Limit: 3 * n}))(t)
	if len(page.Items) != 2*n || page.Items[0].Action != fmt.Sprint("two", n-1) || page.Items[n].Action != fmt.Sprint("one", n-1) {
		t.Fatalf("%d entries of the audit log, the newest %q", len(page.Items), page.Items[0].Action)
	}
	wantLargeRefused(t, writer, commitOf("three"))
}

// wholeRevision wants n applications of one title, and as many keys as belong to that.
func wholeRevision(s manager.Store, n int) error {
	policy, err := s.LoadPolicy(context.Background())
	if err != nil {
		return err
	}
	titles, keys := map[string]int{}, 0
	for _, r := range policy.Resources {
		if a, ok := r.(*manager.Application); ok {
			titles[a.Spec.Title]++
		} else {
			keys++
		}
	}
	want := map[int64]struct {
		title string
		keys  int
	}{1: {"one", n}, 2: {"two", n - n/2}}[policy.Revision]
	if len(titles) != 1 || titles[want.title] != n || keys != want.keys {
		return fmt.Errorf("revision %d has the titles %v and %d keys", policy.Revision, titles, keys)
	}
	return nil
}

// wantLargeRefused changes a good commit into several that must not be stored.
func wantLargeRefused(t *testing.T, s manager.Store, good manager.PolicyCommit) {
	t.Helper()
	stale := good
	stale.Revision--
	_, err := s.CommitPolicy(context.Background(), stale)
	wantError(t, err, manager.ErrRevision)
	last := len(good.Changes) - 1
	for name, changes := range map[string][]manager.Change{
		"a digest twice":              {put(credential("acme", "k9999", "digest7"))},
		"the digest of a stored key":  {put(credential("acme", "k9999", fmt.Sprint("digest", last/2)))},
		"the id of another partner's": {put(credential("globex", fmt.Sprint("k", last/2), "new"))},
		"an id at two partners":       {put(credential("acme", "k9999", "new")), put(credential("globex", "k9999", "newer"))},
	} {
		bad := good
		bad.Changes = append(slices.Clone(good.Changes[:last]), changes...)
		if _, err := s.CommitPolicy(context.Background(), bad); err == nil || errors.Is(err, manager.ErrRevision) {
			t.Errorf("%s: error %v, want one that is not ErrRevision", name, err)
		}
	}
	must(t, wholeRevision(s, len(good.Audit)))
	got(s.CommitPolicy(context.Background(), good))(t)
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

// testWholeRevisions commits the revision's number as two titles; a reader must never see two different ones.
func testWholeRevisions(t *testing.T, open Open) {
	writer, reader := opened(t, open), opened(t, open)
	const revisions = 60
	ended := make(chan struct{})
	together(t, 2, func(worker int) error {
		if worker == 0 {
			defer close(ended)
			for i := range int64(revisions) {
				title := fmt.Sprint(i + 1)
				changes := []manager.Change{put(application("acme", "a", title)), put(application("zeta", "z", title))}
				if _, err := writer.CommitPolicy(context.Background(), manager.PolicyCommit{Revision: i, Changes: changes}); err != nil {
					return err
				}
			}
			return nil
		}
		for {
			select {
			case <-ended:
				return nil
			default:
			}
			policy, err := reader.LoadPolicy(context.Background())
			if err != nil {
				return err
			}
			for _, r := range policy.Resources {
				if title := r.(*manager.Application).Spec.Title; title != fmt.Sprint(policy.Revision) {
					return fmt.Errorf("revision %d holds what revision %s wrote", policy.Revision, title)
				}
			}
		}
	})
}
