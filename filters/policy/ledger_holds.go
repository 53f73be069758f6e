package policy

// Requests in flight are counted by who holds them: a VM may end without ending
// its streams, and then what it held has to be found. Beside a concurrency
// bucket's entry stands one for each holder, under the bucket's key inverted:
//
//	24 holder
//	40 in flight of this holder
//
// The bucket's own entry has the sum.
const (
	kindHold LimitKind = 0xfe

	entryHolder = entryRate
)

// Hold notes that the requests which Take has just admitted are the holder's,
// who is not 0. The ledger moves when the holder's entry is made; ok is false
// where there is no room for it, and the ledger is not to be kept then.
func (l Ledger) Hold(buckets []Bucket, holder uint64) (ledger Ledger, ok bool) {
	for i := range buckets {
		if buckets[i].Kind != InFlight {
			continue
		}
		var e entry
		if l, e = l.holdOf(buckets[i].Key, holder); e == nil {
			return l, false
		}
		e.set(entryInFlight, e.get(entryInFlight)+1)
	}
	return l, true
}

// holdOf finds the holder's entry, or makes it: in the place of one that holds
// nothing, else at the end.
func (l Ledger) holdOf(key, holder uint64) (Ledger, entry) {
	if e := l.hold(key, holder); e != nil {
		return l, e
	}
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if e.holds(key) && e.get(entryInFlight) == 0 {
			e.set(entryHolder, int64(holder))
			return l, e
		}
	}
	l, e := l.add("", kindHold)
	if e != nil {
		e.set(entryKey, int64(^key))
		e.set(entryHolder, int64(holder))
	}
	return l, e
}

func (e entry) holds(key uint64) bool { return e.kind() == kindHold && uint64(e.get(entryKey)) == ^key }

func (l Ledger) hold(key, holder uint64) entry {
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if e.holds(key) && uint64(e.get(entryHolder)) == holder {
			return e
		}
	}
	return nil
}

// held is how many requests of a bucket are in flight, of all holders.
func (l Ledger) held(key uint64) (n int64) {
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if e.holds(key) {
			n += e.get(entryInFlight)
		}
	}
	return n
}

// end ends one request in flight of a bucket. What a holder does not hold, or
// not any more, is not ended. Holder 0 ends what no holder was noted for.
func (l Ledger) end(key, holder uint64) (ended bool) {
	if holder != 0 {
		h := l.hold(key, holder)
		if h == nil || h.get(entryInFlight) == 0 {
			return false
		}
		h.set(entryInFlight, h.get(entryInFlight)-1)
	}
	e := l.entry(key)
	if e == nil || e.kind() != InFlight || e.get(entryInFlight) <= 0 {
		return holder != 0
	}
	e.set(entryInFlight, e.get(entryInFlight)-1)
	return true
}

// Free ends all requests in flight of a holder that is no more, and returns how
// many there were.
func (l Ledger) Free(holder uint64) (freed int64) {
	for h, rest := l.entries().next(); h != nil; h, rest = rest.next() {
		if h.kind() != kindHold || uint64(h.get(entryHolder)) != holder {
			continue
		}
		n := h.get(entryInFlight)
		h.set(entryInFlight, 0)
		freed += n
		if e := l.entry(^uint64(h.get(entryKey))); e != nil {
			e.set(entryInFlight, max(e.get(entryInFlight)-n, 0))
		}
	}
	return freed
}
