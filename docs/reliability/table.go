package reliability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const head = "| fault | done | promised | seen |\n|---|---|---|---|\n"

// Read reads the rows of all files in a directory; the last of a name counts.
func Read(directory string) (map[string]Row, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*.json"))
	if err != nil {
		return nil, err
	}
	rows := map[string]Row{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read rows: %w", err)
		}
		for line := range bytes.Lines(text) {
			var r Row
			if err := json.Unmarshal(line, &r); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			rows[r.Fault] = r
		}
	}
	return rows, nil
}

// Renew returns the page with the rows in the table, which has those of tests
// that did not run as it had them.
func Renew(page string, rows map[string]Row) (string, error) {
	before, rest, ok := strings.Cut(page, Begin)
	table, after, ok2 := strings.Cut(rest, End)
	if !ok || !ok2 {
		return "", fmt.Errorf("the page has no table between %q and %q", Begin, End)
	}
	lines := map[string]string{}
	for line := range strings.Lines(strings.TrimPrefix(table, head)) {
		fault, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		lines[fault] = line
	}
	for fault, r := range rows {
		lines[cell(fault)] = r.Line()
	}
	var b strings.Builder
	b.WriteString(before + Begin + head)
	for _, fault := range slices.Sorted(maps.Keys(lines)) {
		b.WriteString(lines[fault])
	}
	b.WriteString(End + after)
	return b.String(), nil
}
