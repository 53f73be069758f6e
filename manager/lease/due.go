package lease

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/partnergate/partnergate/filters/policy"
)

// Where a contract has fewer requests of burst, or slots, than there are
// proxies, some get nothing. Then only those count that had a request lately,
// and they take turns.
const (
	scarceAfter = 30_000 // milliseconds without a request
	turn        = 5_000  // milliseconds
)

// dues are the shares of those who use the bucket: nobody else has any. Slots
// are shared equally, rates by what is asked for.
func (b *Bucket) dues(now int64) map[string]share {
	whole, unit := b.whole(), b.unit()
	requests := whole.size / unit
	users := b.users(now - idleAfter)
	if int64(len(users)) > requests {
		if lately := b.users(now - scarceAfter); len(lately) > 0 {
			users = lately
		}
	}
	if int64(len(users)) > requests {
		users = inTurn(users, requests, now)
	}
	rates := ratesDue(users, whole.rate, now)
	due := make(map[string]share, len(users))
	spare, sum := requests-int64(len(users)), int64(0)
	for i, h := range users {
		size := part(requests, len(users), i)
		if whole.rate > 0 { // one each, and of the others as much as of the rate
			size = 1 + portion(spare, sum+rates[i], whole.rate) - portion(spare, sum, whole.rate)
			sum += rates[i]
		}
		due[h.proxy] = share{rates[i], size * unit}
	}
	return due
}

// users are those that had a request after t, in order.
func (b *Bucket) users(t int64) (users []*holder) {
	for i := range b.holders {
		if b.holders[i].usedSince(t) {
			users = append(users, &b.holders[i])
		}
	}
	return users
}

// inTurn picks n of the users.
func inTurn(users []*holder, n, now int64) []*holder {
	first := now / turn % int64(len(users))
	picked := make([]*holder, 0, n)
	for i := range n {
		picked = append(picked, users[(first+i)%int64(len(users))])
	}
	return picked
}

// part is the i-th of n nearly equal parts of whole; the first ones have what
// does not divide.
func part(whole int64, n, i int) int64 {
	p := whole / int64(n)
	if int64(i) < whole%int64(n) {
		p++
	}
	return p
}

// portion is of as large a part of whole as n is of all, rounded down.
func portion(of, n, all int64) int64 {
	high, low := bits.Mul64(uint64(of), uint64(n))
	quotient, _ := bits.Div64(high, low, uint64(all)) // n is at most all, so it fits
	return int64(quotient)
}

// ratesDue shares a rate: each user is due what it needs where an equal part of
// what the others do not need allows that, and what nobody needs is shared
// equally. So a proxy that has most of the traffic gets most of the contract,
// and none can take from another what that one needs of an equal share.
func ratesDue(users []*holder, whole, now int64) []int64 {
	due, order := make([]int64, len(users)), make([]int, len(users))
	needs := make([]int64, len(users))
	for i, h := range users {
		order[i], needs[i] = i, h.needsRate(whole, len(users), now)
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(needs[i], needs[j]) })
	left := whole
	for at, i := range order {
		due[i] = min(needs[i], part(left, len(users)-at, 0))
		left -= due[i]
	}
	for i := range due {
		due[i] += part(left, len(users), i)
	}
	return due
}

const (
	recent    = 2 * usedGrain                // milliseconds; who had no request for so long is asked for less
	hungry    = int64(maxAmount)             // the demand of one that spends all that it has
	rateOfOne = policy.RateUnit / demandSpan // the rate that a demand of 1 takes
	leastSpan = 1000                         // milliseconds that demand is measured over at least
	spareRate = 2 * policy.RateUnit / 1000   // two requests a second: traffic is never quite even
)

// needsRate is the rate that a proxy is to have where there is enough: a quarter
// more than is asked for, and some, and a remnant of its equal part at least. Who had no
// request for a while is asked for little, but not for nothing: where a rate is
// low, or traffic is, requests are far apart.
func (h *holder) needsRate(whole int64, users int, now int64) int64 {
	need := whole
	if h.demand < whole/rateOfOne {
		need = h.demand*rateOfOne*5/4 + spareRate
	}
	if quiet := now - h.usedAt; quiet >= recent {
		need = min(need, 2*policy.RateUnit/quiet)
	}
	return min(max(need, whole/int64(users)/16), whole)
}

// measureRate notes what is asked for, roughly, so that not every report changes
// the state of the bucket, and the shares of all who use it.
func (h *holder) measureRate(in *Input) {
	elapsed := int64(leastSpan)
	if in.Since > 0 {
		elapsed = max(elapsed, in.Now-in.Since)
	}
	asked := int64(min(in.Report.Demand, maxDemand)) * demandSpan / elapsed
	switch {
	case h.spendsAll(asked):
		h.demand = hungry
	case h.demand == hungry || h.demand == 0:
		h.demand = asked
	case asked > h.demand*5/4:
		h.demand = (h.demand + asked) / 2
	case asked < h.demand*3/5:
		h.demand = (3*h.demand + asked) / 4
	}
}

// spendsAll tells whether so much demand takes nearly all of the share.
func (h *holder) spendsAll(asked int64) bool { return asked > 0 && asked*rateOfOne >= h.held.rate/8*7 }

// hungers tells whether a proxy spends all that it has, and is due clearly more.
func (h *holder) hungers(due share) bool {
	return h.demand == hungry && (due.rate-h.most().rate)*8 > due.rate
}
