// Package docs holds the tests that hold the documentation, and the structure that it describes, against the code.
package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/partnergate/partnergate/"

// What the decisions may use in wasm: enough to compute, nothing that reads a clock, does I/O or reflects. crypto/sha256 and
// encoding/binary are not among it: the one links os, the other reflect.
var decisionImports = []string{
	"bytes", "cmp", "errors", "hash/crc32", "iter", "maps", "math", "math/bits", "slices", "sort", "strconv", "strings", "unicode/utf8",
}

// arrow is a rule about what some packages may import, themselves or through others of this module.
type arrow struct {
	name string
	from func(path string) bool // path without the module's prefix
	bans func(imported string) bool
	deep bool // holds for everything that is linked in, standard library included
	wasm bool // holds for what is compiled to wasm only
}

var arrows = []arrow{
	{
		name: "filters link neither fmt, os, net/http nor reflect: a GC kills a filter with os on hosts whose poll_oneoff fails",
		from: below("filters"), bans: in("fmt", "os", "net/http", "reflect"), deep: true, wasm: true,
	},
	{
		name: "no filter imports another; they meet in filters/all and filters/modules",
		from: in(filters...), bans: ours(in(append(filters, "filters/all")...)),
	},
	{
		name: "filters know nothing of the manager, the portal or the harness",
		from: below("filters"), bans: ours(below("manager", "portal", "testharness", "envoy-examples")), deep: true,
	},
	{
		name: "the harness knows nothing of Partnergate",
		from: below("testharness"), bans: ours(not(below("testharness"))), deep: true,
	},
	{
		name: "the domain knows neither its stores, nor HTTP servers, nor the command line",
		from: in("manager"), deep: true,
		bans: either(ginOrStore, ours(below("manager/sqlite", "manager/mongo", "manager/httpapi", "manager/cli", "manager/cmd", "portal"))),
	},
	{
		name: "Gin lives in manager/httpapi alone",
		from: not(below("manager/httpapi")), bans: below("github.com/gin-gonic/gin"),
	},
	{
		name: "the portal knows neither Gin nor a store",
		from: below("portal"), bans: either(ginOrStore, ours(below("manager/sqlite", "manager/mongo", "manager/httpapi"))), deep: true,
	},
	{
		name: "pages for operators know nothing of those for partners, and what both are made of knows neither",
		from: in("portal/web", "portal/console"), bans: ours(either(in("portal"), below("portal/console"))),
	},
	{
		name: "nobody imports a command",
		from: func(string) bool { return true }, bans: ours(below("manager/cmd")),
	},
	{
		name: "unsafe is for the ABI",
		from: not(below("filters/proxywasm")), bans: in("unsafe"),
	},
}

var ginOrStore = below("github.com/gin-gonic/gin", "modernc.org/sqlite", "go.mongodb.org/mongo-driver")

var filters = []string{"filters/partner-resolution", "filters/catalog-gate", "filters/quota"}

func TestArrows(t *testing.T) {
	packages := list(t)
	for _, rule := range arrows {
		t.Run(rule.name, func(t *testing.T) {
			for _, p := range packages {
				if !rule.from(p.name()) || rule.wasm && !p.wasm {
					continue
				}
				imports := p.Imports
				if rule.deep {
					imports = p.Deps
				}
				for _, imported := range imports {
					if rule.bans(imported) {
						t.Errorf("%s imports %s", p.name(), imported)
					}
				}
			}
		})
	}
}

func TestDecisionsImportOnlyWhatComputes(t *testing.T) {
	for _, p := range list(t) {
		if !in("filters/policy", "filters/wire")(p.name()) || !p.wasm {
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module) && !slices.Contains(decisionImports, imported) {
				t.Errorf("%s imports %s, which is not among %s", p.name(), imported, strings.Join(decisionImports, " "))
			}
		}
	}
}

func TestWasmImportsStandInTheABIAlone(t *testing.T) {
	for _, p := range list(t) {
		if below("filters/proxywasm")(p.name()) {
			continue
		}
		for _, file := range p.GoFiles {
			source, err := os.ReadFile(p.Dir + "/" + file)
			if err != nil {
				t.Fatal(err)
			}
			for _, directive := range []string{"//go:wasmimport ", "//go:wasmexport ", "//go:linkname "} {
				if bytes.Contains(source, []byte("\n"+directive)) {
					t.Errorf("%s/%s has %s", p.name(), file, strings.TrimSpace(directive))
				}
			}
		}
	}
}

type goPackage struct {
	Dir, ImportPath, Name string
	GoFiles               []string
	Imports, Deps         []string // without those of tests
	wasm                  bool
}

func (p goPackage) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// list gives the module's packages as they are built for this machine and for wasm.
func list(t *testing.T) []goPackage {
	t.Helper()
	packages := listFor(t, "./...")
	for _, p := range listFor(t, "./filters/...", "GOOS=wasip1", "GOARCH=wasm") {
		p.wasm = true
		packages = append(packages, p)
	}
	if len(packages) < 10 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	return packages
}

func listFor(t *testing.T, pattern string, environment ...string) []goPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=Dir,ImportPath,Name,GoFiles,Imports,Deps", pattern)
	command.Dir = ".."
	command.Env = append(os.Environ(), environment...)
	var problems bytes.Buffer
	command.Stderr = &problems
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", pattern, err, &problems)
	}
	var packages []goPackage
	decoder := json.NewDecoder(bytes.NewReader(output))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// The conditions of the rules.

func in(paths ...string) func(string) bool {
	return func(path string) bool { return slices.Contains(paths, path) }
}

// below matches the packages and all in their folders.
func below(paths ...string) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(paths, func(top string) bool { return path == top || strings.HasPrefix(path, top+"/") })
	}
}

// ours applies a condition on this module's packages to a full import path.
func ours(condition func(string) bool) func(string) bool {
	return func(path string) bool {
		name, found := strings.CutPrefix(path, module)
		return found && condition(name)
	}
}

func not(condition func(string) bool) func(string) bool {
	return func(path string) bool { return !condition(path) }
}

func either(conditions ...func(string) bool) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(conditions, func(condition func(string) bool) bool { return condition(path) })
	}
}
