package telemetry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager/telemetry"
)

// logged are the folders whose lines are the manager's.
var logged = []string{"..", "../httpapi", "../server", "../sqlite", "../mongo", "../../portal", "../../portal/web", "../../portal/console"}

// levels are the methods that log, and how many arguments come before the fields.
var levels = map[string]int{
	"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2, "Note": 1,
}

// TestLogLinesUseOneVocabulary finds every field of every log line in the sources among Fields.
func TestLogLinesUseOneVocabulary(t *testing.T) {
	used := map[string]bool{"request_id": true, "trace_id": true} // added by the handler
	for _, folder := range logged {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				fieldsOf(t, file, used)
			}
		}
	}
	for _, f := range telemetry.Fields {
		if !used[f.Name] {
			t.Errorf("no line has the field %s", f.Name)
		}
	}
}

func fieldsOf(t *testing.T, file string, used map[string]bool) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		for _, field := range fields(call) {
			used[field] = true
			if !slices.ContainsFunc(telemetry.Fields, func(f telemetry.Field) bool { return f.Name == field }) {
				t.Errorf("%s: a line has the field %q, which is none of telemetry.Fields", set.Position(call.Pos()), field)
			}
		}
		return true
	})
}

// fields are the names that a call gives to a logger, to telemetry.Note or to an attribute of slog.
func fields(call *ast.CallExpr) (names []string) {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	of, method := "", selector.Sel.Name
	switch x := selector.X.(type) {
	case *ast.Ident:
		of = x.Name
	case *ast.SelectorExpr:
		of = x.Sel.Name
	}
	if of == "slog" && len(call.Args) == 2 && slices.Contains([]string{"String", "Int", "Int64", "Float64", "Bool", "Any", "Duration"}, method) {
		return literal(call.Args[0])
	}
	first, logs := levels[method]
	if !logs || !strings.EqualFold(of, "logger") && of != "telemetry" {
		return nil
	}
	for i := first; i < len(call.Args); i += 2 {
		names = append(names, literal(call.Args[i])...)
	}
	return names
}

func literal(e ast.Expr) []string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return nil
	}
	text, err := strconv.Unquote(l.Value)
	if err != nil {
		return nil
	}
	return []string{text}
}

// TestFieldsAreDocumented compares the page's table with Fields.
func TestFieldsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| field | meaning |\n|---|---|\n")
	for _, f := range telemetry.Fields {
		want.WriteString("| `" + f.Name + "` | " + f.Meaning + " |\n")
	}
	if !strings.Contains(string(page), want.String()) {
		t.Errorf("docs/operations.md should have the table\n%s", want.String())
	}
}
