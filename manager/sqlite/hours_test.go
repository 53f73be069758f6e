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

// TestHoursOfAnOlderStore counts usage in a store as it was before there were sums of hours: nothing that it held is missing from what is asked.
func TestHoursOfAnOlderStore(t *testing.T) {
	scripts, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "store.db")
	now := time.Now().UTC().Truncate(time.Hour)
	const before = 6 // schemas without them
	marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, before)
	alter(t, path, strings.Join(scripts[:before], "\n")+marks)
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
	count(now, 1)
	sum(now, now.Add(time.Hour), 1)

	// What schema 6 counted has no sums of hours.
	alter(t, path, "DROP TABLE usage_hour; ALTER TABLE meta DROP COLUMN hours_since; "+marks)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(context.Background(), path); err != nil {
		t.Fatal(err)
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
