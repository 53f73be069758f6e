package reliability

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPageHasTheRowsOfTests compares the faults of the page with those that the sources of tests name: the page has all, and no other.
// Where a test makes up the name, only what it begins with is compared.
func TestPageHasTheRowsOfTests(t *testing.T) {
	names, beginnings := faultsOfSources(t, filepath.Dir(filepath.Dir(Page())))
	page, err := os.ReadFile(Page())
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), Begin+head)
	table, _, _ = strings.Cut(table, End)
	var rows []string
	for line := range strings.Lines(table) {
		fault, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		rows = append(rows, fault)
		if !slices.Contains(names, fault) && !slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(fault, b) }) {
			t.Errorf("docs/reliability.md has a row %q, and no test records it; take it out with: make reliability", fault)
		}
	}
	for _, name := range names {
		if !slices.Contains(rows, name) {
			t.Errorf("a test records the fault %q, and docs/reliability.md has no row of it; make it with: make reliability", name)
		}
	}
	for _, b := range beginnings {
		if !slices.ContainsFunc(rows, func(row string) bool { return strings.HasPrefix(row, b) }) {
			t.Errorf("a test records faults that begin with %q, and docs/reliability.md has none; make them with: make reliability", b)
		}
	}
}

// faultsOfSources are the faults of all reliability.Row literals below a folder.
func faultsOfSources(t *testing.T, root string) (names, beginnings []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "build") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if name, whole, ok := faultOf(n); ok && whole {
				names = append(names, cell(name))
			} else if ok {
				beginnings = append(beginnings, cell(name))
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, beginnings
}

// faultOf is the fault of a literal reliability.Row{Fault: …}, or what it begins with.
func faultOf(n ast.Node) (name string, whole, ok bool) {
	literal, isLiteral := n.(*ast.CompositeLit)
	if !isLiteral {
		return "", false, false
	}
	if of, isSelector := literal.Type.(*ast.SelectorExpr); !isSelector || of.Sel.Name != "Row" || len(literal.Elts) == 0 {
		return "", false, false
	}
	pair, isPair := literal.Elts[0].(*ast.KeyValueExpr)
	if !isPair {
		return "", false, false
	}
	value, whole := pair.Value, true
	for {
		sum, isSum := value.(*ast.BinaryExpr)
		if !isSum {
			break
		}
		value, whole = sum.X, false
	}
	text, isText := value.(*ast.BasicLit)
	if !isText {
		return "", false, false
	}
	name, err := strconv.Unquote(text.Value)
	return name, whole, err == nil
}
