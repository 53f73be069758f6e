package envoyexamples

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestRenderReplacesOnlyPlaces(t *testing.T) {
	places := Places{Listener: 0, Admin: 0, Manager: 18080, Payments: 19001, Risk: 19002, Module: "/some where/partnergate.wasm"}
	for _, example := range Examples {
		rendered, err := Render(example, places)
		if err != nil {
			t.Fatal(err)
		}
		original, err := configs.ReadFile(example + "/envoy.yaml")
		if err != nil {
			t.Fatal(err)
		}
		before, after := strings.Split(string(original), "\n"), strings.Split(string(rendered), "\n")
		if len(before) != len(after) {
			t.Fatalf("%s: %d lines became %d", example, len(before), len(after))
		}
		var changed []string
		for i := range before {
			if before[i] != after[i] {
				changed = append(changed, strings.TrimSpace(after[i]))
			}
		}
		want := []string{
			"socket_address: {address: 127.0.0.1, port_value: 0}",
			"socket_address: {address: 127.0.0.1, port_value: 0}",
			`local: {filename: "/some where/partnergate.wasm"}`,
			`"errors_url": "http://127.0.0.1:18080/docs/errors/"`,
			"- endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18080}}}",
			"- endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 19001}}}",
			"- endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 19002}}}",
		}
		if got := strings.Join(changed, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("%s: changed lines:\n%s\nwant:\n%s", example, got, strings.Join(want, "\n"))
		}
	}
}

func TestRenderAddsASecondManager(t *testing.T) {
	for _, example := range Examples {
		rendered, err := Render(example, Places{Manager: 18080, Second: 18081, Payments: 1, Risk: 2, Module: "m"})
		if err != nil {
			t.Fatal(err)
		}
		_, cluster, _ := strings.Cut(string(rendered), "    - name: partnergate # ")
		cluster, _, _ = strings.Cut(cluster, "    - name: payments")
		for _, line := range []string{"port_value: 18080}}}\n", "port_value: 18081}}}\n"} {
			if strings.Count(cluster, line) != 1 {
				t.Errorf("%s: %q is not once in the cluster of the managers:\n%s", example, line, cluster)
			}
		}
	}
}

func TestRenderNamesWhatIsWrong(t *testing.T) {
	good := Places{Manager: 1, Payments: 2, Risk: 3, Module: "m"}
	cases := map[string]struct {
		example string
		change  func(*Places)
		want    string
	}{
		"unknown example":   {"quickest", func(*Places) {}, "choose one of quickstart, hardened, quota-only"},
		"no manager":        {"quickstart", func(p *Places) { p.Manager = 0 }, "the manager port is 0"},
		"port out of range": {"hardened", func(p *Places) { p.Risk = 65536 }, "the risk port is 65536"},
		"no module":         {"hardened", func(p *Places) { p.Module = "" }, "make wasm"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			places := good
			c.change(&places)
			_, err := Render(c.example, places)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// The files themselves, from the folder in which `make run` starts Envoy. Envoy also loads and configures the module,
// which takes seconds; the third file differs from the first in one filter, with which TestQuotaOnly runs it.
func TestEnvoyAcceptsTheFilesAsTheyStand(t *testing.T) {
	module(t)
	envoy, err := findBinary("")
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range chained {
		t.Run(example, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), envoy, "--mode", "validate", "--log-level", "warning",
				"--config-path", filepath.Join("envoy-examples", example, "envoy.yaml"))
			command.Dir = ".."
			output, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			if strings.Contains(string(output), "deprecated") {
				t.Errorf("uses deprecated settings:\n%s", output)
			}
		})
	}
}

func TestEstateDocumentsAreValidOpenAPI(t *testing.T) {
	for _, file := range []string{"openapi/payments.yaml", "openapi/risk.yaml"} {
		for path, item := range openAPI(t, Estate, file).Paths.Map() {
			for method, operation := range item.Operations() {
				if operation.OperationID == "" || operation.Summary == "" {
					t.Errorf("%s: %s %s: the portal shows its operationId and summary; one is missing", file, method, path)
				}
			}
		}
	}
	openAPI(t, QuotaOnlyEstate, "openapi/anything.yaml")
}

// openAPI reads a document of an estate, and validates it.
func openAPI(t *testing.T, estate fs.FS, file string) *openapi3.T {
	t.Helper()
	data, err := fs.ReadFile(estate, file)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	return document
}
