package manager_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/sqlite"
)

var (
	admin = manager.Actor{Name: "admin", Owner: manager.OwnerAPI}
	files = manager.Actor{Name: "apply", Owner: manager.OwnerFile}
)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// openStore opens the real store in a file of its own.
func openStore(t testing.TB, path string) manager.Store {
	t.Helper()
	store, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// newService starts a service on a new store; wrap may stand between.
func newService(t testing.TB, c *clock) *manager.Service {
	t.Helper()
	return startService(t, c, openStore(t, filepath.Join(t.TempDir(), "policy.db")), slog.DiscardHandler)
}

func startService(t testing.TB, c *clock, store manager.Store, log slog.Handler) *manager.Service {
	t.Helper()
	s, err := manager.NewService(context.Background(), manager.Config{Store: store, Now: c.Now, Logger: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// read reads the documents of a YAML text.
func read(t testing.TB, text string) []manager.Resource {
	t.Helper()
	read, err := manager.ReadDocuments("test.yaml", []byte(text), openTestdata)
	if err != nil {
		t.Fatal(err)
	}
	return documents.Resources(read)
}

func openTestdata(path string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata", path)) }

// readFile reads the documents of a file in testdata.
func readFile(t testing.TB, name string) []manager.Resource {
	t.Helper()
	data, err := openTestdata(name)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, string(data))
}

// apply applies documents and returns what happened to each that was not unchanged.
func apply(t testing.TB, s *manager.Service, resources []manager.Resource, o manager.ApplyOptions) []manager.ApplyEntry {
	t.Helper()
	result, err := s.Apply(context.Background(), files, resources, o)
	if err != nil {
		t.Fatal(err)
	}
	if !o.DryRun && result.PolicyVersion != s.PolicyVersion() {
		t.Errorf("apply answers version %d, the service is at %d", result.PolicyVersion, s.PolicyVersion())
	}
	var changed []manager.ApplyEntry
	for _, e := range result.Results {
		if e.Action != manager.ActionUnchanged {
			changed = append(changed, e)
		}
	}
	return changed
}

func estate(t testing.TB) []manager.Resource {
	t.Helper()
	return readFile(t, "estate.yaml")
}
