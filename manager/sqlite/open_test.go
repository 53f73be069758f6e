package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/storetest"
)

// openOnce opens the store and closes it again.
func openOnce(path string) error {
	s, err := open(context.Background(), path, 20*time.Millisecond)
	if err != nil {
		return err
	}
	return s.Close()
}

// refused makes sure that opening fails, and that the error has all the words.
func refused(t *testing.T, path string, words ...string) {
	t.Helper()
	err := openOnce(path)
	if err == nil {
		t.Fatalf("%s was opened", path)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
}

// alter runs a statement on the file, past the store.
func alter(t *testing.T, path, statement string) {
	t.Helper()
	db, err := connect(path, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // the statement's error is what matters
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "er")
	path := filepath.Join(folder, "store.db")
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // nothing is written
	if _, err := s.CommitPolicy(context.Background(), manager.PolicyCommit{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{folder: 0o700 | os.ModeDir, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestOpenTakesAnyFileName(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a b", "a?mode=memory", "a#b", "100%41", ":memory:", "ü", "a&b=c;d", "file:x"} {
		if err := openOnce(filepath.Join(folder, name)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	t.Chdir(folder)
	if err := openOnce("relative.db"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "relative.db")); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "notes.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("these are my notes\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, "", "path is empty", "name a file")
	refused(t, file, file, "not a SQLite database", "choose another path")
	refused(t, folder, folder, "is a directory", "choose another path")
	refused(t, filepath.Join(file, "store.db"), file, "folder cannot be made", "choose another path")
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "these are my notes") {
		t.Errorf("the notes were changed: %v", err)
	}
}

func TestOpenRefusesLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // nothing is written
	tx, err := s.writer.Begin()
	if err != nil {
		t.Fatal(err)
	}
	refused(t, path, path, "another process keeps the file locked")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := openOnce(path); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

func TestOpenHonoursContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, filepath.Join(t.TempDir(), "store.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestOpenRefusesOtherSchemas(t *testing.T) {
	scripts, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(t.TempDir(), "newer.db")
	if err := openOnce(newer); err != nil {
		t.Fatal(err)
	}
	alter(t, newer, fmt.Sprintf("PRAGMA user_version = %d", len(scripts)+1))
	refused(t, newer, newer, "newer version of Partnergate", "backup")
	alter(t, newer, fmt.Sprintf("PRAGMA user_version = %d", len(scripts)))
	if err := openOnce(newer); err != nil {
		t.Errorf("the same file with its own number: %v", err)
	}

	foreign := filepath.Join(t.TempDir(), "foreign.db")
	alter(t, foreign, "CREATE TABLE track (title TEXT)")
	refused(t, foreign, foreign, "another program")
	alter(t, foreign, "DROP TABLE track; PRAGMA application_id = 7")
	refused(t, foreign, foreign, "another program")
}

func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	storetest.OpenAtOnce(t, func() (manager.Store, error) { return Open(t.Context(), path) })
}

func TestRemedies(t *testing.T) {
	if remedy("/x/y.db", errors.New("other")) != "" {
		t.Error("an unknown error has a remedy")
	}
	if _, err := os.Open("/nowhere/at/all"); remedy("/x/y.db", err) != "" {
		t.Error("an unknown error has a remedy")
	}
	// A page of another file in the middle is what a damaged disk leaves.
	path := filepath.Join(t.TempDir(), "store.db")
	if err := openOnce(path); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt([]byte(strings.Repeat("noise", 800)), 100)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	refused(t, path, path, "damaged", "backup")
}

// TestReadersOnlyRead guards the pool that reads against a query that writes.
func TestReadersOnlyRead(t *testing.T) {
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // nothing is written
	_, err = s.reader.Exec("UPDATE meta SET revision = 9")
	var failed *driver.Error
	if !errors.As(err, &failed) || failed.Code() != sqlite3.SQLITE_READONLY {
		t.Errorf("error %v, want SQLITE_READONLY", err)
	}
}

// TestSettings makes sure that commits are durable: the driver ignores what it does not know.
func TestSettings(t *testing.T) {
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // nothing is written
	for _, test := range []struct {
		db            *sql.DB
		setting, want string
	}{
		{s.writer, "journal_mode", "wal"}, {s.writer, "synchronous", "2"}, {s.writer, "busy_timeout", "5000"},
		{s.reader, "journal_mode", "wal"}, {s.reader, "query_only", "1"}, {s.reader, "busy_timeout", "5000"},
	} {
		var have string
		if err := test.db.QueryRow("PRAGMA " + test.setting).Scan(&have); err != nil || have != test.want {
			t.Errorf("%s is %s, want %s: %v", test.setting, have, test.want, err)
		}
	}
}

// TestPlans makes sure that questions that are asked often need no sorting and read no more than they must.
func TestPlans(t *testing.T) {
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // nothing is written
	for _, test := range []struct {
		name   string
		q      manager.RequestQuery
		wanted string
	}{
		{"all", manager.RequestQuery{}, "SCAN r USING INDEX request_by_time"},
		{"of a time", manager.RequestQuery{From: time.Unix(1, 0), To: time.Unix(9, 0)}, "SEARCH r USING INDEX request_by_time (time>? AND time<?)"},
		{"of a partner", manager.RequestQuery{Match: manager.UsageKey{Partner: "a"}, From: time.Unix(1, 0)}, "SEARCH r USING INDEX request_by_partner (partner=? AND time>?)"},
		{"next page", manager.RequestQuery{Match: manager.UsageKey{Partner: "a"}, Cursor: position{5, 5}.cursor()}, "SEARCH r USING INDEX request_by_partner (partner=? AND time<?)"},
	} {
		conditions, args, err := requestConditions(&test.q)
		if err != nil {
			t.Fatal(err)
		}
		plan := planOf(t, s, requestQuery(requestIndex(&test.q), conditions), append(args, 10))
		if !strings.Contains(plan, test.wanted) || strings.Contains(plan, "TEMP B-TREE FOR ORDER BY") {
			t.Errorf("requests, %s:\n%swant %s and no sorting", test.name, plan, test.wanted)
		}
	}
	for name, test := range map[string]struct {
		q      manager.UsageQuery
		wanted string
	}{
		"of a partner": {manager.UsageQuery{Match: manager.UsageKey{Partner: "a"}, From: time.Unix(1, 0)},
			"SEARCH usage USING PRIMARY KEY (day=? AND key=? AND minute>? AND minute<?)\n"},
		"of everybody": {manager.UsageQuery{GroupBy: []manager.UsageDimension{manager.ByDay, manager.ByPartner}},
			"SEARCH usage USING PRIMARY KEY (day>? AND day<?)\nSCAN summed\n"},
		"of whole hours": {manager.UsageQuery{From: time.Unix(3600, 0), GroupBy: []manager.UsageDimension{manager.ByProduct}},
			"SEARCH usage_hour USING PRIMARY KEY (hour>? AND hour<?)\n"},
	} {
		query, args, err := sumQuery(test.q, test.q.Hourly())
		if err != nil {
			t.Fatal(err)
		}
		if plan := planOf(t, s, query, args); !strings.Contains(plan, test.wanted) {
			t.Errorf("usage %s:\n%swant %s", name, plan, test.wanted)
		}
	}
}

func planOf(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	var plan strings.Builder
	err := s.read(context.Background(), "explain", func(tx transaction) error {
		return tx.each(context.Background(), "EXPLAIN QUERY PLAN "+query, args, func(rows *sql.Rows) error {
			var id, parent, unused int
			var detail string
			err := rows.Scan(&id, &parent, &unused, &detail)
			fmt.Fprintln(&plan, detail)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
