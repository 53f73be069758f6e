package edge

import (
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// ledgers are the leases of the process, in shared data, and scratch space for
// one request's way through them.
type ledgers struct {
	prefix  string
	key     []byte
	buckets [policy.MaxLimits]policy.Bucket
	own     [policy.MaxLimits]policy.Bucket // of scopes subscription and application
	wide    [policy.MaxLimits]policy.Bucket // of scope partner
}

// place says in which of a request's three ledgers a bucket stands.
type place uint8

const (
	placeOwn      place = iota // of the subscription
	placeWide                  // of the partner, for scope partner
	placeCapacity              // of the product, shared by all partners
)

// slots are the concurrency slots that a stream holds until it ends.
type slots struct {
	own, wide []uint64
	holder    uint64 // under which they are held
}

// Take takes the request from all its limits and from the product's capacity,
// or from none. Where no lease is held for one of them, the verdict is
// Undecided, and Wait gets it.
func (s *Stream) Take(snapshot *policy.Snapshot) policy.Verdict {
	l := &s.edge.ledgers
	s.limits, s.refused = s.limits[:0], policy.MaxLimits
	all, ok := snapshot.Limits(&s.Decision, s.now, l.buckets[:0])
	if !ok {
		return policy.Verdict{Code: policy.OperationNotFound} // the subscription has gone while the request waited
	}
	own, wide := l.split(all)
	v := s.takeFrom(own, placeOwn)
	if v.Code != policy.Admitted {
		return v
	}
	if v = s.takeFrom(wide, placeWide); v.Code != policy.Admitted {
		s.giveBack(own, placeOwn)
		return v
	}
	if v = s.takeCapacity(snapshot); v.Code != policy.Admitted {
		s.giveBack(own, placeOwn)
		s.giveBack(wide, placeWide)
		return v
	}
	s.hold(own, wide)
	return v
}

// split sorts buckets by the ledger that they stand in.
func (l *ledgers) split(all []policy.Bucket) (own, wide []policy.Bucket) {
	own, wide = l.own[:0], l.wide[:0]
	for i := range all {
		if all[i].Scope == policy.ScopePartner {
			wide = append(wide, all[i])
		} else {
			own = append(own, all[i])
		}
	}
	return own, wide
}

// ledgerKey is the key of one of the request's ledgers, a view of scratch
// space. What follows the prefix is what policy.LedgerID makes of a bucket's id.
func (s *Stream) ledgerKey(at place) string {
	l, d := &s.edge.ledgers, &s.Decision
	b := append(l.key[:0], l.prefix...)
	switch at {
	case placeOwn:
		b = append(append(append(b, d.Partner...), '/'), d.Subscription...)
	case placeWide:
		b = append(append(append(b, d.Partner...), "/*"...), d.Environment...)
	case placeCapacity:
		b = append(append(append(append(b, '*'), d.Product...), "/*"...), d.Environment...)
	}
	l.key = b
	return proxywasm.ViewString(b)
}

// takeFrom takes from the buckets of one ledger.
func (s *Stream) takeFrom(buckets []policy.Bucket, at place) (v policy.Verdict) {
	if len(buckets) == 0 {
		return policy.Verdict{Code: policy.Admitted}
	}
	told := len(s.limits)
	err := s.updateLedger(at, func(ledger policy.Ledger) (policy.Ledger, bool) {
		v = ledger.Take(buckets, s.now, s.Decision.PolicyVersion)
		s.tell(ledger, buckets, told)
		if v.Code != policy.Admitted {
			return ledger, false
		}
		ledger, room := ledger.Hold(buckets, s.edge.holder)
		if !room {
			v = policy.Verdict{Code: policy.LimitUnavailable}
		}
		return ledger, room
	})
	if err != nil {
		return policy.Verdict{Code: policy.LimitUnavailable}
	}
	if v.Code != policy.Admitted {
		s.refused = told + v.Bucket
	}
	return v
}

// takeCapacity takes from what the product bears, shared fairly among all
// partners.
func (s *Stream) takeCapacity(snapshot *policy.Snapshot) (v policy.Verdict) {
	bucket, weight, ok := snapshot.Capacity(&s.Decision, s.now)
	if !ok {
		return policy.Verdict{Code: policy.Admitted}
	}
	err := s.updateLedger(placeCapacity, func(ledger policy.Ledger) (policy.Ledger, bool) {
		ledger, v = ledger.TakeCapacity(&bucket, s.Decision.Partner, weight, s.now)
		return ledger, v.Code != policy.Undecided // a refusal counts too: the partner has called
	})
	if err != nil {
		return policy.Verdict{Code: policy.LimitUnavailable}
	}
	return v
}

// updateLedger changes one of the request's ledgers, and notes that it was used.
func (s *Stream) updateLedger(at place, change func(policy.Ledger) (changed policy.Ledger, write bool)) error {
	key, wrote := s.ledgerKey(at), false
	err := updateShared(key, func(value []byte) ([]byte, bool) {
		var ledger policy.Ledger
		ledger, wrote = change(value)
		return ledger, wrote
	})
	if err == nil && wrote {
		s.edge.usage.touched.add(key[len(s.edge.ledgers.prefix):])
	}
	return err
}

// tell notes what the partner is told of the limits.
func (s *Stream) tell(ledger policy.Ledger, buckets []policy.Bucket, from int) {
	s.limits = s.limits[:from]
	for i := range buckets {
		b := &buckets[i]
		remaining, resets := ledger.Remaining(b, s.now)
		s.limits = append(s.limits, limitState{b.Name, b.Kind, b.Requests, remaining, resets})
	}
}

// hold notes the slots to release when the stream ends.
func (s *Stream) hold(own, wide []policy.Bucket) {
	if !s.edge.registered && len(s.edge.plugins) > 0 {
		s.edge.register() // before its first tick
	}
	s.slots.holder = s.edge.holder
	s.slots.own = appendSlots(s.slots.own[:0], own)
	s.slots.wide = appendSlots(s.slots.wide[:0], wide)
}

func appendSlots(keys []uint64, buckets []policy.Bucket) []uint64 {
	for i := range buckets {
		if buckets[i].Kind == policy.InFlight {
			keys = append(keys, buckets[i].Key)
		}
	}
	return keys
}

// release frees the stream's slots, once.
func (s *Stream) release() {
	if len(s.slots.own) > 0 {
		s.releaseFrom(s.slots.own, placeOwn)
	}
	if len(s.slots.wide) > 0 {
		s.releaseFrom(s.slots.wide, placeWide)
	}
	s.slots.own, s.slots.wide = s.slots.own[:0], s.slots.wide[:0]
}

func (s *Stream) releaseFrom(keys []uint64, at place) {
	err := s.updateLedger(at, func(ledger policy.Ledger) (policy.Ledger, bool) { return ledger, ledger.Release(keys, s.slots.holder) })
	if err != nil {
		proxywasm.LogError("partnergate: a concurrency slot could not be released; it stays in use until this worker ends")
	}
}

// giveBack undoes takeFrom.
func (s *Stream) giveBack(buckets []policy.Bucket, at place) {
	if len(buckets) == 0 {
		return
	}
	err := s.updateLedger(at, func(ledger policy.Ledger) (policy.Ledger, bool) {
		ledger.GiveBack(buckets, s.edge.holder)
		return ledger, true
	})
	if err != nil {
		proxywasm.LogError("partnergate: what a refused request took could not be given back; the partner has one less")
	}
}

// lacking appends a want for each bucket of the request that no lease is held
// for, so that a request with several limits waits once.
func (s *Stream) lacking(snapshot *policy.Snapshot, wants []policy.Report) []policy.Report {
	all, ok := snapshot.Limits(&s.Decision, s.now, s.edge.ledgers.buckets[:0])
	if !ok {
		return wants
	}
	own, wide := s.edge.ledgers.split(all)
	for at, buckets := range [...][]policy.Bucket{placeOwn: own, placeWide: wide} {
		if len(buckets) == 0 {
			continue
		}
		value, _, _ := sharedValue(s.ledgerKey(place(at))) // missing: all are lacking
		for j := range buckets {
			if policy.Ledger(value).Take(buckets[j:j+1], s.now, s.Decision.PolicyVersion).Code == policy.Undecided {
				wants = append(wants, s.wanted(policy.AppendBucketID(nil, &s.Decision, &buckets[j].Limit)))
			}
		}
	}
	if bucket, weight, ok := snapshot.Capacity(&s.Decision, s.now); ok {
		value, _, _ := sharedValue(s.ledgerKey(placeCapacity))
		if _, v := policy.Ledger(value).TakeCapacity(&bucket, s.Decision.Partner, weight, s.now); v.Code == policy.Undecided {
			wants = append(wants, s.wanted(policy.AppendCapacityID(nil, &s.Decision, &bucket.Limit)))
		}
	}
	return wants
}

// wanted is the report of a bucket that this stream, and those that wait, want.
func (s *Stream) wanted(id []byte) policy.Report {
	return policy.Report{ID: string(id), Wanted: true, Demand: uint64(len(s.edge.waiting.streams) + 1)}
}

// Limit is the name of the limit that a verdict of Take is about; empty where
// it let the request through.
func (s *Stream) Limit(v policy.Verdict) string {
	s.retryAfter = v.RetryAfter
	if v.Code != policy.LimitExceeded && v.Code != policy.LimitUnavailable || s.refused >= len(s.limits) {
		return ""
	}
	return s.limits[s.refused].name
}
