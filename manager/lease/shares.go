package lease

import "github.com/partnergate/partnergate/filters/policy"

// stepShares is the step of rates and of concurrency.
func (b *Bucket) stepShares(in Input) Outcome {
	b.settle(in.Now)
	b.start(in.Contract, in.Now)
	before, pool := b.total(), b.pool
	b.removeGone(&in)
	h := b.holder(&in)
	if h == nil {
		b.resettle(before, pool, in.Now)
		return Outcome{}
	}
	if in.Report != nil {
		b.acknowledge(h, in.Report)
		if h.used(in.Report, in.Now) && b.kind.Rate() {
			h.measureRate(&in)
		}
	}
	out := Outcome{}
	if b.ended() && !h.open && (h.held == share{} && h.inFlight == 0 || h.stranger) {
		b.remove(in.Proxy)
		out.Forget = true
	} else {
		b.grantShare(h, &in, &out)
	}
	b.resettle(before, pool, in.Now)
	return out
}

func (b *Bucket) ended() bool { return b.contract == Contract{} }

// unit is the least size that admits anything.
func (b *Bucket) unit() int64 {
	if b.kind.Rate() {
		return policy.RateUnit
	}
	return 1
}

// whole is the contract as one share.
func (b *Bucket) whole() share {
	if b.kind.Rate() {
		return share{b.kind.UnitsPerMillisecond(b.contract.Requests), b.contract.Burst * policy.RateUnit}
	}
	return share{0, b.contract.Requests}
}

// start takes over the contract; the pool of a new bucket is full.
func (b *Bucket) start(c Contract, now int64) {
	if b.contract == c {
		return
	}
	fresh := b.Empty()
	b.contract = c
	b.poolAt = max(b.poolAt, now)
	if fresh && b.kind.Rate() {
		b.pool = b.whole().size
	}
}

// total is what all holders may hold together.
func (b *Bucket) total() (t share) {
	for i := range b.holders {
		m := b.holders[i].most()
		t.rate += m.rate
		t.size += m.size
	}
	return t
}

// free is what nobody may hold.
func (b *Bucket) free() share {
	w, t := b.whole(), b.total()
	return share{max(w.rate-t.rate, 0), max(w.size-t.size, 0)}
}

// settle lets the pool grow until now, by the part of the rate that nobody holds.
func (b *Bucket) settle(now int64) {
	if !b.kind.Rate() {
		return
	}
	free, elapsed := b.free(), now-b.poolAt
	missing := free.size - b.pool
	if elapsed <= 0 || missing <= 0 || free.rate == 0 {
		return
	}
	b.poolAt = now
	if elapsed > missing/free.rate {
		b.pool = free.size
	} else {
		b.pool += elapsed * free.rate
	}
}

// resettle keeps the pool within what nobody holds, and notes since when it
// grows as it does now: a pool that was full has not grown until it was taken from.
func (b *Bucket) resettle(before share, pool, now int64) {
	if !b.kind.Rate() {
		return
	}
	b.pool = min(b.pool, b.free().size)
	if b.total() != before || b.pool != pool {
		b.poolAt = max(b.poolAt, now)
	}
}

// acknowledge takes in what a proxy says of its ledger. It says so after having
// taken in the answer before: a grant that it does not acknowledge now was
// either not taken in for good, or its ledger was lost since. What came with it
// is given up, and a grant of nothing has to be acknowledged before more is given.
func (b *Bucket) acknowledge(h *holder, r *policy.Report) {
	switch {
	case r.Epoch > h.sent: // of grants that this manager knows nothing of: its store was restored
		*h = holder{proxy: h.proxy, usedAt: h.usedAt, sent: r.Epoch, stranger: true}
	case h.open && r.Epoch == h.sent:
		if !h.stranger && b.kind.Rate() {
			b.pool += min(max(r.Given, 0), h.held.size)
		}
		h.held, h.stranger = h.next, false
	case h.open:
		h.stranger = true
	}
	if r.Epoch < h.acked { // its ledger was lost
		h.held = share{}
	}
	h.acked, h.open, h.next, h.level = r.Epoch, false, share{}, 0
	if b.kind == policy.InFlight {
		h.inFlight = min(max(r.InFlight-h.held.size, 0), policy.MaxConcurrency)
	}
}

// grantShare brings a holder nearer to its due.
func (b *Bucket) grantShare(h *holder, in *Input, out *Outcome) {
	due := b.dues(in.Now)
	if next := b.towards(h, due[h.proxy]); !h.open && (h.stranger || next != h.held && !b.enough(h, next, due)) {
		b.offer(h, next)
		out.Grant = b.shareGrant(h, in.ID)
	}
	wants := in.Report == nil || in.Report.Wanted
	lacks := wants && h.most().size < b.unit() && due[h.proxy].size >= b.unit()
	out.Starved = lacks && !h.open
	out.Nudge = b.nudges(h, due, lacks)
	out.Again = h.open && (lacks || h.next.size < h.held.size && b.anyLacks(h, due))
}

// anyLacks reports whether somebody else has nothing, but a due.
func (b *Bucket) anyLacks(asks *holder, due map[string]share) bool {
	for i := range b.holders {
		if o := &b.holders[i]; o != asks && o.most().size < b.unit() && due[o.proxy].size >= b.unit() {
			return true
		}
	}
	return false
}

// towards is the share nearest to due that a holder can be given now: less at
// once, more only out of what is free.
func (b *Bucket) towards(h *holder, due share) share {
	if h.stranger || h.held.size >= b.unit() && b.crowded() {
		return share{}
	}
	free, next := b.free(), due
	if due.rate > h.held.rate {
		next.rate = h.held.rate + min(due.rate-h.held.rate, free.rate)
	}
	if due.size > h.held.size {
		more := min(due.size-h.held.size, free.size)
		next.size = h.held.size + more - more%b.unit()
	}
	if next.size < b.unit() {
		return share{} // it could admit nothing with it
	}
	return next
}

// crowded tells whether more proxies go on with a share than the contract has
// requests, as after it was lowered. Each would keep its own where it reports
// in its turn only.
func (b *Bucket) crowded() bool {
	sharing := int64(0)
	for i := range b.holders {
		has := b.holders[i].held
		if b.holders[i].open {
			has = b.holders[i].next
		}
		if has.size >= b.unit() {
			sharing++
		}
	}
	return sharing > b.whole().size/b.unit()
}

// enough tells whether a share of a rate is so near the next one that it may
// stay: what is asked for is never quite the same.
func (b *Bucket) enough(h *holder, next share, due map[string]share) bool {
	if !b.kind.Rate() || next.size < b.unit() || !near(next.rate, h.held.rate) || !near(next.size, h.held.size) {
		return false
	}
	for i := range b.holders {
		if o := &b.holders[i]; o.hungers(due[o.proxy]) {
			return false
		}
	}
	total, whole := b.total(), b.whole()
	return total.rate <= whole.rate && total.size <= whole.size
}

func near(next, held int64) bool { return max(next-held, held-next) <= held/8 }

// offer makes a grant of a share, with as many units of the pool as the burst grows by.
func (b *Bucket) offer(h *holder, next share) {
	h.nextEpoch()
	h.next = next
	if b.kind.Rate() && next.size > h.held.size {
		h.level = min(b.pool, next.size-h.held.size)
		b.pool -= h.level
	}
}

func (b *Bucket) shareGrant(h *holder, id string) *policy.Grant {
	g := &policy.Grant{ID: id, Epoch: h.sent}
	if b.kind.Rate() {
		g.Rate, g.Burst, g.Level = h.next.rate, h.next.size, h.level
	} else {
		g.Slots = h.next.size
	}
	return g
}

// nudges lists those who hold more than their due, as many as it takes to feed
// the one who asks, where that one has nothing or hungers; and those who have
// nothing and can be given something.
func (b *Bucket) nudges(asks *holder, due map[string]share, lacks bool) (list []string) {
	var missing share
	if gets, has := due[asks.proxy], asks.most(); lacks || b.kind.Rate() && asks.hungers(gets) {
		missing = share{gets.rate - has.rate, gets.size - has.size}
	}
	unit := b.unit()
	free := b.free().size
	for i := range b.holders {
		o := &b.holders[i]
		if o == asks {
			continue
		}
		has, gets := o.most(), due[o.proxy]
		over := share{has.rate - gets.rate, has.size - gets.size}
		switch {
		case over.rate > 0 && missing.rate > 0 || over.size > 0 && missing.size > 0:
			missing.rate -= over.rate
			missing.size -= over.size
			list = append(list, o.proxy)
		case !o.open && has.size < unit && gets.size >= unit && free >= unit && missing.size <= 0:
			free -= gets.size
			list = append(list, o.proxy)
		}
	}
	return list
}
