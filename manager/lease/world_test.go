package lease

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/partnergate/partnergate/filters/policy"
	"pgregory.net/rapid"
)

const (
	silent  = 15_000           // milliseconds after which a proxy is gone
	settled = 2*silent + 5_000 // after which nobody goes by an older contract any more
	start   = 1_780_000_000_000
)

// world is a manager and its proxies, with all that can go wrong between them.
// The proxies are real ledgers.
type world struct {
	t    *rapid.T
	kind policy.LimitKind
	id   string
	now  int64

	contract Contract
	since    []dated // contracts by time

	state   []byte            // of the bucket, as stored
	started int64             // when the manager was
	proxies map[string]*proxy // the dead ones too
	batches []*batch          // on their way, of proxies alive or dead
	made    int

	admitted []int64 // times
}

// dated is a contract, and from when until when proxies heard of it.
type dated struct {
	at, until int64
	Contract
}

const forever = int64(1) << 62

// proxy is one proxy process, and what the manager stored of it.
type proxy struct {
	id       string
	ledger   policy.Ledger
	bucket   policy.Bucket
	sequence uint64
	open     *batch
	waiting  bool
	cut      bool // gone in the manager's eyes: what it takes before it is heard from is no breach
	inFlight int
	dead     bool

	stored   uint64
	reply    []policy.Grant
	forget   bool
	lastSync int64
	since    int64 // the sync before
}

type batch struct {
	from     *proxy
	sequence uint64
	reports  []policy.Report
	fresh    bool // processed after the proxy was gone
}

func newWorld(t *rapid.T, kind policy.LimitKind, c Contract) *world {
	w := &world{t: t, kind: kind, id: "acme/sub/limit/" + kind.String(), now: start, proxies: map[string]*proxy{}, started: start - silent}
	w.setContract(c)
	return w
}

func (w *world) setContract(c Contract) {
	w.contract = c
	if last := len(w.since) - 1; last >= 0 {
		w.since[last].until = w.now
	}
	w.since = append(w.since, dated{w.now, forever, c})
}

// restart makes a manager that takes nobody for gone yet: who was last heard of
// under an older contract goes by that one until it is heard of again.
func (w *world) restart() {
	w.started = w.now
	heard := w.now
	for _, p := range w.alive() {
		heard = min(heard, p.lastSync)
	}
	for i := range w.since {
		if d := &w.since[i]; d.until >= heard {
			d.until = max(d.until, w.now)
		}
	}
}

func (w *world) add() *proxy {
	w.made++
	p := &proxy{id: fmt.Sprintf("p%03d", w.made), lastSync: w.now}
	p.bucket = policy.Bucket{Limit: policy.Limit{Name: "limit", Kind: w.kind}, Key: policy.BucketKey(w.id)}
	w.proxies[p.id] = p
	return p
}

func (w *world) some() *proxy {
	alive := w.alive()
	return alive[rapid.IntRange(0, len(alive)-1).Draw(w.t, "proxy")]
}

func (w *world) alive() (list []*proxy) {
	for _, id := range slices.Sorted(maps.Keys(w.proxies)) {
		if p := w.proxies[id]; !p.dead {
			list = append(list, p)
		}
	}
	return list
}

// request asks a proxy to admit one.
func (w *world) request(p *proxy) bool {
	if p.cut {
		return false
	}
	v := p.ledger.Take([]policy.Bucket{p.bucket}, w.now, 1)
	p.waiting = p.waiting || v.Code == policy.Undecided
	if v.Code != policy.Admitted {
		return false
	}
	w.admitted = append(w.admitted, w.now)
	p.inFlight++
	w.slotsHold()
	return true
}

// pass lets time pass. Proxies that the manager now takes for gone are cut off.
func (w *world) pass(milliseconds int64) {
	w.now += milliseconds
	for _, p := range w.alive() {
		if w.live(p) {
			continue
		}
		p.cut = true
		if p.open != nil {
			p.open.fresh = false
		}
		for ; p.inFlight > 0; p.inFlight-- {
			p.ledger.Release([]uint64{p.bucket.Key}, 0)
		}
	}
}

func (w *world) live(p *proxy) bool { return w.now-max(p.lastSync, w.started) < silent }

// send makes the proxy's next batch, or sends the unanswered one again.
func (w *world) send(p *proxy) *batch {
	if p.open != nil {
		w.batches = append(w.batches, p.open)
		return p.open
	}
	p.sequence++
	b := &batch{from: p, sequence: p.sequence}
	b.reports, _ = p.ledger.Report(nil, w.now)
	if len(b.reports) == 0 && p.waiting {
		b.reports = []policy.Report{{ID: w.id}}
	}
	for i := range b.reports {
		b.reports[i].Wanted = p.waiting
		if p.waiting {
			b.reports[i].Demand++
		}
	}
	p.waiting, p.open = false, b
	w.batches = append(w.batches, b)
	return b
}

// receive is the manager's Sync; it returns the answer.
func (w *world) receive(b *batch) ([]policy.Grant, bool) {
	p := b.from
	if b.sequence < p.stored {
		return nil, false
	}
	if b.sequence == p.stored && !b.fresh {
		p.reply, p.forget = nil, false // what it was granted has been given on
	}
	if b.sequence > p.stored {
		b.fresh = true
		p.stored, p.since, p.lastSync = b.sequence, p.lastSync, w.now
		p.reply, p.forget = nil, false
		if len(b.reports) == 0 {
			w.step(p, nil)
		}
		for i := range b.reports {
			w.step(p, &b.reports[i])
		}
	}
	return p.reply, p.forget
}

func (w *world) step(p *proxy, r *policy.Report) Outcome {
	bucket := New(w.kind)
	if w.state != nil {
		var err error
		if bucket, err = Decode(w.kind, w.state); err != nil {
			w.t.Fatal(err)
		}
	}
	out := bucket.Step(Input{ID: w.id, Now: w.now, Contract: w.contract, Proxy: p.id, Report: r, Since: p.since, Gone: func(id string) (int64, bool) {
		if id == p.id {
			w.t.Fatal("the one who asks is not gone")
		}
		other := w.proxies[id]
		return max(other.lastSync, w.started) + silent, !w.live(other)
	}})
	w.state = bucket.Append(nil)
	if again, err := Decode(w.kind, w.state); err != nil || !bytes.Equal(again.Append(nil), w.state) {
		w.t.Fatalf("state %x does not survive encoding: %v", w.state, err)
	}
	if out.Grant != nil {
		p.reply = append(p.reply, *out.Grant)
	}
	p.forget = p.forget || out.Forget
	return out
}

func (w *world) deliver(b *batch, answer bool) {
	grants, forget := w.receive(b)
	p := b.from
	if !answer || p.open != b || p.dead {
		return
	}
	p.open = nil
	for i := range grants {
		p.ledger, _ = p.ledger.Apply(&grants[i], w.now, 1)
	}
	if forget {
		p.ledger, _ = p.ledger.Forget(w.id)
	}
	if b.fresh && w.live(p) {
		p.cut = false
	}
}

// sync is a whole round trip.
func (w *world) sync(p *proxy) {
	b := w.send(p)
	w.batches = w.batches[:len(w.batches)-1]
	w.deliver(b, true)
}

// crash ends a proxy and all requests that it has in flight.
func (w *world) crash(p *proxy) { p.dead, p.inFlight = true, 0 }

// most is the largest contract that somebody may have gone by in [from, to].
func (w *world) most(from, to int64) (c Contract) {
	for _, d := range w.since {
		if d.at <= to && d.until >= from-settled {
			c.Requests, c.Burst = max(c.Requests, d.Requests), max(c.Burst, d.Burst)
		}
	}
	return c
}

// holds checks the promise.
func (w *world) holds() {
	switch {
	case w.kind.Rate():
		w.rateHolds()
	case w.kind.Quota():
		w.quotaHolds()
	}
}

// rateHolds looks at every pair of admissions.
func (w *world) rateHolds() {
	for i := range w.admitted {
		for j := i; j < len(w.admitted); j++ {
			c, elapsed := w.most(w.admitted[i], w.admitted[j]), w.admitted[j]-w.admitted[i]
			allowed := c.Burst*policy.RateUnit + w.kind.UnitsPerMillisecond(c.Requests)*elapsed
			if n := j - i + 1; int64(n)*policy.RateUnit > allowed {
				w.t.Fatalf("%d requests in %d ms, with a contract of %d and burst %d", n, elapsed, c.Requests, c.Burst)
			}
		}
	}
}

// quotaHolds looks at every window.
func (w *world) quotaHolds() {
	windows := map[int64]int64{}
	for _, at := range w.admitted {
		windows[windowOf(w.kind, at)]++
	}
	for end, n := range windows {
		if c := w.most(end-31*24*3_600_000, end); n > c.Requests {
			w.t.Fatalf("%d requests in the window to %d, with a contract of %d", n, end, c.Requests)
		}
	}
}

// slotsHold looks at what is in flight when a request is admitted.
func (w *world) slotsHold() {
	n := int64(0)
	for _, p := range w.alive() {
		n += int64(p.inFlight)
	}
	if c := w.most(w.now, w.now); w.kind == policy.InFlight && n > c.Requests {
		w.t.Fatalf("%d requests in flight, with a contract of %d", n, c.Requests)
	}
}
