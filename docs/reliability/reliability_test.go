package reliability

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRowsGoIntoThePage(t *testing.T) {
	directory := t.TempDir()
	t.Setenv(Directory, directory)
	for _, seen := range []string{"2 s", "3 s"} {
		if err := record(Row{"b | c", "it was\nbroken", "it heals", seen}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := Read(directory)
	if err != nil {
		t.Fatal(err)
	}
	page, err := Renew("# Page\n"+Begin+head+"| a | x | y | z |\n| b \\| c | old | old | old |\n"+End+"end\n", rows)
	want := "# Page\n" + Begin + head + "| a | x | y | z |\n| b \\| c | it was broken | it heals | 3 s |\n" + End + "end\n"
	if err != nil || page != want {
		t.Errorf("%v\n%s\nwant\n%s", err, page, want)
	}
	if _, err := Renew("no table", rows); err == nil {
		t.Error("a page without a table was taken")
	}
}

// TestPageIsWellFormed finds the table in order, and every row whole.
func TestPageIsWellFormed(t *testing.T) {
	page, err := os.ReadFile(Page())
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := Renew(string(page), nil)
	if err != nil || renewed != string(page) {
		t.Errorf("the table of docs/reliability.md is not in order (%v); make it with: make reliability", err)
	}
	_, table, _ := strings.Cut(string(page), Begin)
	table, _, _ = strings.Cut(table, End)
	for line := range strings.Lines(table) {
		if n := strings.Count(strings.ReplaceAll(line, "\\|", ""), "|"); n != 5 {
			t.Errorf("a row has %d cells, not 4: %s", n-1, line)
		}
	}
}

// TestMissingRowIsAnError has a test record a row that the page lacks.
func TestMissingRowIsAnError(t *testing.T) {
	t.Setenv(Directory, "")
	if err := record(Row{Fault: "no such fault"}); err == nil || !strings.Contains(err.Error(), "make reliability") {
		t.Errorf("%v", err)
	}
	if filepath.Base(Page()) != "reliability.md" {
		t.Error(Page())
	}
}
