package testharness_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/testharness"
)

// The test below stands in docs/harness.md word for word.

func TestPartnerHeader(t *testing.T) {
	module, err := testharness.CompileFile(t.Context(), filterPath) // the .wasm file
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	filter := testharness.NewFilter(module).WithConfiguration([]byte("request_headers set 0 x-partner-id acme"))
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "called by ", r.Header.Get("X-Partner-Id"))
	})
	proxy, err := testharness.NewProxy(t.Context(), testharness.NewProxyConfig().WithFilters(filter).WithUpstream(upstream))
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	response, err := proxy.Do(httptest.NewRequest("GET", "/v1/pay", nil))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "called by acme" {
		t.Errorf("%s", body)
	}
}

// TestDocsShowTheFirstTest holds the page against this file.
func TestDocsShowTheFirstTest(t *testing.T) {
	page, err := os.ReadFile("../docs/harness.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("firsttest_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) == 0 {
		t.Error("the page has no Go in it")
	}
	for _, block := range blocks {
		if !strings.Contains(string(source), string(block[1])) {
			t.Errorf("not in this file:\n%s", block[1])
		}
	}
}
