package lease

import (
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// How many tokens a proxy gets: as many as it needs for fillFor, once it has
// less than for fillBelow, so that it gets along that long without a manager. A
// proxy that has just begun gets a hundredth of the contract. None holds more
// than a tenth of what is left, since tokens die with the proxy that holds them:
// a contract that ten minutes would use up has no use for a lease of as long.
const (
	fillBelow  = 10 * 60 * 1000 // milliseconds
	fillFor    = 15 * 60 * 1000
	averaged   = 60 * 1000 // milliseconds over which demand is averaged
	demandSpan = 1_000_000 // milliseconds that demand is counted in

	firstPart = 100
	firstMost = 1000
	mostPart  = 10
	maxDemand = 1 << 30 // requests in one report

	patience = 1000 // milliseconds for a proxy to give tokens back, before another is asked too
)

// windowOf is the end of the calendar window, in UTC, that now lies in.
func windowOf(kind policy.LimitKind, now int64) int64 {
	t := time.UnixMilli(now).UTC()
	if kind == policy.QuotaPerDay {
		return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC).UnixMilli()
	}
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
}

func (b *Bucket) stepQuota(in Input) Outcome {
	b.contract = in.Contract
	b.turnWindow(in.Now)
	b.removeGone(&in)
	h := b.holder(&in)
	if h == nil {
		return Outcome{}
	}
	wanted := h.starved
	if in.Report != nil {
		b.acknowledgeTokens(h, in.Report)
		h.used(in.Report, in.Now)
		h.measure(in.Report, in.Now)
		wanted = in.Report.Wanted
	}
	h.starved = false
	sent, out := h.open, Outcome{}
	switch {
	case b.ended() && !h.open && h.tokens == 0:
		b.remove(in.Proxy)
		return Outcome{Forget: true}
	case h.open: // without a report nobody knows whether it was taken in
	case h.stranger:
		h.nextEpoch()
	case h.tokens > 0 && (h.recalledAt > 0 || b.ended()):
		h.nextEpoch()
		h.recall = true
	case !b.ended():
		b.fill(h, &in, wanted, &out)
	}
	if h.open && !sent {
		out.Grant = b.tokenGrant(h, in.ID)
		out.Again = h.recall || h.stranger && wanted
	}
	if !out.Starved {
		b.nudgeStarved(h, &out)
	}
	return out
}

// turnWindow forgets what was granted in a window that is over.
func (b *Bucket) turnWindow(now int64) {
	end := windowOf(b.kind, now)
	if end <= b.windowEnd {
		return
	}
	b.windowEnd, b.debited = end, 0
	for i := range b.holders {
		h := &b.holders[i]
		h.open, h.tokens, h.adding, h.recall, h.spent, h.recalledAt = false, 0, 0, false, false, 0
	}
}

// acknowledgeTokens takes in what a proxy says of its ledger; see acknowledge.
func (b *Bucket) acknowledgeTokens(h *holder, r *policy.Report) {
	if h.open && r.Epoch == h.sent {
		if h.recall {
			b.debited -= min(max(r.Given, 0), h.tokens, b.debited)
		}
		h.stranger = false
	} else {
		h.stranger = h.open
	}
	h.sent, h.acked = max(h.sent, r.Epoch), r.Epoch
	h.open, h.recall, h.spent, h.adding, h.tokens = false, false, false, 0, 0
	if r.WindowEnd == b.windowEnd {
		h.tokens = min(max(r.Tokens, 0), policy.MaxQuota)
	}
	if h.tokens == 0 {
		h.recalledAt = 0
	}
}

// measure averages how much is asked for.
func (h *holder) measure(r *policy.Report, now int64) {
	if r.Demand == 0 {
		return
	}
	elapsed := min(max(now-h.demandAt, 1), 100*averaged)
	h.demand = (h.demand*averaged + int64(min(r.Demand, maxDemand))*demandSpan) / (averaged + elapsed)
	h.demandAt = now
}

// needs is how many tokens are needed for so long.
func (h *holder) needs(milliseconds int64) int64 {
	return h.demand * milliseconds / demandSpan
}

func (b *Bucket) left() int64 { return max(b.contract.Requests-b.debited, 0) }

// fill grants tokens where they are needed and left, and calls others' back
// where they are needed and not left.
func (b *Bucket) fill(h *holder, in *Input, wanted bool, out *Outcome) {
	if !wanted && (h.tokens >= h.needs(fillBelow) || b.othersStarve(h)) {
		return
	}
	first := min(max(b.contract.Requests/firstPart, 1), firstMost)
	enough := max(h.needs(fillFor), first)
	enough = min(enough, max(first, (b.left()+h.tokens+mostPart-1)/mostPart))
	if in.Report != nil {
		enough = max(enough, 2*int64(min(in.Report.Demand, maxDemand)))
	}
	users := max(int64(len(b.users(in.Now-idleAfter))), 1)
	tokens := min(enough-h.tokens, (b.left()+users-1)/users)
	switch {
	case tokens > 0:
		h.nextEpoch()
		h.adding = tokens
		h.tokens += tokens
		b.debited += tokens
	case !wanted || h.tokens > 0:
	case b.callBack(h, in.Now, out):
		h.starved, out.Starved = true, true
	default:
		h.nextEpoch()
		h.spent = true
	}
}

func (b *Bucket) othersStarve(h *holder) bool {
	for i := range b.holders {
		if o := &b.holders[i]; o != h && o.starved {
			return true
		}
	}
	return false
}

// callBack asks the one who holds most for its tokens, and the next one only
// where that one lets us wait; false where nobody holds any.
func (b *Bucket) callBack(asks *holder, now int64, out *Outcome) bool {
	var richest, asked *holder
	for i := range b.holders {
		o := &b.holders[i]
		switch {
		case o == asks || o.tokens == 0:
		case o.recalledAt > 0 && (asked == nil || o.recalledAt > asked.recalledAt):
			asked = o
		case o.recalledAt == 0 && (richest == nil || o.tokens > richest.tokens):
			richest = o
		}
	}
	if richest != nil && (asked == nil || now-asked.recalledAt >= patience) {
		richest.recalledAt, asked = now, richest
	}
	if asked == nil {
		return false
	}
	out.Nudge = append(out.Nudge, asked.proxy)
	return true
}

// nudgeStarved wakes who waited for tokens, now that some are left or nobody has any.
func (b *Bucket) nudgeStarved(asks *holder, out *Outcome) {
	for i := range b.holders {
		if o := &b.holders[i]; o != asks && o.starved && b.left() > 0 {
			out.Nudge = append(out.Nudge, o.proxy)
		}
	}
}

func (b *Bucket) tokenGrant(h *holder, id string) *policy.Grant {
	return &policy.Grant{
		ID: id, Epoch: h.sent, Tokens: h.adding, Recall: h.recall, WindowEnd: b.windowEnd, Left: b.left(), Spent: h.spent,
	}
}
