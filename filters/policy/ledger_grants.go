package policy

import "math/bits"

// Apply takes a grant in, unless its epoch was taken in already, and returns the
// ledger, which has moved where an entry had to be made.
func (l Ledger) Apply(g *Grant, now int64, policyVersion uint64) (ledger Ledger, applied bool) {
	id, ok := ParseBucketID(g.ID)
	if !ok {
		return l, false
	}
	e := l.entry(BucketKey(g.ID))
	if e == nil {
		if l, e = l.add(g.ID, id.Kind); e == nil {
			return l, false
		}
	}
	if g.Epoch <= uint64(e.get(entryEpoch)) {
		return l, false
	}
	e.set(entryEpoch, int64(g.Epoch))
	switch {
	case id.Kind.Rate():
		e.applyRate(g, now)
	case id.Kind.Quota():
		e.applyQuota(g, now, policyVersion)
	default:
		e.set(entrySlots, max(g.Slots, 0))
	}
	return l, true
}

// add makes room for a bucket; e is nil where the ledger is full.
func (l Ledger) add(id string, kind LimitKind) (Ledger, entry) {
	size := entryHead + len(id)
	if l.entries() == nil {
		l = append(l[:0], ledgerMagic...)
	}
	if len(l)+size > MaxLedger {
		return l, nil
	}
	at := len(l)
	l = append(l, make([]byte, entryHead)...)
	l = append(l, id...)
	e := entry(l[at:])
	e[0], e[1] = byte(size), byte(size>>8)
	e[entryKind] = byte(kind)
	e.set(entryKey, int64(BucketKey(id)))
	if kind == InFlight {
		e.set(entryInFlight, l.held(BucketKey(id))) // it was forgotten while requests were in flight
	}
	return l, e
}

// applyRate gives back the part of the level that the burst shrinks by, and
// adds what came with the grant.
func (e entry) applyRate(g *Grant, now int64) {
	e.refill(now)
	if e.get(entryAt) == 0 {
		e.set(entryAt, now)
	}
	level, burst := e.get(entryLevel), e.get(entryBurst)
	kept := level
	if g.Burst < burst {
		kept = scale(level, g.Burst, burst)
	}
	e.set(entryGiven, level-kept)
	e.set(entryRate, max(g.Rate, 0))
	e.set(entryBurst, max(g.Burst, 0))
	e.set(entryLevel, min(kept+max(g.Level, 0), max(g.Burst, 0)))
}

// scale is part × to ÷ from, rounded down; part is at most from.
func scale(part, to, from int64) int64 {
	if part <= 0 || to <= 0 || part > from {
		return 0
	}
	high, low := bits.Mul64(uint64(part), uint64(to))
	scaled, _ := bits.Div64(high, low, uint64(from))
	return int64(scaled)
}

func (e entry) applyQuota(g *Grant, now int64, policyVersion uint64) {
	tokens := e.get(entryTokens)
	given := int64(0)
	if now >= e.get(entryWindowEnd) || g.WindowEnd != e.get(entryWindowEnd) {
		tokens = 0 // of a window that is over: worth nothing to anybody
	} else if g.Recall {
		tokens, given = 0, tokens
	}
	e.set(entryGiven, given)
	e.set(entryTokens, tokens+max(g.Tokens, 0))
	e.set(entryWindowEnd, g.WindowEnd)
	e.set(entryLeft, max(g.Left, 0))
	e.set(entrySpentBy, int64(policyVersion))
	e[entryFlags] &^= flagSpent
	if g.Spent {
		e[entryFlags] |= flagSpent
	}
}

// Report appends what is to be told of each entry, and marks it as told.
// changed says whether the ledger has to be written back.
func (l Ledger) Report(reports []Report, now int64) (_ []Report, changed bool) {
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if e.kind() == kindShare || e.kind() == kindHold {
			continue
		}
		spent := e.get(entryTotal) - e.get(entryTold)
		r := Report{ID: e.id(), Epoch: uint64(e.get(entryEpoch)), Given: e.get(entryGiven), Demand: uint64(max(spent, 0)), Spent: uint64(max(spent, 0))}
		switch kind := e.kind(); {
		case kind.Quota():
			r.WindowEnd, r.Tokens = e.get(entryWindowEnd), e.get(entryTokens)
			if now >= r.WindowEnd {
				r.Tokens = 0
			}
		case kind == InFlight:
			r.InFlight = e.get(entryInFlight)
		}
		if spent != 0 {
			e.set(entryTold, e.get(entryTotal))
			changed = true
		}
		reports = append(reports, r)
	}
	return reports, changed
}

// Forget takes the entry of a bucket out, and returns the shorter ledger.
func (l Ledger) Forget(bucketID string) (_ Ledger, changed bool) {
	key := BucketKey(bucketID)
	at := len(l) - len(l.entries())
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if uint64(e.get(entryKey)) == key {
			return append(l[:at], l[at+len(e):]...), true
		}
		at += len(e)
	}
	return l, false
}
