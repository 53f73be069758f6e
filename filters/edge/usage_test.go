package edge_test

import (
	"maps"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// wantUsage waits until the manager knows of as many requests, which may take
// as long as a call that hangs and the pause after it, and then for some batches
// more, in which none may be counted again; and compares.
func wantUsage(t *testing.T, p *testharness.Proxy, stub *managerStub, want map[string]uint64) {
	t.Helper()
	takes(p, time.Minute, func() bool { return total(stub.usage()) >= total(want) })
	p.Advance(3 * time.Second)
	if got := stub.usage(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func total(usage map[string]uint64) (n uint64) {
	for _, count := range usage {
		n += count
	}
	return n
}

func TestUsageAndLog(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			stub := newStub(estate(1))
			p := start(t, proxyWith(3, stub, filters...))
			ready(t, p, 1)
			at := p.Clock().Now()
			for range 30 {
				do(t, p, request("GET", sandboxHost, "/v1/pay?secret=1", "x-api-key", acmeKey, "x-request-id", "r-1"))
			}
			do(t, p, request("GET", sandboxHost, "//v1/pay?secret=1", "x-api-key", acmeKey))
			do(t, p, request("GET", sandboxHost, "/admin", "x-api-key", acmeKey))
			do(t, p, request("GET", sandboxHost, "/admin", "x-api-key", globexKey))
			wantUsage(t, p, stub, map[string]uint64{
				"acme admitted": 30, " path_not_canonical": 1, "acme operation_not_found": 1, "globex admitted": 1,
			})
			logged := stub.logged()
			if len(logged) != 33 {
				t.Fatalf("%d requests are logged", len(logged))
			}
			byOutcome := map[string]int{}
			for _, r := range logged {
				byOutcome[r.Outcome+" "+r.Path]++
				if r.Time < at.UnixMilli() || r.Method != "GET" || r.RequestID == "" {
					t.Errorf("%+v", r)
				}
				if r.Outcome == "admitted" && r.Partner == "acme" {
					if r.Application != "checkout" || r.Product != "payments" || r.Environment != "sandbox" || r.Operation != "pay" ||
						r.Credential == "" || r.Status != 200 || r.PolicyVersion != 1 || r.RequestID != "r-1" {
						t.Errorf("%+v", r)
					}
				}
			}
			want := map[string]int{"admitted /v1/pay": 30, "path_not_canonical //v1/pay": 1, "operation_not_found /admin": 1, "admitted /admin": 1}
			if !maps.Equal(byOutcome, want) {
				t.Errorf("logged %v, want %v", byOutcome, want)
			}
			name := "partnergate_requests;.partner=acme.;;.product=payments.;;.environment=sandbox.;;.outcome=admitted.;"
			if n, _ := p.Metric(name); n != 30 {
				t.Errorf("%s is %d", name, n)
			}
		})
	}
}

// TestLogIsBounded logs at most 50 decisions a second of a partner, counts all,
// and says how many it did not log.
func TestLogIsBounded(t *testing.T) {
	stub := newStub(estate(1))
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 1)
	for range 200 {
		do(t, p, request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey))
	}
	do(t, p, request("GET", sandboxHost, "/v1/pay", "x-api-key", globexKey))
	wantUsage(t, p, stub, map[string]uint64{"acme admitted": 200, "globex admitted": 1})
	dropped := uint64(0)
	for _, batch := range stub.batches() {
		dropped += batch.Dropped
	}
	if logged := len(stub.logged()); logged != 51 || dropped != 150 {
		t.Errorf("%d are logged, %d dropped", logged, dropped)
	}
}

func TestFilterState(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			p := start(t, proxyWith(1, newStub(estate(1)), filters...))
			ready(t, p, 1)
			got := do(t, p, request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey))
			state := p.FilterState(got.Response)
			want := map[string]string{
				"partner": "acme", "application": "checkout", "product": "payments", "environment": "sandbox", "operation": "pay",
				"subscription": "payments-sandbox", "outcome": "admitted", "policy_version": "1",
			}
			for name, value := range want {
				if state["wasm.partnergate."+name] != value {
					t.Errorf("%s is %q, want %q", name, state["wasm.partnergate."+name], value)
				}
			}
			if _, there := state["wasm.partnergate.limit"]; there {
				t.Error("an empty limit is shown")
			}
		})
	}
}
