package testharness_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/testharness"
)

// foreign compiles a module of Higress, which has its own marker for its
// variant of the ABI.
func foreign(t *testing.T, name string) (*testharness.Module, error) {
	t.Helper()
	pattern := filepath.Join("..", ".tools", "modules", "gpustack_higress_plugins", "plugins", name, "*", "plugin.wasm")
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		t.Fatalf("no module %s: run `make tools` to fetch it", pattern)
	}
	module, err := testharness.CompileFile(t.Context(), files[0], testharness.WithABIMarker("proxy_abi_version_0_2_100"))
	if err == nil {
		t.Cleanup(func() {
			if err := module.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return module, err
}

// TestForeignFilterRuns runs a filter that others wrote and built: it changes
// headers of both directions and a buffered body.
func TestForeignFilterRuns(t *testing.T) {
	t.Parallel()
	module, err := foreign(t, "transformer")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, config(testharness.NewFilter(module).WithConfiguration([]byte(`{
		"reqRules":  [{"operate": "add", "headers": [{"key": "x-added", "value": "1"}]}, {"operate": "add", "body": [{"key": "added", "value": "yes"}]}],
		"respRules": [{"operate": "remove", "headers": [{"key": "x-path"}]}]
	}`))).WithUpstream(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Got-X-Added", r.Header.Get("X-Added"))
		w.Header().Set("X-Path", r.RequestURI)
		_, _ = io.Copy(w, r.Body)
	})))
	r := post(`{"amount": 3}`)
	r.Header.Set("Content-Type", "application/json")
	response := do(t, p, r)
	if response.Header.Get("Got-X-Added") != "1" || response.Header.Get("X-Path") != "" {
		t.Error(response.Header)
	}
	if got := body(t, response); !strings.Contains(got, `"amount": 3`) || !strings.Contains(got, `"added": "yes"`) {
		t.Errorf("%s\n%v", got, messages(p))
	}
	if p.Failures() != 0 {
		t.Error("VM failed")
	}
}

func TestForeignImportsAreNamed(t *testing.T) {
	t.Parallel()
	_, err := foreign(t, "gpustack-lb")
	if err == nil || !strings.HasSuffix(err.Error(), "env.proxy_redis_init (unknown), env.proxy_redis_call (unknown)") {
		t.Error(err)
	}
}
