//go:build !wasip1

package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestCapacity floods a product that bears 10 requests a second: the flood gets
// what is left over, the other partner all that it asks for, and the upstream
// never more than the capacity.
func TestCapacity(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			m := newManager(t, "[]")
			m.apply(t, strings.Replace(estateYAML("[]"), "  lifecycle: published\n", "  lifecycle: published\n  capacity: {requests: 10, per: second}\n", 1))
			p := m.proxy(t, "one", 2, filters...)
			if a := patient(t, p, 0, m.request("acme")); a.StatusCode != http.StatusOK {
				t.Fatalf("the first request: %d %s", a.StatusCode, a.body)
			}
			admitted := map[string]int{}
			for i := range 100 { // ten seconds
				for range 5 {
					countAdmitted(t, admitted, "acme", patient(t, p, i%2, m.request("acme")))
				}
				if i%5 == 0 {
					countAdmitted(t, admitted, "globex", patient(t, p, i%2, m.request("globex")))
				}
				p.Advance(100 * time.Millisecond)
			}
			if admitted["globex"] < 19 {
				t.Errorf("globex, within its share: %d of 20 admitted", admitted["globex"])
			}
			if sum := admitted["acme"] + admitted["globex"]; sum > 110 || sum < 95 {
				t.Errorf("%d admitted in ten seconds in all, want about 100 and never more than 110", sum)
			}
		})
	}
}

func countAdmitted(t *testing.T, admitted map[string]int, partner string, a answer) {
	t.Helper()
	switch {
	case a.StatusCode == http.StatusOK:
		admitted[partner]++
	case a.code() != "capacity_exceeded" || a.StatusCode != http.StatusServiceUnavailable:
		t.Fatalf("%s is refused with %d %s", partner, a.StatusCode, a.code())
	}
}
