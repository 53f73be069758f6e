package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// judge holds everything that happened against what is promised. Its log is the report.
func (w *world) judge(t *testing.T) {
	calls, faults := w.traffic.calls, w.breaker.log()
	j := &judge{history: w.operator.history, faults: faults, arrivals: w.upstream.arrivals, outcomes: map[string]int{}, lane: map[string]map[string]int{}, leaseless: map[string]int{}}
	for _, c := range calls {
		j.look(c)
	}
	t.Logf("seed %d, %s: %d calls answered (%.0f a second), %d without an answer; %d changes of policy, of which %d asked for more than once; %d faults: %s",
		*seed, w.ended.Sub(w.began).Round(time.Second), len(calls)-j.lost-len(j.broken), float64(len(calls))/w.ended.Sub(w.began).Seconds(), j.lost,
		len(j.history), w.operator.retries, len(faults), tell(kindsOf(faults)))
	t.Logf("outcomes: %s", tell(j.outcomes))
	for _, name := range slices.Sorted(maps.Keys(j.lane)) {
		t.Logf("  %s: %s", name, tell(j.lane[name]))
	}
	t.Logf("no lease although nothing had been broken for %s: %s", reconnect, tell(j.leaseless))
	complain(t, "wrong decisions", j.wrong)
	complain(t, "decisions by a policy that is too old", j.stale)
	complain(t, "requests let through wrongly", j.bypassed)
	complain(t, "answers that nobody promised", j.broken)
	t.Logf("longest use of the policy before, in contact: %s", j.oldest.Round(time.Millisecond))
	w.judgePropagation(t)
	w.judgeContracts(t)
	w.judgeUsage(t, faults)
	w.judgeSizes(t)
}

// complain fails with how many problems there are, and shows the first.
func complain(t *testing.T, what string, problems []string) {
	t.Helper()
	t.Logf("%s: %d", what, len(problems))
	if len(problems) > 0 {
		t.Errorf("%d %s, such as\n  %s", len(problems), what, strings.Join(problems[:min(len(problems), 10)], "\n  "))
	}
}

func kindsOf(faults []fault) map[string]int {
	kinds := map[string]int{}
	for _, f := range faults {
		kinds[f.kind]++
	}
	return kinds
}

func tell(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// judgePropagation looks how soon changes were everywhere, where nothing was broken.
func (w *world) judgePropagation(t *testing.T) {
	var took []time.Duration
	for _, c := range w.operator.history {
		quiet := true
		for _, f := range w.breaker.log() {
			after := reconnect
			if f.kind == envoyKilled {
				after = silence
			}
			quiet = quiet && (f.ended.Add(after).Before(c.begun) || f.began.After(c.done.Add(promised)))
		}
		if quiet && !c.everywhere.IsZero() && c.begun.After(w.began) {
			took = append(took, c.everywhere.Sub(c.done))
		}
	}
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	at := func(part float64) time.Duration { return took[int(part*float64(len(took)-1))].Round(time.Millisecond) }
	t.Logf("changes at every proxy, of %d while nothing was broken: half within %s, 99 %% within %s, all within %s", len(took), at(0.5), at(0.99), at(1))
}

func (w *world) judgeContracts(t *testing.T) {
	all, calls, arrivals := plans(*length), w.traffic.calls, w.upstream.arrivals
	for partner, plan := range map[string]string{"flood": "tight", "minute": "slow"} {
		spans, c := admitted(calls, arrivals, partner), all[plan]
		over := overRate(spans, c)
		may := float64(c.burst) + c.rate*w.ended.Sub(w.began).Seconds()
		t.Logf("rate of %s (%g a second, burst %d): %d admitted, contract %.0f; over it in the worst interval: %.1f", partner, c.rate, c.burst, len(spans), may, over)
		if over > 0 {
			t.Errorf("%s was let through %.1f requests more than its rate allows in an interval", partner, over)
		}
	}
	n, quota := len(admitted(calls, arrivals, "budget")), all["budget"].quota
	t.Logf("quota of budget: %d admitted of %d", n, quota)
	if n > quota {
		t.Errorf("%d were admitted within a quota of %d", n, quota)
	}
	peak, slots := most(held(calls, arrivals, "slots")), all["slots"].concurrency
	t.Logf("concurrency of slots: at most %d at once of %d, %d admitted", peak, slots, len(admitted(calls, arrivals, "slots")))
	if peak > slots {
		t.Errorf("%d requests were in flight at once, and the contract has %d", peak, slots)
	}
}

func (w *world) judgeUsage(t *testing.T, faults []fault) {
	counted, err := settled(t.Context(), w.nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	e := expectUsage(w.traffic.calls, faults)
	problems, lost, more := e.compare(counted)
	sum := 0
	for _, n := range counted {
		sum += n
	}
	unknown := 0
	for _, n := range e.unknown {
		unknown += n
	}
	t.Logf("usage: %d counted, %d answered; %d of answered ones are missing (%d were answered within the last flush of a killed Envoy), %d of the %d without an answer were counted",
		sum, e.total, lost, e.risked, more, unknown)
	complain(t, "differences of usage", problems)
}

// judgeSizes looks for growth. Only a whole soak is long enough to see any.
func (w *world) judgeSizes(t *testing.T) {
	late, err := storeSize(t.Context(), w.url, database)
	if err != nil {
		t.Fatal(err)
	}
	w.judgeStore(t, late)
	if !whole() {
		return
	}
	quarter := (w.ended.Sub(w.began) - 2*time.Minute) / 4
	for _, process := range []string{"manager 2", "Envoy 2"} {
		from := w.began.Add(2*time.Minute + 20*time.Second)
		g, ok := grown(w.samples, process, from, from.Add(quarter), w.ended.Add(-quarter), w.ended)
		t.Logf("size of %s: %.1f MB after minute 2, %.1f MB in the end; goroutines %d, %d", process, float64(g.before)/1024, float64(g.after)/1024, g.threads, g.threadsTo)
		if !ok {
			t.Errorf("%s did not live from minute 2 to the end", process)
		}
		if g.after-g.before > g.before/20+2048 {
			t.Errorf("%s grew from %d kB to %d kB", process, g.before, g.after)
		}
		if g.threadsTo > g.threads+10 {
			t.Errorf("%s went from %d goroutines to %d", process, g.threads, g.threadsTo)
		}
	}
}

// judgeStore explains what is in the store by what was done.
func (w *world) judgeStore(t *testing.T, late []collection) {
	proxies := int64(w.slots[0].count() + w.slots[1].count())
	bounds := map[string]int64{
		"request": int64(len(w.traffic.calls)), // a call is logged once, or not at all
		"usage":   w.usageRows(),
		"proxy":   proxies,
		"audit":   2 * int64(len(w.operator.history)+200),
		"bucket":  200,
	}
	before := map[string]collection{}
	for _, c := range w.early {
		before[c.name] = c
	}
	for _, c := range late {
		t.Logf("store: %s: %d documents of %d bytes; after minute 2: %d", c.name, c.documents, c.perItem, before[c.name].documents)
		if most, ok := bounds[c.name]; ok && c.documents > most {
			t.Errorf("%s has %d documents, and what was done explains %d", c.name, c.documents, most)
		}
	}
}

// usageRows is how many rows of usage the calls can have made: one for each proxy, minute and kind of call.
func (w *world) usageRows() int64 {
	type row struct {
		minute      int64
		to          *edge
		cell        cell
		environment string
		operation   string
	}
	rows, lost := map[row]bool{}, int64(0)
	for _, c := range w.traffic.calls {
		if c.err != nil {
			lost++
			continue
		}
		for _, at := range []time.Time{c.sent, c.answered} {
			rows[row{at.Unix() / 60, c.to, c.cell(), c.environment, c.operation.id}] = true
		}
	}
	return int64(len(rows)) + lost
}
