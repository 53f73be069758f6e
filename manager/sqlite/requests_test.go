package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/partnergate/partnergate/manager"
)

// TestRareRequests asks the same where what fits counts as few, and where it does not.
func TestRareRequests(t *testing.T) {
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // what is asked is stored by then
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var commit manager.SyncCommit
	for i := range 300 {
		key := manager.UsageKey{Partner: fmt.Sprint("partner-", i%3), Product: fmt.Sprint("product-", i%7), Operation: "pay", Outcome: "admitted"}
		if i%50 == 7 {
			key.Outcome = "limit_exceeded"
		}
		commit.Requests = append(commit.Requests, manager.RequestRecord{Time: noon.Add(time.Duration(i/4) * time.Minute), RequestID: fmt.Sprint(i), Key: key})
	}
	if err := s.CommitSync(context.Background(), commit); err != nil {
		t.Fatal(err)
	}
	pages := func(few int, q manager.RequestQuery) (ids []string) {
		t.Helper()
		for s.few = few; ; {
			page, err := s.Requests(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Items {
				ids = append(ids, r.RequestID)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				return ids
			}
		}
	}
	for _, q := range []manager.RequestQuery{
		{Match: manager.UsageKey{Outcome: "limit_exceeded"}},
		{Match: manager.UsageKey{Product: "product-3"}, From: noon.Add(10 * time.Minute), To: noon.Add(60 * time.Minute)},
		{Match: manager.UsageKey{Partner: "partner-1", Operation: "pay"}},
	} {
		q.Limit = 4
		few, many := pages(1000, q), pages(0, q)
		if len(few) < 5 || !cmp.Equal(few, many) {
			t.Errorf("%+v: %v as few, %v as many", q, few, many)
		}
	}
	q := manager.RequestQuery{Match: manager.UsageKey{Product: "a"}, From: noon}
	conditions, args, err := requestConditions(&q)
	if err != nil {
		t.Fatal(err)
	}
	if plan := planOf(t, s, requestQuery(byKey, conditions), append(args, 10)); !strings.Contains(plan, "SEARCH r USING INDEX request_by_key (key=? AND time>?)") {
		t.Errorf("of a rare product:\n%s", plan)
	}
}
