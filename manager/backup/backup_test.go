package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/backup"
	"github.com/partnergate/partnergate/manager/mongo"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
	"github.com/partnergate/partnergate/manager/sqlite"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func closing[S manager.Store](t *testing.T, s S, err error) S {
	t.Helper()
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newSQLite(t *testing.T) manager.Store {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	return closing(t, s, err)
}

// filled is a store with something of everything, and what clients chose in odd bytes.
func filled(t *testing.T) manager.Store {
	t.Helper()
	s, ctx := newSQLite(t), t.Context()
	meta := func(partner, name string) manager.Metadata {
		return manager.Metadata{Name: name, Partner: partner, ManagedBy: manager.OwnerFile, Revision: 3, CreatedAt: noon, UpdatedAt: noon}
	}
	resources := []manager.Resource{
		&manager.Environment{Metadata: meta("", "sandbox")},
		&manager.Product{Metadata: meta("", "pay"), Spec: manager.ProductSpec{OpenAPI: "openapi: 3.0.3\n# é\x01"}},
		&manager.Partner{Metadata: meta("", "acme")},
		&manager.Application{Metadata: meta("acme", "app")},
		&manager.Subscription{Metadata: meta("acme", "pay"), Spec: manager.SubscriptionSpec{Product: "pay", Plan: "p", StartsAt: &noon}},
		&manager.Credential{Metadata: meta("acme", "k1"), Application: "app", Environment: "sandbox", Digest: [32]byte{1, 2}, RevokedAt: &noon},
		&manager.Credential{Metadata: meta("acme", "k2"), Application: "app", Environment: "sandbox", Digest: [32]byte{3}},
	}
	var changes []manager.Change
	for _, r := range resources {
		changes = append(changes, manager.Change{Ref: r.Ref(), After: r})
	}
	entry := func(action string, after time.Duration) manager.AuditEntry {
		return manager.AuditEntry{Time: noon.Add(after), Actor: "ci", Action: action, RequestID: "\xff", After: []byte("{\x00}")}
	}
	for revision := range int64(4) {
		_, err := s.CommitPolicy(ctx, manager.PolicyCommit{Revision: revision, Emptied: true, Changes: changes, Audit: []manager.AuditEntry{entry("one", 0), entry(fmt.Sprint(revision), 0)}})
		must(t, err)
	}
	must(t, s.PutAccount(ctx, &manager.Account{Email: "a@x.test", PasswordHash: "hash", CreatedAt: noon, LastLoginAt: &noon}, entry("later", time.Hour)))
	must(t, s.PutAccount(ctx, &manager.Account{Email: "alone@x.test", CreatedAt: noon}))
	must(t, s.PutMembership(ctx, manager.Membership{Partner: "acme", Email: "a@x.test", Role: manager.RoleAdmin, CreatedAt: noon}))
	must(t, s.PutInvitation(ctx, manager.Invitation{Digest: [32]byte{7}, Partner: "acme", Email: "b@x.test", Role: manager.RoleViewer, CreatedAt: noon, ExpiresAt: noon}))
	must(t, s.PutAdminToken(ctx, &manager.AdminToken{Name: "ci", Digest: [32]byte{9}, Role: manager.TokenOperator, Teams: []string{"core"}, CreatedAt: noon, ExpiresAt: &noon}))
	must(t, s.NoteTokenUse(ctx, "ci", noon.Add(time.Second)))
	commit := manager.SyncCommit{
		Proxy:          &manager.Proxy{ID: "p.1", Node: "p", FirstSeen: noon, LastSync: noon, Sequence: 1<<64 - 1, Batch: []byte{255, 0}, Reply: []byte{0, 255}},
		Buckets:        []manager.Bucket{{ID: "acme/pay/q/quota-month", State: []byte{1, 0, 255}}},
		CredentialUses: map[string]map[string]time.Time{"acme": {"k1": noon}},
	}
	for i := range 5000 {
		key := manager.UsageKey{Partner: "acme", Operation: "GET /v1/é", Outcome: fmt.Sprint(i % 7)}
		commit.Usage = append(commit.Usage, manager.UsageRow{Minute: noon.Add(time.Duration(i/2) * time.Minute).Truncate(time.Minute), Key: key, Requests: int64(i)})
		commit.Requests = append(commit.Requests, manager.RequestRecord{Time: noon.Add(time.Duration(i/3) * time.Second), RequestID: fmt.Sprintf("\xff%d", i),
			Key: key, Method: "G\xffT", Path: "/\x00\xc0", Status: 429})
	}
	must(t, s.CommitSync(ctx, commit))
	return s
}

// dumped is a backup of the store.
func dumped(t *testing.T, s manager.Store) []byte {
	t.Helper()
	var out bytes.Buffer
	_, err := backup.Dump(t.Context(), s, &out, noon)
	must(t, err)
	return out.Bytes()
}

func restore(t *testing.T, s manager.Store, file []byte, force bool) error {
	t.Helper()
	_, err := backup.Restore(t.Context(), s, bytes.NewReader(file), force)
	return err
}

// body is a backup without the lines that differ with the store's lineage.
func body(file []byte) string {
	_, rest, _ := strings.Cut(string(file), "\n")
	return rest[:strings.LastIndex(strings.TrimRight(rest, "\n"), "\n")]
}

// TestMove goes from SQLite to MongoDB and back: nothing is lost or changed but the lineage.
func TestMove(t *testing.T) {
	set, err := mongod.Start(t.Context(), mongod.Options{})
	must(t, err)
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	opened, err := mongo.Open(t.Context(), set.URL("move"))
	there, back := closing(t, opened, err), newSQLite(t)

	first := dumped(t, filled(t))
	must(t, restore(t, there, first, false))
	second := dumped(t, there)
	must(t, restore(t, back, second, false))
	third := dumped(t, back)
	if body(first) != body(second) || body(second) != body(third) {
		t.Error("the backups of the three stores differ")
	}
	lineages := map[string]bool{}
	for _, file := range [][]byte{first, second, third} {
		head, _, _ := strings.Cut(string(file), "\n")
		lineages[head] = true
	}
	if len(lineages) != 3 {
		t.Error("a restored store has the lineage of the one before")
	}
	for _, s := range []manager.Store{there, back} {
		if p, err := s.LoadPolicy(t.Context()); err != nil || p.Revision != 4 || !p.Emptied {
			t.Errorf("policy version %d, emptied %v, error %v; want 4, emptied", p.Revision, p.Emptied, err)
		}
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a store is restored from a backup",
		Done:     "SQLite to MongoDB and back, with people, tokens, audit, usage, leases",
		Promised: "nothing is lost or changed but the lineage, which is new each time, so that proxies follow",
		Seen:     "three backups, equal but for their lineages",
	})
}

// TestRefused refuses every file that is not whole, and a store that is not empty, and changes nothing.
func TestRefused(t *testing.T) {
	file := dumped(t, filled(t))
	lines := bytes.SplitAfter(file, []byte("\n"))
	without := func(i int) []byte { return bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil) }
	empty := newSQLite(t)
	before := dumped(t, empty)
	for name, c := range map[string]struct {
		file  []byte
		words string
	}{
		"nothing":          {nil, "no backup"},
		"another file":     {[]byte("these are my notes\n"), "no backup"},
		"another JSON":     {[]byte("{\"line\":\"x\",\"value\":1}\n"), "no backup"},
		"cut in a line":    {file[:len(file)/2], "damaged or was cut"},
		"cut at a line":    {bytes.Join(lines[:20], nil), "damaged or was cut"},
		"without a line":   {without(10), "checksum"},
		"one bit":          {bytes.Replace(file, []byte(`"Requests":17`), []byte(`"Requests":18`), 1), "checksum"},
		"more at the end":  {append(append([]byte{}, file...), lines[5]...), "after the end"},
		"a newer format":   {bytes.Replace(file, []byte(`"format":1`), []byte(`"format":2`), 1), "newer version"},
		"an unknown line":  {bytes.Replace(file, []byte(`"line":"account"`), []byte(`"line":"acorn"`), 1), "acorn"},
		"an unknown field": {bytes.Replace(file, []byte(`"PasswordHash"`), []byte(`"Passwort"`), 1), "Passwort"},
	} {
		err := restore(t, empty, c.file, true)
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.words)
		}
		if !bytes.Equal(before, dumped(t, empty)) {
			t.Fatalf("%s: the store was changed", name)
		}
	}
	full := filled(t)
	before = dumped(t, full)
	if err := restore(t, full, file, false); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("a store that is not empty: error %v", err)
	}
	if !bytes.Equal(before, dumped(t, full)) {
		t.Error("the store was changed")
	}
	must(t, restore(t, full, file, true))
	if body(file) != body(dumped(t, full)) {
		t.Error("the store holds something else than the backup")
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a backup that is not whole, or a store that is not empty",
		Done:     "cut, changed, longer, of a newer format, of something else",
		Promised: "refused with a reason, and nothing is changed",
		Seen:     "as promised",
	})
}

// TestFirstFormat reads a backup that the first version made: its format does
// not change by accident. PARTNERGATE_TEST_WRITE=1 writes it for a new format.
func TestFirstFormat(t *testing.T) {
	const path = "testdata/format-1.jsonl"
	if os.Getenv("PARTNERGATE_TEST_WRITE") != "" {
		s := filled(t)
		must(t, s.DeleteUsageBefore(context.Background(), noon.Add(2497*time.Minute), noon.Add(1665*time.Second)))
		must(t, os.WriteFile(path, dumped(t, s), 0o600))
	}
	file, err := os.ReadFile(path)
	must(t, err)
	s := newSQLite(t)
	must(t, restore(t, s, file, false))
	if body(file) != body(dumped(t, s)) {
		t.Error("the backup comes back otherwise")
	}
}
