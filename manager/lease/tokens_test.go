package lease

import (
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"pgregory.net/rapid"
)

func TestTokensGrowWithDemand(t *testing.T) {
	x := newTable(t, policy.QuotaPerMonth, Contract{Requests: 10_000_000})
	first := grant(x.wants("a"))
	x.expect("the first tokens", first.Tokens, int64(1000))
	x.expect("the window's end", first.WindowEnd, windowOf(policy.QuotaPerMonth, start))
	x.expect("left", first.Left, int64(10_000_000-1000))
	tokens := first.Tokens
	for range 300 { // five minutes of 100 requests a second
		x.now += 1000
		tokens -= 100
		g := grant(x.report("a", policy.Report{Demand: 100, Tokens: tokens, WindowEnd: x.b.windowEnd, Wanted: tokens < 100}))
		tokens += g.Tokens
	}
	if tokens < 10*60*100*95/100 || tokens > 16*60*100 {
		t.Errorf("after five minutes of demand the proxy holds %d tokens, want those of ten to fifteen minutes", tokens)
	}
}

func TestTokensDieWithTheirProxy(t *testing.T) {
	x := newTable(t, policy.QuotaPerMonth, Contract{Requests: 600})
	tokens := grant(x.wants("a")).Tokens
	for range 60 { // a minute of a request a second
		x.now += 1000
		tokens--
		tokens += grant(x.report("a", policy.Report{Demand: 1, Tokens: tokens, WindowEnd: x.b.windowEnd, Wanted: tokens < 10})).Tokens
	}
	if tokens < 40 || tokens > 60 {
		t.Errorf("the proxy holds %d tokens of 600, want about a tenth of what is left", tokens)
	}
}

func TestTokensAreCalledBack(t *testing.T) {
	x := newTable(t, policy.QuotaPerDay, Contract{Requests: 100})
	x.expect("a gets what it asks for twice", grant(x.report("a", policy.Report{Wanted: true, Demand: 200})).Tokens, int64(100))
	held := policy.Report{Tokens: 90, WindowEnd: x.b.windowEnd}
	x.report("a", held)
	out := x.wants("b")
	x.expect("b waits", out.Starved, true)
	x.expect("who is nudged", len(out.Nudge) == 1 && out.Nudge[0] == "a", true)

	recall := grant(x.report("a", held))
	x.expect("a is to give back", recall.Recall, true)
	x.expect("nothing is left yet", x.wants("b").Starved, true)
	out = x.report("a", policy.Report{Given: 80, WindowEnd: x.b.windowEnd})
	x.expect("b is nudged", len(out.Nudge) == 1 && out.Nudge[0] == "b", true)
	x.report("a", policy.Report{Given: 80, WindowEnd: x.b.windowEnd})
	tokens, _ := x.b.Granted(x.now)
	x.expect("granted, once given back", tokens, int64(20))
	g := grant(x.wants("b"))
	x.expect("b gets tokens", g.Tokens > 0, true)
	x.expect("all that was given back is b's or left", g.Tokens+g.Left, int64(80))
}

func TestSpentQuotaSaysSo(t *testing.T) {
	x := newTable(t, policy.QuotaPerDay, Contract{Requests: 1})
	x.wants("a")
	x.expect("b waits while a has one", x.wants("b").Starved, true)
	x.idle("a") // spent
	spent := grant(x.wants("b"))
	x.expect("b is told", spent.Spent && spent.Tokens == 0 && spent.WindowEnd == x.b.windowEnd, true)
	x.contract.Requests = 3
	x.expect("a raised contract", grant(x.wants("b")).Tokens, int64(1))
	x.contract.Requests = 1
	x.expect("a lowered one", grant(x.wants("a")).Tokens, int64(0))
	x.now = x.b.windowEnd
	x.expect("the next window", grant(x.wants("a")).Tokens, int64(1))
	x.gone["a"] = true
	x.expect("tokens of the dead stay debited", grant(x.wants("b")).Spent, true)
}

// spent is what the bucket tells to be spent.
func (x *table) spent() int64 {
	tokens, _ := x.b.Spent(x.now, func(p string) bool { return x.gone[p] })
	return tokens
}

func TestWhatHoldersHaveLeftIsNotSpent(t *testing.T) {
	x := newTable(t, policy.QuotaPerDay, Contract{Requests: 10_000})
	x.expect("before anything", x.spent(), int64(0))
	got := grant(x.wants("a")).Tokens
	x.expect("granted, not spent", x.spent(), int64(0))
	x.report("a", policy.Report{Tokens: got - 51, WindowEnd: x.b.windowEnd})
	x.expect("as reported", x.spent(), int64(51))

	more := grant(x.wants("b")).Tokens
	x.report("b", policy.Report{Tokens: more - 9, WindowEnd: x.b.windowEnd})
	x.expect("of two", x.spent(), int64(51+9))
	before := x.b.Append(nil)
	x.gone["a"] = true
	x.expect("what a gone one held is spent", x.spent(), got+9)
	x.expect("telling changes nothing", string(x.b.Append(nil)), string(before))
	x.report("b", policy.Report{Tokens: more - 9, WindowEnd: x.b.windowEnd})
	x.expect("given up", x.spent(), got+9)

	x.gone["a"] = false // it was only silent, and has spent one since
	x.report("a", policy.Report{Tokens: got - 52, WindowEnd: x.b.windowEnd})
	x.expect("it is there after all", x.spent(), int64(52+9))

	x.b.debited = 20 // of an older backup, which knows less to be granted than is held
	x.expect("no less than nothing", x.spent(), int64(0))
	x.now = x.b.windowEnd
	tokens, end := x.b.Spent(x.now, func(string) bool { return false })
	x.expect("in the next window", tokens, int64(0))
	x.expect("its end", end, windowOf(policy.QuotaPerDay, x.now))
}

func TestWhatIsGivenBackIsNotSpent(t *testing.T) {
	x := newTable(t, policy.QuotaPerDay, Contract{Requests: 100})
	x.report("a", policy.Report{Wanted: true, Demand: 200})
	held := policy.Report{Tokens: 90, WindowEnd: x.b.windowEnd}
	x.report("a", held)
	x.expect("before", x.spent(), int64(10))
	x.wants("b")
	x.report("a", held)
	x.expect("called back", x.spent(), int64(10))
	x.report("a", policy.Report{Given: 80, WindowEnd: x.b.windowEnd})
	x.expect("given back, less ten spent meanwhile", x.spent(), int64(20))
}

// Whatever happened before, once all is calm no less is told to be spent than
// was admitted: nothing that is gone is shown as left.
func TestSpentIsNeverTooLittle(t *testing.T) {
	for _, kind := range []policy.LimitKind{policy.QuotaPerDay, policy.QuotaPerMonth} {
		t.Run(kind.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t, kind, someContract(t))
				w.add()
				for range rapid.IntRange(1, 100).Draw(t, "steps") {
					w.happen()
				}
				w.batches = nil
				w.quiet(silent + 4000)
				w.spentIsTold()
			})
		})
	}
}

// spentIsTold compares what is told with what was admitted in the window.
func (w *world) spentIsTold() {
	if w.state == nil {
		return // nobody has asked for anything
	}
	b, err := Decode(w.kind, w.state)
	if err != nil {
		w.t.Fatal(err)
	}
	told, end := b.Spent(w.now, func(id string) bool { return !w.live(w.proxies[id]) })
	admitted := int64(0)
	for _, at := range w.admitted {
		if windowOf(w.kind, at) == end {
			admitted++
		}
	}
	if granted, _ := b.Granted(w.now); told < admitted || told > granted {
		w.t.Fatalf("%d are told to be spent of %d granted, %d were admitted", told, granted, admitted)
	}
}
