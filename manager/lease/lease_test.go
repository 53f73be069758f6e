package lease

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"pgregory.net/rapid"
)

var kinds = []policy.LimitKind{policy.RatePerSecond, policy.RatePerMinute, policy.RatePerHour, policy.QuotaPerDay, policy.QuotaPerMonth, policy.InFlight}

func someContract(t *rapid.T) Contract {
	return Contract{Requests: rapid.Int64Range(1, 30).Draw(t, "requests"), Burst: rapid.Int64Range(1, 20).Draw(t, "burst")}
}

// happenings are what befalls a world, each as often as it is listed.
var happenings = []string{
	"request", "request", "request", "request", "request", "send", "sync", "sync", "sync", "wait", "wait",
	"deliver", "deliver", "lose answer", "drop", "finish",
	"seldom silence", "seldom crash", "seldom add", "seldom change contract", "seldom restart manager", "seldom lose ledger",
}

func (w *world) happen() {
	name, seldom := strings.CutPrefix(rapid.SampledFrom(happenings).Draw(w.t, "happening"), "seldom ")
	if seldom && rapid.SampledFrom([]bool{true, true, false}).Draw(w.t, "not now") {
		return
	}
	switch name {
	case "request":
		w.request(w.some())
	case "send":
		w.send(w.some())
	case "sync":
		w.sync(w.some())
	case "wait":
		w.pass(rapid.Int64Range(0, 3000).Draw(w.t, "ms"))
	case "deliver":
		w.deliverSome(true)
	case "lose answer":
		w.deliverSome(false)
	case "drop":
		w.dropSome()
	case "finish":
		w.finish(w.some())
	case "silence":
		w.pass(rapid.Int64Range(0, 40_000).Draw(w.t, "ms"))
	case "crash":
		w.crash(w.some())
		w.add()
	case "add":
		w.add()
	case "change contract":
		w.setContract(someContract(w.t))
	case "restart manager":
		w.restart()
	case "lose ledger":
		w.lose(w.some())
	}
}

func (w *world) pick() (*batch, int) {
	if len(w.batches) == 0 {
		return nil, 0
	}
	at := rapid.IntRange(0, len(w.batches)-1).Draw(w.t, "batch")
	return w.batches[at], at
}

// deliverSome delivers a batch, which may come again.
func (w *world) deliverSome(answer bool) {
	b, at := w.pick()
	if b == nil {
		return
	}
	w.deliver(b, answer)
	if rapid.Bool().Draw(w.t, "only once") {
		w.batches = append(w.batches[:at], w.batches[at+1:]...)
	}
}

func (w *world) dropSome() {
	if b, at := w.pick(); b != nil {
		w.batches = append(w.batches[:at], w.batches[at+1:]...)
	}
}

// finish ends a request in flight.
func (w *world) finish(p *proxy) {
	if p.inFlight > 0 {
		p.inFlight--
		p.ledger.Release([]uint64{p.bucket.Key}, 0)
	}
}

// lose empties a proxy's ledger, as when a host drops shared data. What it has
// in flight then ends uncounted.
func (w *world) lose(p *proxy) {
	if w.kind != policy.InFlight {
		p.ledger = nil
	}
}

func TestContractHoldsWhateverHappens(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t, kind, someContract(t))
				for range rapid.IntRange(1, 4).Draw(t, "proxies") {
					w.add()
				}
				for range rapid.IntRange(1, 300).Draw(t, "steps") {
					w.happen()
				}
				w.holds()
			})
		})
	}
	reliability.Record(t, reliability.Row{
		Fault:    "anything at all happens to leases",
		Done:     "generated runs: proxies crash, fall silent and lose their ledgers; batches come twice, late or never, answers are lost; managers restart, contracts change",
		Promised: "never a request over a contract",
		Seen:     "no run found that breaks it",
	})
}

// quiet lets all proxies sync every second, with a request each, as long as it takes.
func (w *world) quiet(milliseconds int64) {
	for end := w.now + milliseconds; w.now < end; w.pass(1000) {
		for _, p := range w.alive() {
			w.request(p)
			w.sync(p)
			w.finish(p)
		}
	}
}

// The pieces of a contract are put together again once all is calm: within the
// 15 seconds after which the dead are gone, and a sync.
func TestLiveProxiesGetTheWholeContract(t *testing.T) {
	for _, kind := range []policy.LimitKind{policy.RatePerSecond, policy.RatePerMinute, policy.InFlight} {
		t.Run(kind.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t, kind, someContract(t))
				w.add()
				for range rapid.IntRange(0, 100).Draw(t, "steps") {
					w.happen()
				}
				w.batches = nil
				for _, p := range w.alive() {
					for p.inFlight > 0 {
						w.finish(p)
					}
				}
				w.quiet(silent + 4000)
				for range 3 { // what was given back is given on
					for _, p := range w.alive() {
						w.sync(p)
					}
				}
				w.wholeIsShared()
			})
		})
	}
}

// wholeIsShared checks that little of a rate lies idle and no slot, and that
// slots are shared equally where there are enough for all.
func (w *world) wholeIsShared() {
	b, err := Decode(w.kind, w.state)
	if err != nil {
		w.t.Fatal(err)
	}
	alive, unit := w.alive(), b.unit()
	whole := b.whole()
	if whole.size/unit < int64(len(alive)) {
		return // they take turns
	}
	if free := b.free(); free.rate > whole.rate/8 || free.size > whole.size/8 {
		w.t.Fatalf("of the contract %+v nobody has %+v: %+v", w.contract, free, b.holders)
	}
	for _, p := range alive {
		at, found := b.find(p.id)
		if !found {
			w.t.Fatalf("%s holds nothing", p.id)
		}
		held, least, most := b.holders[at].held, whole.size/unit/int64(len(alive))*unit, whole.size
		if w.kind == policy.InFlight {
			most = least + unit
		} else {
			least = unit
		}
		if held.size < least || held.size > most {
			w.t.Fatalf("%s has %d of %d among %d", p.id, held.size/unit, whole.size/unit, len(alive))
		}
	}
}
