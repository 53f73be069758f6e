package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

var largePolicyTests = []contractTest{
	on("a large document", testLargeDocument),
	on("a large commit", testLargeCommit),
	{"a large commit is whole or not there", testWholeLargeCommit},
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
