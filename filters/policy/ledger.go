package policy

// Ledger is what a proxy process holds of the buckets of one subscription, or
// of one partner in an environment: the value under one key of the proxy's
// shared data, changed in place and written back by compare-and-swap. The empty
// ledger holds nothing. Bytes that are not a ledger count as an empty one.
//
//	"PGL1", then entries:
//	 0 size of the entry (2 bytes), kind, flags, unused (4)
//	 8 key of the bucket
//	16 epoch of the last grant taken in
//	24 rate: share, units a ms     quota: end of the window, ms
//	32 rate: burst, units          quota: left in the contract     concurrency: slots
//	40 rate: level, units          quota: tokens                   concurrency: in flight
//	48 rate: when level was so     quota: policy version that found it spent
//	56 given back by the last grant
//	64 admitted in all
//	72 of these, reported
//	80 id of the bucket
type Ledger []byte

const (
	ledgerMagic = "PGL1"
	entryHead   = 80

	entryKind  = 2
	entryFlags = 3
	entryKey   = 8
	entryEpoch = 16
	entryRate  = 24 // windowEnd
	entryBurst = 32 // left, slots
	entryLevel = 40 // tokens, inFlight
	entryAt    = 48 // spentVersion
	entryGiven = 56
	entryTotal = 64
	entryTold  = 72

	entryWindowEnd = entryRate
	entryLeft      = entryBurst
	entrySlots     = entryBurst
	entryTokens    = entryLevel
	entryInFlight  = entryLevel
	entrySpentBy   = entryAt

	flagSpent = 1
)

// MaxLedger is the most bytes of a ledger; a bucket that does not fit is not leased.
const MaxLedger = 256 << 10

// LedgerID cuts a bucket's id down to the ledger that it stands in:
// partner/subscription or partner/*environment.
func LedgerID(bucketID string) string {
	slashes := 0
	for i := 0; i < len(bucketID); i++ {
		switch bucketID[i] {
		case '@':
			return bucketID[:i]
		case '/':
			if slashes++; slashes == 2 {
				return bucketID[:i]
			}
		}
	}
	return bucketID
}

// Verdict is what a ledger says of one request.
type Verdict struct {
	// Code is Admitted, LimitExceeded, LimitUnavailable, or Undecided where
	// the proxy holds no lease for a bucket and has to get one.
	Code       Code
	Bucket     int   // which bucket it is about, unless Admitted
	RetryAfter int64 // milliseconds; with LimitExceeded
}

// Take takes one request from all buckets, or from none. It changes the ledger
// only where it admits.
func (l Ledger) Take(buckets []Bucket, now int64, policyVersion uint64) Verdict {
	var entries [MaxLimits]entry
	v := Verdict{Code: Admitted}
	for i := range buckets {
		e := l.entry(buckets[i].Key)
		entries[i] = e
		code, retryAfter := e.check(buckets[i].Kind, now, policyVersion)
		if code == LimitExceeded || code == LimitUnavailable {
			return Verdict{code, i, retryAfter}
		}
		if code == Undecided && v.Code == Admitted {
			v = Verdict{Code: Undecided, Bucket: i}
		}
	}
	if v.Code == Admitted {
		for i := range buckets {
			entries[i].take(now)
		}
	}
	return v
}

// GiveBack undoes Take and Hold, for a request that something else refused.
func (l Ledger) GiveBack(buckets []Bucket, holder uint64) {
	for i := range buckets {
		e := l.entry(buckets[i].Key)
		switch kind := e.kind(); {
		case e == nil || e.get(entryTotal) == 0:
			continue
		case kind.Rate():
			e.set(entryLevel, min(e.get(entryLevel)+RateUnit, e.get(entryBurst)))
		case kind.Quota():
			e.set(entryTokens, e.get(entryTokens)+1)
		default:
			l.end(buckets[i].Key, holder)
		}
		e.set(entryTotal, e.get(entryTotal)-1)
	}
}

// Release ends one request in flight of each concurrency bucket that the holder
// has one of, and reports whether there was any; see Hold.
func (l Ledger) Release(keys []uint64, holder uint64) (changed bool) {
	for _, key := range keys {
		if l.end(key, holder) {
			changed = true
		}
	}
	return changed
}

// Remaining is how many requests a bucket would admit now, as far as this proxy
// knows, and in how many milliseconds that rises; for the RateLimit headers. A
// quota's rest counts what nobody holds yet.
func (l Ledger) Remaining(b *Bucket, now int64) (remaining, resets int64) {
	e := l.entry(b.Key)
	switch {
	case e == nil:
		return 0, 0
	case b.Kind.Rate():
		e.refill(now)
		level := e.get(entryLevel)
		return level / RateUnit, e.untilUnits(RateUnit - level%RateUnit)
	case b.Kind.Quota():
		return e.get(entryTokens) + e.get(entryLeft), max(e.get(entryWindowEnd)-now, 0)
	}
	return e.get(entrySlots) - e.get(entryInFlight), 0
}

// entry is one bucket's part of a ledger; nil where there is none.
type entry []byte

// next cuts the first entry off; nil at the end.
func (l Ledger) next() (e entry, rest Ledger) {
	if len(l) < entryHead {
		return nil, nil
	}
	size := int(l[0]) | int(l[1])<<8
	if size < entryHead || size > len(l) {
		return nil, nil
	}
	return entry(l[:size]), l[size:]
}

func (l Ledger) entries() Ledger {
	if len(l) < len(ledgerMagic) || string(l[:len(ledgerMagic)]) != ledgerMagic {
		return nil
	}
	return l[len(ledgerMagic):]
}

func (l Ledger) entry(key uint64) entry {
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if uint64(e.get(entryKey)) == key {
			return e
		}
	}
	return nil
}

func (e entry) get(at int) int64 {
	_ = e[at+7]
	return int64(uint64(e[at]) | uint64(e[at+1])<<8 | uint64(e[at+2])<<16 | uint64(e[at+3])<<24 |
		uint64(e[at+4])<<32 | uint64(e[at+5])<<40 | uint64(e[at+6])<<48 | uint64(e[at+7])<<56)
}

func (e entry) set(at int, v int64) {
	_ = e[at+7]
	for i := range 8 {
		e[at+i] = byte(v >> (8 * i))
	}
}

func (e entry) kind() LimitKind {
	if e == nil {
		return 0
	}
	return LimitKind(e[entryKind])
}

func (e entry) id() string { return string(e[entryHead:]) }

// check tells whether the entry admits a request now.
func (e entry) check(kind LimitKind, now int64, policyVersion uint64) (c Code, retryAfter int64) {
	switch {
	case e == nil || e.kind() != kind || e.get(entryEpoch) == 0:
		return Undecided, 0
	case kind.Rate():
		return e.checkRate(now)
	case kind.Quota():
		return e.checkQuota(now, policyVersion)
	case e.get(entrySlots) == 0:
		return Undecided, 0
	case e.get(entryInFlight) >= e.get(entrySlots):
		return LimitExceeded, 1000
	}
	return Admitted, 0
}

func (e entry) checkRate(now int64) (Code, int64) {
	if e.get(entryBurst) < RateUnit {
		return Undecided, 0 // a share that can never admit is none
	}
	e.refill(now)
	if level := e.get(entryLevel); level < RateUnit {
		return LimitExceeded, e.untilUnits(RateUnit - level)
	}
	return Admitted, 0
}

// checkQuota believes that a contract is spent until the window ends, or until
// the policy changes, which may have raised it.
func (e entry) checkQuota(now int64, policyVersion uint64) (Code, int64) {
	switch windowEnd := e.get(entryWindowEnd); {
	case now >= windowEnd:
		return Undecided, 0
	case e.get(entryTokens) > 0:
		return Admitted, 0
	case e[entryFlags]&flagSpent != 0 && uint64(e.get(entrySpentBy)) == policyVersion:
		return LimitExceeded, windowEnd - now
	}
	return Undecided, 0
}

func (e entry) take(now int64) {
	switch kind := e.kind(); {
	case kind.Rate():
		e.set(entryLevel, e.get(entryLevel)-RateUnit)
	case kind.Quota():
		e.set(entryTokens, e.get(entryTokens)-1)
	default:
		e.set(entryInFlight, e.get(entryInFlight)+1)
	}
	e.set(entryTotal, e.get(entryTotal)+1)
}

// SetBack makes rates go on from now, with what they have, after the clock was
// set back, and reports whether any has to. Until then they give nothing.
func (l Ledger) SetBack(now int64) (changed bool) {
	for e, rest := l.entries().next(); e != nil; e, rest = rest.next() {
		if (e.kind().Rate() || e.kind() == kindShare) && e.get(entryAt) > now {
			e.set(entryAt, now)
			changed = true
		}
		if e.kind() == kindShare && e.get(entryTotal) > now {
			e.set(entryTotal, now) // its last request
			changed = true
		}
	}
	return changed
}

// refill raises the level by what the share gives until now. A clock that went
// back gives nothing, and takes nothing.
func (e entry) refill(now int64) {
	elapsed := now - e.get(entryAt)
	if elapsed <= 0 {
		return
	}
	e.set(entryAt, now)
	missing, rate := e.get(entryBurst)-e.get(entryLevel), e.get(entryRate)
	if missing <= 0 || rate <= 0 {
		return
	}
	if elapsed > missing/rate {
		e.set(entryLevel, e.get(entryBurst))
		return
	}
	e.set(entryLevel, e.get(entryLevel)+elapsed*rate)
}

// untilUnits is how long the share takes to give so many units, in
// milliseconds, rounded up.
func (e entry) untilUnits(units int64) int64 {
	rate := e.get(entryRate)
	if rate <= 0 {
		return 1000
	}
	return (units + rate - 1) / rate
}
