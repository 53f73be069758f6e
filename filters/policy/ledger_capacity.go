package policy

// A product's capacity is a rate that protects its upstream. It is leased like
// any other, under a ledger of its own, in which each partner that calls has an
// entry beside the bucket: its share of the capacity, by the weights of those
// that call. What others leave unused may be taken, but never what is kept for
// a partner that called a moment ago, so a flood by one does not push out
// another.

const (
	kindShare LimitKind = 0xff // marks a partner's entry in a capacity's ledger

	entryWeight = entryRate

	// activeFor is how long after its last request a partner's share is kept
	// for it, and idleFor after which its entry may go to another; milliseconds.
	activeFor = 2_000
	idleFor   = 60_000
)

// Capacity returns the bucket of the product's capacity and the weight of the
// decision's plan in it; ok is false where the product has none.
func (s *Snapshot) Capacity(d *Decision, now int64) (b Bucket, weight int64, ok bool) {
	p, found := s.product(d.Product)
	if !found || !p.hasCapacity {
		return Bucket{}, 0, false
	}
	weight = 1
	if g, code := s.granted(d.Partner, d.Environment, d.Product, d.Operation, d.Application, now); code == Admitted {
		if plan, ok := s.tables[TablePlans].get(g.plan); ok {
			weight = max(int64(plan.uint32()), 1)
		}
	}
	h := hashSeed.byte('*').string(d.Product).string("/*").string(d.Environment).byte('/')
	return Bucket{p.capacity, h.string(p.capacity.Name).byte('/').string(p.capacity.Kind.String()).sum()}, weight, true
}

// AppendCapacityID appends the id of the bucket of the product's capacity:
//
//	*product/*environment/limit/kind
func AppendCapacityID(b []byte, d *Decision, l *Limit) []byte {
	b = append(append(b, '*'), d.Product...)
	b = append(append(b, "/*"...), d.Environment...)
	b = append(append(append(b, '/'), l.Name...), '/')
	return append(b, l.Kind.String()...)
}

// TakeCapacity takes one request of a partner from a capacity, or refuses with
// CapacityExceeded, or is Undecided where the proxy holds no lease. The ledger
// moves when the partner's entry is made; give one with room, and nothing is
// allocated.
func (l Ledger) TakeCapacity(b *Bucket, partner string, weight, now int64) (Ledger, Verdict) {
	whole := l.entry(b.Key)
	if code, _ := whole.check(b.Kind, now, 0); code == Undecided {
		return l, Verdict{Code: Undecided}
	}
	l, own := l.share(partner, weight, now)
	if own == nil {
		return l, Verdict{Code: CapacityExceeded}
	}
	whole = l.entry(b.Key) // the ledger may have moved
	own.set(entryTotal, now)
	kept, mine := l.keptForOthers(whole, own, now)
	level := whole.get(entryLevel)
	if level < RateUnit || mine < RateUnit && level-kept < RateUnit {
		return l, Verdict{Code: CapacityExceeded, RetryAfter: max(whole.untilUnits(RateUnit-level), 1)}
	}
	whole.take(now)
	own.set(entryLevel, max(mine-RateUnit, 0))
	return l, Verdict{Code: Admitted}
}

// share finds the partner's entry, or makes it: in the place of one that has
// been idle, else at the end. It begins full.
func (l Ledger) share(partner string, weight, now int64) (Ledger, entry) {
	key := int64(hashSeed.byte('=').string(partner).sum())
	var idle entry
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if e.kind() != kindShare {
			continue
		}
		if e.get(entryKey) == key {
			e.set(entryWeight, weight)
			return l, e
		}
		if idle == nil && now-e.get(entryTotal) > idleFor {
			idle = e
		}
	}
	if idle == nil {
		if l, idle = l.add("", kindShare); idle == nil {
			return l, nil
		}
	}
	idle.set(entryKey, key)
	idle.set(entryWeight, weight)
	idle.set(entryLevel, 1<<62) // cut down to its share at once
	idle.set(entryAt, now)
	return l, idle
}

// keptForOthers refills the shares of all partners that called a moment ago, and
// returns what is kept for the others, and what own has.
func (l Ledger) keptForOthers(whole, own entry, now int64) (kept, mine int64) {
	weights := int64(0)
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if e.activeShare(now) {
			weights += e.get(entryWeight)
		}
	}
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if !e.activeShare(now) {
			continue
		}
		level := e.refillShare(whole, weights, now)
		if e.get(entryKey) == own.get(entryKey) {
			mine = level
		} else if kept += level; kept < 0 {
			kept = 1 << 62
		}
	}
	return kept, mine
}

func (e entry) activeShare(now int64) bool {
	return e.kind() == kindShare && e.get(entryWeight) > 0 && now-e.get(entryTotal) <= activeFor
}

// refillShare raises a share by its part of the rate, up to its part of the burst.
func (e entry) refillShare(whole entry, weights, now int64) int64 {
	weight := e.get(entryWeight)
	rate, burst := scale(weight, whole.get(entryRate), weights), scale(weight, whole.get(entryBurst), weights)
	level := min(max(e.get(entryLevel), 0), burst)
	if elapsed := now - e.get(entryAt); elapsed > 0 {
		e.set(entryAt, now)
		if rate > 0 && elapsed <= (burst-level)/rate {
			level += elapsed * rate
		} else {
			level = burst
		}
	}
	e.set(entryLevel, level)
	return level
}
