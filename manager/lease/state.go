package lease

import (
	"encoding/binary"
	"errors"

	"github.com/partnergate/partnergate/filters/policy"
)

// ErrState says that bytes are not the state of a bucket of that kind.
var ErrState = errors.New("lease: these bytes are not the state of such a bucket, or of a version that is not known here")

const (
	stateVersion = 1
	maxHolders   = 1 << 16
	maxProxyID   = 1 << 10
	maxAmount    = policy.MaxRate * policy.RateUnit // the largest burst, in units
)

// The flags of a holder.
const (
	flagOpen = 1 << iota
	flagStranger
	flagRecall
	flagSpent
	flagStarved
	allFlags = 1<<iota - 1
)

func (h *holder) flags() (set byte) {
	for i, on := range h.switches() {
		if *on {
			set |= 1 << i
		}
	}
	return set
}

// switches are in the order of the flags.
func (h *holder) switches() [5]*bool {
	return [...]*bool{&h.open, &h.stranger, &h.recall, &h.spent, &h.starved}
}

// amounts are the numbers of a holder, all between 0 and maxAmount.
func (h *holder) amounts() [12]*int64 {
	return [...]*int64{&h.usedAt, &h.held.rate, &h.held.size, &h.next.rate, &h.next.size, &h.level, &h.inFlight,
		&h.tokens, &h.adding, &h.recalledAt, &h.demand, &h.demandAt}
}

func (b *Bucket) amounts() [6]*int64 {
	return [...]*int64{&b.contract.Requests, &b.contract.Burst, &b.pool, &b.poolAt, &b.windowEnd, &b.debited}
}

// Append encodes the state.
func (b *Bucket) Append(to []byte) []byte {
	to = append(to, stateVersion, byte(b.kind))
	for _, v := range b.amounts() {
		to = binary.AppendUvarint(to, uint64(*v))
	}
	to = binary.AppendUvarint(to, uint64(len(b.holders)))
	for i := range b.holders {
		h := &b.holders[i]
		to = binary.AppendUvarint(to, uint64(len(h.proxy)))
		to = append(append(to, h.proxy...), h.flags())
		to = binary.AppendUvarint(binary.AppendUvarint(to, h.sent), h.acked)
		for _, v := range h.amounts() {
			to = binary.AppendUvarint(to, uint64(*v))
		}
	}
	return to
}

// Decode reads what Append wrote of a bucket of that kind.
func Decode(kind policy.LimitKind, state []byte) (*Bucket, error) {
	if len(state) < 2 || state[0] != stateVersion || policy.LimitKind(state[1]) != kind {
		return nil, ErrState
	}
	b := New(kind)
	r := stateReader{rest: state[2:]}
	for _, v := range b.amounts() {
		*v = r.amount()
	}
	n := r.amount()
	if n > maxHolders {
		return nil, ErrState
	}
	for ; n > 0 && !r.bad; n-- {
		h := r.holder()
		if last := len(b.holders) - 1; last >= 0 && b.holders[last].proxy >= h.proxy {
			return nil, ErrState
		}
		b.holders = append(b.holders, h)
	}
	if r.bad || len(r.rest) > 0 {
		return nil, ErrState
	}
	return b, nil
}

type stateReader struct {
	rest []byte
	bad  bool
}

func (r *stateReader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *stateReader) amount() int64 {
	v := r.uint()
	if v > uint64(maxAmount) {
		r.bad = true
		return 0
	}
	return int64(v)
}

func (r *stateReader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *stateReader) holder() (h holder) {
	size := r.uint()
	if size == 0 || size > maxProxyID {
		r.bad = true
		return h
	}
	h.proxy = string(r.take(size))
	if flags := r.take(1); len(flags) == 1 {
		r.bad = r.bad || flags[0]&^allFlags != 0
		for i, on := range h.switches() {
			*on = flags[0]&(1<<i) != 0
		}
	}
	h.sent, h.acked = r.uint(), r.uint()
	for _, v := range h.amounts() {
		*v = r.amount()
	}
	return h
}
