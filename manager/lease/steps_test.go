package lease

import (
	"maps"
	"slices"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

// table is one bucket whose steps a test makes one by one.
type table struct {
	t         *testing.T
	b         *Bucket
	now       int64
	contract  Contract
	gone      map[string]bool
	goneSince int64
	since     int64
	epochs    map[string]uint64
}

func newTable(t *testing.T, kind policy.LimitKind, c Contract) *table {
	return &table{t: t, b: New(kind), now: start, contract: c, gone: map[string]bool{}, epochs: map[string]uint64{}}
}

// report makes a step for a proxy, which acknowledges what it got before.
func (x *table) report(proxy string, r policy.Report) Outcome {
	r.Epoch = x.epochs[proxy]
	out := x.b.Step(Input{ID: "id", Now: x.now, Contract: x.contract, Proxy: proxy, Report: &r, Since: x.since, Gone: func(p string) (int64, bool) { return x.goneSince, x.gone[p] }})
	if out.Grant != nil {
		x.epochs[proxy] = out.Grant.Epoch
	}
	return out
}

func (x *table) wants(proxy string) Outcome {
	return x.report(proxy, policy.Report{Wanted: true, Demand: 1, WindowEnd: x.b.windowEnd})
}

func (x *table) idle(proxy string) Outcome {
	return x.report(proxy, policy.Report{WindowEnd: x.b.windowEnd})
}

func (x *table) expect(what string, got, want any) {
	x.t.Helper()
	if got != want {
		x.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// grant is the grant of an outcome; the zero one where there is none.
func grant(out Outcome) policy.Grant {
	if out.Grant == nil {
		return policy.Grant{}
	}
	return *out.Grant
}

const requests = policy.RateUnit

func TestSharesMoveOnlyAfterAcknowledgement(t *testing.T) {
	x := newTable(t, policy.RatePerSecond, Contract{Requests: 10, Burst: 20})
	whole := grant(x.wants("a"))
	x.expect("the first burst", whole.Burst, int64(20*requests))
	x.expect("its level", whole.Level, int64(20*requests))
	x.expect("its rate", whole.Rate, 10*policy.RatePerSecond.UnitsPerMillisecond(1))

	out := x.wants("b")
	x.expect("b gets something", out.Grant != nil, false)
	x.expect("b is starved", out.Starved, true)
	x.expect("who is nudged", len(out.Nudge) == 1 && out.Nudge[0] == "a", true)

	out = x.idle("a") // acknowledges the whole, and is told of its half
	x.expect("a's half", grant(out).Burst, int64(10*requests))
	x.expect("a is to come again", out.Again, true)
	x.expect("b gets it before", x.wants("b").Grant != nil, false)

	out = x.report("a", policy.Report{Given: 7 * requests})
	x.expect("who is nudged then", len(out.Nudge) == 1 && out.Nudge[0] == "b", true)
	half := grant(x.wants("b"))
	x.expect("b's half", half.Burst, int64(10*requests))
	x.expect("b's level is what a gave", half.Level, int64(7*requests))
	x.expect("a gave it once", grant(x.report("a", policy.Report{Given: 7 * requests})).Level, int64(0))
}

func TestWhatTheDeadHeldGrowsFromThenOn(t *testing.T) {
	x := newTable(t, policy.RatePerSecond, Contract{Requests: 10, Burst: 20})
	x.wants("a")
	x.idle("a")
	x.gone["a"], x.goneSince = true, start+10_000
	x.now = start + 10_500
	x.expect("level half a second later", grant(x.wants("b")).Level, int64(5*requests))

	x = newTable(t, policy.RatePerSecond, Contract{Requests: 10, Burst: 20})
	x.wants("a")
	x.idle("a")
	x.gone["a"], x.goneSince = true, start+10_000
	x.now = start + 3_600_000
	x.expect("level an hour later", grant(x.wants("b")).Level, int64(20*requests))
}

func TestIdleShareGoesToTheOthers(t *testing.T) {
	x := newTable(t, policy.InFlight, Contract{Requests: 8})
	x.wants("a")
	x.idle("a")
	x.wants("b")
	x.idle("a")
	x.idle("a")
	x.expect("b's half", grant(x.wants("b")).Slots, int64(4))
	for x.now = start + idleAfter - 1000; x.now <= start+idleAfter+2*usedGrain; x.now += usedGrain {
		x.wants("b")
		x.idle("a")
	}
	x.idle("a")
	x.wants("b")
	at, _ := x.b.find("b")
	x.expect("b's slots", x.b.holders[at].most().size, int64(8))
	x.wants("a") // it comes back, and needs no more than any other
	x.wants("b")
	x.wants("b")
	x.expect("a's slots", grant(x.wants("a")).Slots, int64(4))
}

// traffic is proxies that ask so often in each second, and sync once in it. It
// returns how many requests each was let through in the last second.
func (x *table) traffic(seconds int, asked map[string]int64) map[string]int64 {
	admitted := map[string]int64{}
	for range seconds {
		x.now += 1000
		for _, proxy := range slices.Sorted(maps.Keys(asked)) {
			got := int64(0)
			if at, found := x.b.find(proxy); found {
				got = min(asked[proxy], x.b.holders[at].held.rate*1000/requests)
			}
			admitted[proxy] = got
			x.since = x.now - 1000
			out := x.report(proxy, policy.Report{Demand: uint64(got), Wanted: asked[proxy] > 0 && got == 0})
			for _, nudged := range append(out.Nudge, proxy) { // what they are told, they say that they have taken in
				x.report(nudged, policy.Report{})
				x.report(nudged, policy.Report{})
			}
		}
	}
	return admitted
}

// A rate follows the traffic: 429 comes when the contract is spent, and not when
// an equal part of it is.
func TestRateGoesWhereTheTrafficIs(t *testing.T) {
	x := newTable(t, policy.RatePerSecond, Contract{Requests: 100, Burst: 100})
	flood := func(a, b int64) map[string]int64 { return x.traffic(30, map[string]int64{"a": a, "b": b}) }
	for _, c := range []struct{ a, b, leastA, leastB int64 }{
		{1000, 1000, 49, 49}, // both ask for more than there is
		{1000, 0, 95, 0},
		{1, 1000, 1, 90},
		{60, 20, 60, 20},
		{1000, 30, 60, 30},
		{0, 1000, 0, 95},
		{1000, 1000, 45, 45}, // a comes back
	} {
		got := flood(c.a, c.b)
		if got["a"] < c.leastA || got["b"] < c.leastB {
			t.Errorf("asked for %d and %d, %d and %d were let through; want at least %d and %d", c.a, c.b, got["a"], got["b"], c.leastA, c.leastB)
		}
	}
}

// Traffic that is the same, as far as traffic is, moves no shares.
func TestSteadyTrafficMovesNothing(t *testing.T) {
	x := newTable(t, policy.RatePerSecond, Contract{Requests: 100, Burst: 100})
	x.traffic(30, map[string]int64{"a": 20, "b": 30})
	grants := x.epochs["a"] + x.epochs["b"]
	for i := range int64(60) {
		x.traffic(1, map[string]int64{"a": 20 + i%4, "b": 30 - i%5})
	}
	if moved := x.epochs["a"] + x.epochs["b"] - grants; moved > 4 {
		t.Errorf("shares moved %d times in a minute", moved)
	}
}

func TestScarceContractIsUsedInTurn(t *testing.T) {
	x := newTable(t, policy.RatePerMinute, Contract{Requests: 1, Burst: 1})
	had := map[string]bool{}
	for ; x.now < start+10*turn; x.now += 500 {
		for _, p := range []string{"a", "b", "c"} {
			x.wants(p)
			at, _ := x.b.find(p)
			if x.b.holders[at].held.size >= requests {
				had[p] = true
			}
		}
	}
	x.expect("how many had a turn", len(had), 3)
}

// A proxy that had a request just now takes the place of one that had none for
// half a minute.
func TestScarceContractFollowsTheRequests(t *testing.T) {
	x := newTable(t, policy.RatePerMinute, Contract{Requests: 1, Burst: 1})
	x.wants("a")
	x.idle("a")
	x.now += scarceAfter + usedGrain
	x.expect("b has to wait", x.wants("b").Starved, true)
	x.expect("a is left", grant(x.idle("a")).Burst, int64(0))
	x.report("a", policy.Report{Given: requests / 2})
	g := grant(x.wants("b"))
	x.expect("b's burst", g.Burst, int64(requests))
	x.expect("b's level", g.Level, int64(requests/2))
}

// TestTokensDieWithTheirProxy: a proxy that asks for all that it can get, and dies,
// takes no more than a tenth of the contract with it.
// A ledger that takes nothing in does not drain the contract.
func TestGrantsThatDoNotArrive(t *testing.T) {
	for _, kind := range kinds {
		x := newTable(t, kind, Contract{Requests: 1000, Burst: 1000})
		for range 100 {
			x.now += 100
			x.epochs["full"] = 0
			x.wants("full")
		}
		x.gone["full"] = true
		x.now += 1000
		x.wants("other")
		if kind.Quota() {
			tokens, _ := x.b.Granted(x.now)
			x.expect(kind.String()+" granted", tokens <= 20, true)
			continue
		}
		at, _ := x.b.find("other")
		x.expect(kind.String()+" for the other", x.b.holders[at].most().size, 1000*x.b.unit())
	}
}

func TestEndedContractIsForgotten(t *testing.T) {
	for _, kind := range kinds {
		x := newTable(t, kind, Contract{Requests: 10, Burst: 10})
		x.wants("a")
		x.report("a", policy.Report{Tokens: 2, WindowEnd: x.b.windowEnd})
		x.contract = Contract{}
		out := x.report("a", policy.Report{Tokens: 2, WindowEnd: x.b.windowEnd})
		x.expect(kind.String()+" is not forgotten while it holds something", out.Forget, false)
		x.expect(kind.String()+" is taken back", out.Grant != nil, true)
		x.expect(kind.String()+" is forgotten then", x.report("a", policy.Report{Given: 2, WindowEnd: x.b.windowEnd}).Forget, true)
		x.expect(kind.String()+" leaves nothing", x.b.Empty(), true)
		x.expect(kind.String()+" is forgotten by strangers", x.wants("b").Forget, true)
	}
}

// A stranger to rapid's world: amounts stay within what the state can hold.
// A proxy that lost its ledger gets what lies in the pool, which was full: it
// grows from then on, and not from when it became full.
func TestFullPoolDoesNotGrow(t *testing.T) {
	x := newTable(t, policy.RatePerSecond, Contract{Requests: 8, Burst: 2})
	x.wants("a")
	x.wants("b")
	x.idle("a")
	x.report("a", policy.Report{Given: requests}) // half of it is b's, which has not come
	x.now += 1000
	x.epochs["a"] = 0
	x.expect("a's level, once its ledger was lost", grant(x.wants("a")).Level, int64(requests))
	x.expect("b's level", grant(x.wants("b")).Level, int64(0))
}

// A contract that has fewer slots than proxies hold some of is kept once all
// but as many have reported, whoever's turn it is then.
func TestLoweredContractIsKeptInAnyTurn(t *testing.T) {
	x := newTable(t, policy.InFlight, Contract{Requests: 2})
	for range 4 {
		x.wants("a")
		x.wants("b")
	}
	x.contract.Requests = 1
	for _, proxy := range []string{"a", "b"} {
		for x.b.dues(x.now)[proxy].size == 0 {
			x.now += turn
		}
		x.idle(proxy)
	}
	x.idle("a")
	x.expect("slots held of one", x.b.total().size, int64(1))
}
