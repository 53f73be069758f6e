package edge_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/testharness"
)

// hostileRequests is how many are sent: `make soak-headers` sends 500,000.
func hostileRequests(t *testing.T) int {
	t.Helper()
	n := 20_000
	if text := os.Getenv("PARTNERGATE_SOAK"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("PARTNERGATE_SOAK: %v", err)
		}
	}
	return n
}

// hostileMemory is all that a VM may have, code and stacks and policy included.
const hostileMemory = 24 << 20

// TestHostileHeaders sends keys, hosts, paths and request ids that never come
// twice, and now and then a thousand headers or values of 60 kB. The VM has
// little memory, and would end if anything grew with what clients send.
func TestHostileHeaders(t *testing.T) {
	module, err := testharness.CompileFile(t.Context(), filepath.Join("..", "..", "build", "partnergate.wasm"),
		testharness.WithMemoryLimit(hostileMemory), testharness.WithCacheDir(filepath.Join(os.TempDir(), "partnergate-wazero")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = module.Close() }()
	filter := testharness.NewFilter(module).WithRootID("partnergate").WithVMID("partnergate").WithConfiguration([]byte(configuration)).
		WithFailPolicy(testharness.FailReload)
	stub := newStub(estate(1))
	p := start(t, proxyWith(1, stub, filter))
	ready(t, p, 1)
	n := hostileRequests(t)
	began := time.Now()
	keys := 0
	for i := range n {
		if got := do(t, p, hostile(i)); got.StatusCode != 401 && got.StatusCode != 400 {
			t.Fatalf("request %d got %d %s", i, got.StatusCode, got.body)
		}
		if i%100 == 0 {
			p.Advance(10 * time.Millisecond)
		}
		if i == n/10 {
			keys = len(p.SharedDataKeys("partnergate"))
		}
	}
	took := time.Since(began)
	checkNext := do(t, p, good())
	if checkNext.StatusCode != 200 || p.Failures() != 0 || p.Reloads() != 0 {
		t.Errorf("the next request got %d; %d VMs failed", checkNext.StatusCode, p.Failures())
	}
	if more := len(p.SharedDataKeys("partnergate")); more > keys+1 { // the ledger of the good request
		t.Errorf("shared data grew from %d to %d keys", keys, more)
	}
	wantBounded(t, p, stub, n)
	t.Logf("%d requests, %v each, in %d MiB", n, took/time.Duration(n), hostileMemory>>20)
}

// hostile is request i.
func hostile(i int) *http.Request {
	key := policy.KeyPrefix + "sandbox_" + fmt.Sprintf("%016d", i)[:policy.KeyIDLength] + "_" + "0123456789abcdefghijklmnopqrstuv"
	sum := policy.KeyChecksum(key)
	host := fmt.Sprintf("h%d.example.test", i)
	if i%2 == 0 {
		host = sandboxHost
	}
	r := request("GET", host, fmt.Sprintf("/v1/%d/%d?%d", i%10_000, i, i), "x-request-id", fmt.Sprint("request-", i), "x-api-key", key+string(sum[:]))
	switch i % 40 {
	case 1:
		for n := range 1000 {
			r.Header[fmt.Sprintf("X-Partner-%d-%d", n, i)] = []string{"v"}
		}
	case 2:
		r.Header["X-Large"] = []string{strings.Repeat("v", 60<<10)}
		r.Header["X-Api-Key"] = []string{strings.Repeat("k", 60<<10)}
	case 3:
		r.RequestURI = strings.Repeat("/a", 30<<10)
		r.Header["X-Request-Id"] = []string{strings.Repeat("i", 60<<10)}
	case 4:
		r.RequestURI = "/" + strings.Repeat("%41", 20<<10) + "//"
	}
	return r
}

// wantBounded checks what was counted and logged.
func wantBounded(t *testing.T, p *testharness.Proxy, stub *managerStub, sent int) {
	t.Helper()
	takes(p, time.Minute, func() bool { return total(stub.usage()) > uint64(sent) })
	p.Advance(3 * time.Second)
	series := 0
	for name := range p.Metrics() {
		if strings.HasPrefix(name, "partnergate_requests") {
			series++
		}
	}
	if series > 20 {
		t.Errorf("%d series of partnergate_requests", series)
	}
	if usage := stub.usage(); len(usage) > 20 || total(usage) != uint64(sent)+1 {
		t.Errorf("%d kinds of usage with %d requests, want %d: %v", len(usage), total(usage), sent+1, usage)
	}
	text := 0
	logged := stub.logged()
	for _, r := range logged {
		text += len(r.RequestID) + len(r.Path) + len(r.Method)
	}
	if seconds := sent/10_000 + 5; len(logged) > 60*seconds || text > len(logged)*1300 {
		t.Errorf("%d requests with %d bytes are logged in %d s", len(logged), text, seconds)
	}
}
