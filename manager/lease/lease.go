// Package lease decides how the manager shares contracts among proxy
// processes: pure steps on the state of one bucket, without clock or I/O.
//
// The promise: for any number of proxies, and whatever crashes, repeats or gets
// lost, never is more admitted than the contract says. It holds because the
// manager counts as held what a proxy may hold at most: what it acknowledged,
// and what is on its way to it. Only what is then left of the contract is
// granted, so that somebody's share grows only after another's has shrunk, with
// an acknowledgement, or was given up, after the proxy has been silent for too
// long. The one exception is a proxy that goes on although the manager took it
// for gone: it keeps its share until it is heard from again.
//
// A proxy gets at most one grant of a bucket at a time. Its report on the bucket
// after that either acknowledges the grant or says that it was not taken in: so
// it must take in the whole answer before it makes its next report.
package lease

import (
	"cmp"
	"slices"

	"github.com/partnergate/partnergate/filters/policy"
)

// Contract is what a bucket holds. The zero Contract has ended: everything is
// wanted back.
type Contract struct {
	Requests int64 // of a rate per second, minute or hour; of a quota per window; in flight
	Burst    int64 // requests; rates only
}

// Input is what a step decides on.
type Input struct {
	ID       string // the bucket's
	Now      int64  // Unix milliseconds
	Contract Contract
	Proxy    string         // who asks
	Report   *policy.Report // what it says of the bucket; nil where it says nothing new
	Since    int64          // when it made its batch before, Unix milliseconds; 0 for never
	// Gone tells since when a proxy counts as gone, in Unix milliseconds, if it
	// does. What it holds is given on. The one who asks is not gone.
	Gone func(proxy string) (since int64, gone bool)
}

// Outcome is what a step answers. The state of the bucket, which the step
// changed, has to be stored before the answer leaves.
type Outcome struct {
	Grant  *policy.Grant // for the one who asks; nil for none
	Forget bool          // the one who asks is to forget the bucket
	// Starved says that it wants something and gets nothing before others have
	// given something back.
	Starved bool
	// Again says that others wait for the one who asks to acknowledge its grant.
	Again bool
	// Nudge lists the others that are to sync soon: they have to give something
	// back, or can now be given what they wait for.
	Nudge []string
}

// A share of a contract that nobody has used for so long goes to the others.
const idleAfter = 10 * 60 * 1000 // milliseconds

// Bucket is the state of one bucket.
type Bucket struct {
	kind     policy.LimitKind
	contract Contract // of the last step
	holders  []holder // by proxy

	// Rates: units that nobody holds, and since when they grow.
	pool, poolAt int64
	// Quotas: the end of the window, and the tokens granted in it and not returned.
	windowEnd, debited int64
}

// holder is one proxy.
type holder struct {
	proxy  string
	usedAt int64  // when a request last asked for the bucket, to within usedGrain
	sent   uint64 // epoch of the last grant
	acked  uint64 // epoch that it last reported
	// open says that the grant of epoch sent is not acknowledged: it may have
	// been taken in, or be so any time.
	open bool
	// stranger marks a proxy whose ledger may hold what is not counted here:
	// its share was given on while it was silent, or a grant did not arrive.
	// What it gives back then is not counted, and nothing is given before it
	// has acknowledged a grant of nothing.
	stranger bool

	// Rates and concurrency.
	held, next share // acknowledged; in the open grant
	level      int64 // units in the open grant
	inFlight   int64 // requests in flight beyond held.size

	demand int64 // requests in 1,000,000 ms, averaged; rates and quotas

	// Quotas.
	tokens     int64 // at most so many unspent, those in the open grant included
	adding     int64 // tokens in the open grant
	recall     bool  // the open grant takes tokens back
	spent      bool  // the open grant says that nothing is left
	recalledAt int64 // since when others want its tokens; 0 where they do not
	starved    bool  // it wants tokens and got none
	demandAt   int64 // when demand was reported
}

// share is a part of a rate (units a millisecond, and burst in units) or of a
// concurrency (size alone, in requests).
type share struct{ rate, size int64 }

// most is an upper bound of a holder's share.
func (h *holder) most() share {
	m := h.held
	if h.open {
		m.rate, m.size = max(m.rate, h.next.rate), max(m.size, h.next.size)
	}
	m.size = max(m.size, h.held.size+h.inFlight)
	return m
}

// New makes the bucket of a limit that nobody has asked for yet.
func New(kind policy.LimitKind) *Bucket { return &Bucket{kind: kind} }

// Empty reports whether there is nothing to be stored.
func (b *Bucket) Empty() bool {
	return len(b.holders) == 0 && b.contract == Contract{}
}

// Granted is how many tokens of a quota are granted in the window that now lies
// in, and when that ends, in Unix milliseconds.
func (b *Bucket) Granted(now int64) (tokens, windowEnd int64) {
	if end := windowOf(b.kind, now); b.windowEnd < end {
		return 0, end
	}
	return b.debited, b.windowEnd
}

// Spent is how many tokens of a quota are spent in the window that now lies in,
// as far as proxies have told, and when that ends: those granted, less what their
// holders had left when they last reported, or are being sent. What a proxy held
// that is gone counts as spent.
func (b *Bucket) Spent(now int64, gone func(proxy string) bool) (tokens, windowEnd int64) {
	granted, windowEnd := b.Granted(now)
	unspent := int64(0)
	for i := range b.holders {
		if h := &b.holders[i]; h.tokens > 0 && unspent < granted && !gone(h.proxy) {
			unspent += min(h.tokens, granted-unspent)
		}
	}
	return granted - unspent, windowEnd
}

// Step takes in what one proxy reports, and decides what it gets.
func (b *Bucket) Step(in Input) Outcome {
	if b.kind.Quota() {
		return b.stepQuota(in)
	}
	return b.stepShares(in)
}

func (b *Bucket) find(proxy string) (at int, found bool) {
	return slices.BinarySearchFunc(b.holders, proxy, func(h holder, p string) int { return cmp.Compare(h.proxy, p) })
}

// holder returns the one who asks, made where it reports for the first time;
// nil where it holds nothing and says nothing.
func (b *Bucket) holder(in *Input) *holder {
	at, found := b.find(in.Proxy)
	if !found {
		if in.Report == nil {
			return nil
		}
		b.holders = slices.Insert(b.holders, at, holder{
			proxy: in.Proxy, sent: in.Report.Epoch, acked: in.Report.Epoch, stranger: in.Report.Epoch > 0,
		})
	}
	return &b.holders[at]
}

func (b *Bucket) remove(proxy string) {
	if at, found := b.find(proxy); found {
		b.holders = slices.Delete(b.holders, at, at+1)
	}
}

// removeGone gives up what proxies hold that are gone. What a rate of theirs has
// given since then is nobody's; what they had before counts as spent.
func (b *Bucket) removeGone(in *Input) {
	b.holders = slices.DeleteFunc(b.holders, func(h holder) bool {
		if h.proxy == in.Proxy {
			return false
		}
		since, gone := in.Gone(h.proxy)
		if m := h.most(); gone && b.kind.Rate() && m.rate > 0 {
			b.pool += min(m.size/m.rate, max(in.Now-since, 0)) * m.rate
		}
		return gone
	})
}

// usedGrain keeps a bucket's state from changing with every report.
const usedGrain = 5_000 // milliseconds

// used notes that a request has asked for the bucket, and reports whether it did.
func (h *holder) used(r *policy.Report, now int64) bool {
	if !r.Wanted && r.Demand == 0 && r.InFlight == 0 || now-h.usedAt < usedGrain {
		return false
	}
	h.usedAt = now
	return true
}

func (h *holder) usedSince(t int64) bool { return h.usedAt > t }

// nextEpoch is higher than all that the proxy may have seen.
func (h *holder) nextEpoch() uint64 {
	h.sent = max(h.sent, h.acked) + 1
	h.open = true
	return h.sent
}
