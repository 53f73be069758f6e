package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

// binary is what `make build` makes.
const binary = "../build/partnergate"

// pageFiles are where pages are.
var pageFiles = []string{"*.md", "docs/*.md", "*/README.md", "envoy-examples/*/README.md"}

// block is a fenced block of a page.
type block struct {
	page     string
	line     int
	language string
	text     string
}

// inDemo marks blocks that are run while the demo runs.
const inDemo = "# in the demo\n"

// blocks are all blocks of all pages.
func blocks(t *testing.T) (all []block) {
	t.Helper()
	for _, pattern := range pageFiles {
		pages, err := filepath.Glob("../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, blocksOf(strings.TrimPrefix(page, "../"), string(text))...)
		}
	}
	if len(all) == 0 {
		t.Fatal("no page has a block")
	}
	return all
}

var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

func blocksOf(page, text string) (all []block) {
	for _, at := range fenced.FindAllStringSubmatchIndex(text, -1) {
		all = append(all, block{page, strings.Count(text[:at[0]], "\n") + 1, text[at[2]:at[3]], text[at[4]:at[5]]})
	}
	return all
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// TestPagesNameWhatThereIs checks every make target, variable, command and flag in a block.
func TestPagesNameWhatThereIs(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks(t) {
		if b.language != "sh" && b.language != "" {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
			words := strings.Fields(before(line, "#"))
			switch {
			case len(words) == 0:
			case words[0] == "make":
				checkMake(t, b, words[1:], string(makefile))
			case filepath.Base(words[0]) == "partnergate":
				checkCommand(t, b, words[1:])
			}
		}
	}
}

func before(line, mark string) string {
	line, _, _ = strings.Cut(line, mark)
	return line
}

func checkMake(t *testing.T, b block, words []string, makefile string) {
	t.Helper()
	for _, word := range words {
		name, _, variable := strings.Cut(word, "=")
		pattern := `(?m)^` + regexp.QuoteMeta(name) + `:`
		if variable {
			pattern = `(?m)^` + regexp.QuoteMeta(name) + `\s*[?:]?=`
		}
		if !regexp.MustCompile(pattern).MatchString(makefile) {
			t.Errorf("%s: the Makefile has no %s", b, name)
		}
	}
}

// checkCommand asks the command itself.
func checkCommand(t *testing.T, b block, words []string) {
	t.Helper()
	var path []string
	for _, word := range words {
		if !regexp.MustCompile(`^[a-z-]+$`).MatchString(word) || strings.HasPrefix(word, "-") || len(path) == 2 {
			break
		}
		path = append(path, word)
	}
	help := helpOf(t, path)
	for len(path) > 1 && !strings.Contains(help, "partnergate "+strings.Join(path, " ")) { // its second word is an argument
		path = path[:len(path)-1]
		help = helpOf(t, path)
	}
	if len(path) > 0 && !strings.Contains(help, "partnergate "+strings.Join(path, " ")) {
		t.Errorf("%s: there is no command partnergate %s", b, strings.Join(path, " "))
	}
	for _, word := range words {
		flag := before(word, "=")
		if strings.HasPrefix(flag, "-") && flag != "-" && !regexp.MustCompile(`(?m)[\s,]`+regexp.QuoteMeta(flag)+`[\s,]`).MatchString(help) {
			t.Errorf("%s: partnergate %s has no flag %s", b, strings.Join(path, " "), flag)
		}
	}
}

func helpOf(t *testing.T, path []string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, append(slices.Clone(path), "--help")...)
	output, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		t.Fatalf("%v; `make build` builds it", err)
	}
	return string(output)
}

// TestPoliciesOfPagesAreValid validates every block of resources, beside the sample estate's OpenAPI documents.
func TestPoliciesOfPagesAreValid(t *testing.T) {
	for _, b := range blocks(t) {
		if b.language != "yaml" || !strings.Contains(b.text, "apiVersion: partnergate.dev/") {
			continue
		}
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, "openapi"), os.DirFS("../envoy-examples/estate/openapi")); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "policy.yaml")
		if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		output, err := exec.CommandContext(t.Context(), binary, "validate", "-f", file).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", b, err, output)
		}
	}
}

// TestLinksLeadSomewhere follows the links between pages.
func TestLinksLeadSomewhere(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)#\s:]+)(#[^)]*)?\)`)
	for _, pattern := range pageFiles {
		pages, err := filepath.Glob("../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, link := range links.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil {
					t.Errorf("%s links to %s, which is not there", strings.TrimPrefix(page, "../"), link[1])
				}
			}
		}
	}
}

// TestEveryCodeHasItsRow looks for each refusal, with its status, in a table of docs/filters.md.
func TestEveryCodeHasItsRow(t *testing.T) {
	page, err := os.ReadFile("filters.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range policy.Refusals() {
		row := regexp.MustCompile(fmt.Sprintf("(?m)^\\|.*\\b%d\\b.*`%s`.*\\|$", code.Info().Status, code))
		if !row.Match(page) {
			t.Errorf("docs/filters.md has no row with %d and `%s`", code.Info().Status, code)
		}
	}
}
