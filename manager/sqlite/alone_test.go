package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpenAlone: one at a time by whatever name of the file, and others beside it who ask for no lock.
func TestOpenAlone(t *testing.T) {
	folder := t.TempDir()
	path, link := filepath.Join(folder, "store.db"), filepath.Join(folder, "link.db")
	first, err := OpenAlone(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		if _, err := OpenAlone(t.Context(), name); err == nil || !strings.Contains(err.Error(), name+" is in use by process ") {
			t.Errorf("a second one by %s: %v", name, err)
		}
	}
	if err := openOnce(path); err != nil {
		t.Errorf("beside it: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenAlone(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestOpenAloneFails: a file that cannot be opened stays locked by nobody.
func TestOpenAloneFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := OpenAlone(t.Context(), path); err == nil || !strings.Contains(err.Error(), "not a SQLite database") {
			t.Errorf("what is no database: %v", err)
		}
	}
}
