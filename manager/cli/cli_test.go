package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager/server"
)

func newRoot() *cobra.Command {
	c := &command{process: Process{Getenv: func(string) string { return "" }}}
	return c.root()
}

// commands are all that run something, with the words by which they are called.
func commands(root *cobra.Command) map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if !sub.HasSubCommands() {
				all[sub.CommandPath()] = sub
			}
			walk(sub)
		}
	}
	walk(root)
	return all
}

// TestHelpReadsWell holds what commands say of themselves to one form.
func TestHelpReadsWell(t *testing.T) {
	root := newRoot()
	for path, cmd := range commands(root) {
		if s := cmd.Short; s == "" || s[:1] != strings.ToUpper(s[:1]) || strings.HasSuffix(s, ".") || len(s) > 90 {
			t.Errorf("%s: the short text is %q; it begins with a capital, has no full stop, and fits on a line", path, s)
		}
		for line := range strings.Lines(cmd.Long) {
			if len(line) > 150 {
				t.Errorf("%s: a line of the long text is too long: %s", path, line)
			}
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "partnergate ") {
				t.Errorf("%s: the example %q is no indented command", path, line)
			}
		}
		if cmd.Args == nil {
			t.Errorf("%s does not say which arguments it takes", path)
		}
	}
}

// TestModulesLieBesideTheProgram: what make build makes is found wherever it is started.
func TestModulesLieBesideTheProgram(t *testing.T) {
	for variable, want := range map[string]string{"": "/opt/partnergate", "/srv/modules": "/srv/modules"} {
		process := Process{Executable: "/opt/partnergate", Getenv: func(name string) string {
			if name == server.ModulesVariable {
				return variable
			}
			return ""
		}}
		all := commands((&command{process: process}).root())
		if got := all["partnergate serve"].Flags().Lookup("modules").Value.String(); got != want {
			t.Errorf("with the variable %q serve takes modules from %q", variable, got)
		}
	}
}

// noForms are the commands whose answer has no other form: they serve, or write documents and files.
var noForms = regexp.MustCompile(`^partnergate (serve|demo|gateway|generate|dump|restore)$`)

// TestEveryAnswerHasItsForms looks for -o.
func TestEveryAnswerHasItsForms(t *testing.T) {
	for path, cmd := range commands(newRoot()) {
		if flag := cmd.Flags().ShorthandLookup("o"); flag == nil && !noForms.MatchString(path) {
			t.Errorf("%s has no -o", path)
		}
	}
}

// TestEveryCommandIsInAScript looks for each command in the scripts of cmd/partnergate, once as it works and once as it fails.
func TestEveryCommandIsInAScript(t *testing.T) {
	scripts, err := filepath.Glob("../cmd/partnergate/testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var all strings.Builder
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	// Those that run until they are stopped, and those that fill or move a whole store, are run by tests in Go.
	elsewhere := regexp.MustCompile(`^partnergate (serve|demo|gateway|generate|dump|restore)$`)
	for path := range commands(newRoot()) {
		works := regexp.MustCompile(`(?m)^exec (sh -c ')?.*\b` + regexp.QuoteMeta(path) + `\b`)
		fails := regexp.MustCompile(`(?m)^(! exec|exec sh -c ').*\b` + regexp.QuoteMeta(path) + `\b`)
		if !works.MatchString(all.String()) && !elsewhere.MatchString(path) {
			t.Errorf("no script runs %s", path)
		}
		if !fails.MatchString(all.String()) && !elsewhere.MatchString(path) {
			t.Errorf("no script shows how %s fails", path)
		}
	}
}
