package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// TestHoursOfAnOlderStore opens a store as it was before there were sums of hours: nothing that it held is missing from what is asked.
func TestHoursOfAnOlderStore(t *testing.T) {
	scripts, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "store.db")
	now := time.Now().UTC().Truncate(time.Hour)
	const before = 6 // schemas without them
	alter(t, path, strings.Join(scripts[:before], "\n")+fmt.Sprintf(`
INSERT INTO usage_key (id, partner, application, product, environment, operation, outcome) VALUES (1, 'acme', '', 'payments', '', '', 'admitted');
INSERT INTO usage (day, key, minute, requests) VALUES (%d, 1, %d, 1);
PRAGMA application_id = %d; PRAGMA user_version = %d`, dayOf(minuteOf(now)), minuteOf(now), applicationID, before))
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // what is asked is stored by then
	count := func(at time.Time, n int64) {
		t.Helper()
		key := manager.UsageKey{Partner: "acme", Product: "payments", Outcome: "admitted"}
		if err := s.CommitSync(context.Background(), manager.SyncCommit{Usage: []manager.UsageRow{{Minute: at, Key: key, Requests: n}}}); err != nil {
			t.Fatal(err)
		}
	}
	sum := func(from, to time.Time, want int64) {
		t.Helper()
		q := manager.UsageQuery{From: from, To: to, GroupBy: []manager.UsageDimension{manager.ByProduct}}
		sums, err := s.UsageSums(context.Background(), q)
		if err != nil || len(sums) != 1 || sums[0].Requests != want {
			t.Errorf("from %v to %v: %v, %v; want %d", from, to, sums, err, want)
		}
	}
	count(now, 10)
	later := now.Add(48 * time.Hour)
	count(later, 100)
	sum(now, now.Add(time.Hour), 11)
	sum(time.Time{}, time.Time{}, 111)
	sum(later, later.Add(time.Hour), 100)
	alter(t, path, "DELETE FROM usage") // so that only sums of hours can answer
	sum(later, time.Time{}, 100)
}
