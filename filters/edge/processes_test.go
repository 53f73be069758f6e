//go:build !wasip1

package edge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/testharness"
)

// TestWithoutVMID gives plugins no vm_id, as Istio does where none is set, and
// each plugin one of its own: the first share all they know, the others each
// know it alone. Decisions and usage are the same.
func TestWithoutVMID(t *testing.T) {
	vmIDs := map[string]func(i int) string{
		"none":       func(int) string { return "" },
		"each other": func(i int) string { return fmt.Sprintf("vm-%d", i) },
	}
	leaders := map[string]uint64{"none": 1, "each other": 3}
	for name, vmID := range vmIDs {
		t.Run(name, func(t *testing.T) {
			stub := newStub(limited(1, quotaOf100))
			stub.grants = plenty
			filters := chain(configuration)
			for i := range filters {
				filters[i] = filters[i].WithVMID(vmID(i))
			}
			p := start(t, proxyWith(2, stub, filters...))
			ready(t, p, 1)
			for worker := range 2 {
				eventually(t, p, func() bool { return onWorker(t, p, worker) == "" })
				checkOn(t, p, worker, good(), servedVerdict)
			}
			if n := metric(p, "partnergate_leader_changes"); n != leaders[name] {
				t.Errorf("%d leaders, want %d", n, leaders[name])
			}
			stub.publish(revoked(2))
			for worker := range 2 {
				eventually(t, p, func() bool { return onWorker(t, p, worker) == "credential_revoked" })
			}
			p.Advance(6 * time.Second)
			if n := stub.usage()["acme admitted"]; n < 2 {
				t.Errorf("%d requests were counted", n)
			}
		})
	}
	reliability.Record(t, reliability.Row{
		Fault:    "plugins without a `vm_id`, or each with another",
		Done:     "the three filters on two workers with an empty vm_id, and with three different ones",
		Promised: "decisions, leases and usage as with one; where they differ each plugin talks to the manager for itself",
		Seen:     "1 and 3 leaders; served, counted, and a revocation seen at every worker",
	})
}

func onWorker(t *testing.T, p *testharness.Proxy, worker int) string {
	t.Helper()
	response, err := p.DoOn(worker, good())
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response).code()
}

// TestProxiesWithOneNodeID runs three proxies under one node id at the real
// manager: they are three to it, and the contract is exact across them.
func TestProxiesWithOneNodeID(t *testing.T) {
	m := newManager(t, "[{name: daily, quota: {requests: 100, per: day}}]")
	var proxies []*testharness.Proxy
	for range 3 {
		proxies = append(proxies, m.proxy(t, "the-same", 2, combined(configuration)...))
	}
	admitted, refused := 0, 0
	for n := range 150 {
		p := proxies[n%3]
		response, err := p.Do(m.request("acme"))
		if err != nil {
			t.Fatal(err)
		}
		switch code := read(t, response).code(); code {
		case "":
			admitted++
		case "limit_exceeded":
			refused++
		default:
			t.Fatalf("request %d: %s", n+1, code)
		}
		p.Advance(50 * time.Millisecond)
	}
	if admitted != 100 || refused != 50 {
		t.Errorf("%d admitted and %d refused, want 100 and 50", admitted, refused)
	}
	proxies[0].Advance(6 * time.Second)
	views, err := m.Proxies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(views) != 3 {
		t.Errorf("the manager knows of %d proxies: %+v", len(views), views)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "three proxies with one node id",
		Done:     "150 requests over three proxies, with a quota of 100",
		Promised: "three proxies to the manager; 100 admitted, 50 refused",
		Seen:     "100 admitted, 50 refused",
	})
}

// TestRateFollowsTheTraffic floods one of two proxies while the other has
// hardly any traffic, then the other: each time that one gets nearly the whole
// contract within seconds, and never more.
func TestRateFollowsTheTraffic(t *testing.T) {
	m := newManager(t, "[{name: rate, rate: {requests: 20, per: second, burst: 20}}]")
	one := m.proxy(t, "one", 1, combined(configuration)...)
	two := m.proxy(t, "two", 1, combined(configuration)...)
	var asked []*testharness.Exchange
	ask := func(p *testharness.Proxy) {
		exchange, err := p.Begin(m.request("acme"))
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, exchange)
	}
	second := func(busy, calm *testharness.Proxy) (admitted int) {
		ask(calm)
		for range 20 {
			ask(busy)
			ask(busy)
			m.clock.Advance(50 * time.Millisecond)
		}
		m.clock.Advance(250 * time.Millisecond) // for one that waits
		defer func() { asked = nil }()
		return answers(t, asked)["admitted"]
	}
	for range 10 {
		second(one, two) // until both have a share
	}
	const seconds, contract, burst = 15, 20, 20
	took := seconds * 5 / 4
	for _, p := range [][2]*testharness.Proxy{{one, two}, {two, one}} {
		for range 10 {
			second(p[0], p[1])
		}
		admitted := 0
		for range seconds {
			admitted += second(p[0], p[1])
		}
		if admitted < took*contract*9/10 || admitted > took*contract+burst {
			t.Errorf("%d requests were admitted in %d seconds, want nearly %d", admitted, took, took*contract)
		}
	}
}
