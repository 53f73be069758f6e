package lease

import (
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

// gateways are proxies with real ledgers at one bucket of a rate.
type gateways struct {
	*table
	id      string
	bucket  policy.Bucket
	ledgers map[string]policy.Ledger
	synced  map[string]int64
	waits   map[string]bool
}

func newGateways(t *testing.T, kind policy.LimitKind, c Contract) *gateways {
	id := "acme/sub/limit/" + kind.String()
	return &gateways{
		table: newTable(t, kind, c), id: id, bucket: policy.Bucket{Limit: policy.Limit{Name: "limit", Kind: kind}, Key: policy.BucketKey(id)},
		ledgers: map[string]policy.Ledger{}, synced: map[string]int64{}, waits: map[string]bool{},
	}
}

func (g *gateways) admits(proxy string) bool {
	v := g.ledgers[proxy].Take([]policy.Bucket{g.bucket}, g.now, 1)
	g.waits[proxy] = g.waits[proxy] || v.Code == policy.Undecided
	return v.Code == policy.Admitted
}

// sync makes a proxy's report, and returns who is to sync soon.
func (g *gateways) sync(proxy string) (nudged []string) {
	r := policy.Report{ID: g.id}
	if reports, _ := g.ledgers[proxy].Report(nil, g.now); len(reports) > 0 {
		r = reports[0]
	}
	if g.waits[proxy] {
		r.Wanted, g.waits[proxy] = true, false
		r.Demand++
	}
	out := g.b.Step(Input{ID: g.id, Now: g.now, Contract: g.contract, Proxy: proxy, Report: &r, Since: g.synced[proxy], Gone: func(string) (int64, bool) { return 0, false }})
	g.synced[proxy] = g.now
	if out.Grant != nil {
		g.ledgers[proxy], _ = g.ledgers[proxy].Apply(out.Grant, g.now, 1)
	}
	return out.Nudge
}

// TestSlowTrafficKeepsItsPart floods one proxy while another has a request now
// and then, further apart than a burst of any traffic lasts: that one still gets
// what it asks for of an equal part, and what it leaves goes to the other.
func TestSlowTrafficKeepsItsPart(t *testing.T) {
	const settle, minutes, step = 10, 30, 500
	for _, c := range []struct{ perMinute, every, least, leastFlood int64 }{
		{4, step, 60 - 2, 60 - 2}, // both ask for more than there is
		{10, step, 150 - 2, 150 - 2},
		{6, 20_000, 90, 85},
		{10, 20_000, 90, 140},
		{60, 20_000, 90, 1600},
	} {
		g := newGateways(t, policy.RatePerMinute, Contract{Requests: c.perMinute, Burst: c.perMinute})
		slow, flood := int64(0), int64(0)
		for began := g.now; g.now < began+(settle+minutes)*60_000; g.now += step {
			counts := int64(0)
			if g.now >= began+settle*60_000 {
				counts = 1
			}
			if g.admits("flood") {
				flood += counts
			}
			if (g.now-began)%c.every == 0 && g.admits("slow") {
				slow += counts
			}
			if g.now%1000 == 0 {
				for _, nudged := range append(g.sync("flood"), g.sync("slow")...) {
					g.sync(nudged)
					g.sync(nudged)
				}
			}
		}
		if slow < c.least || flood < c.leastFlood || slow+flood > (minutes+1)*c.perMinute {
			t.Errorf("of %d a minute, for %d minutes: %d for the slow one, want %d; %d for the flood, want %d", c.perMinute, minutes, slow, c.least, flood, c.leastFlood)
		}
	}
}
