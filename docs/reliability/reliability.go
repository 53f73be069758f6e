// Package reliability makes the table of docs/reliability.md out of what tests
// do and see. A test records a row for each fault that it brings about; the
// page must have that row, or the test fails. `make reliability` runs the tests
// that record rows, and writes the page.
package reliability

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Directory is the environment variable that names the directory where rows
// are written to. Without it they are compared with the page.
const Directory = "PARTNERGATE_RELIABILITY"

// Begin and End stand around the table in the page.
const (
	Begin = "<!-- faults: made by make reliability -->\n"
	End   = "<!-- end of faults -->\n"
)

// Row is one fault and what became of it. Fault is its name, and of all rows it
// alone has it.
type Row struct {
	Fault    string `json:"fault"`
	Done     string `json:"done"`
	Promised string `json:"promised"`
	Seen     string `json:"seen"` // may hold figures that differ from run to run
}

// Page is the path of docs/reliability.md.
func Page() string {
	_, source, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(filepath.Dir(source)), "reliability.md")
}

// fixed is the part of the row's line that is the same in every run.
func (r Row) fixed() string {
	return fmt.Sprintf("| %s | %s | %s | ", cell(r.Fault), cell(r.Done), cell(r.Promised))
}

// Line is the row as the page has it.
func (r Row) Line() string { return r.fixed() + cell(r.Seen) + " |\n" }

func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "|", "\\|"), "\n", " ")
}

// Record says that the test brought a fault about and saw what was promised.
// Call it when all of that has been checked: the row of a test that failed is
// not recorded.
func Record(t testing.TB, r Row) {
	t.Helper()
	if t.Failed() {
		return
	}
	if err := record(r); err != nil {
		t.Error(err)
	}
}

func record(r Row) error {
	directory := os.Getenv(Directory)
	if directory != "" {
		return write(directory, r)
	}
	page, err := os.ReadFile(Page())
	if err != nil {
		return fmt.Errorf("read the page of faults: %w", err)
	}
	if !strings.Contains(string(page), "\n"+r.fixed()) {
		return fmt.Errorf("docs/reliability.md lacks the row of this test; make it with: make reliability\n%s", r.Line())
	}
	return nil
}

var writing sync.Mutex

// write appends the row to this process's file of JSON lines.
func write(directory string, r Row) error {
	writing.Lock()
	defer writing.Unlock()
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("record a row: %w", err)
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record a row: %w", err)
	}
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".test") + ".json"
	f, err := os.OpenFile(filepath.Join(directory, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("record a row: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
