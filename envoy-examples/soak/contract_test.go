package soak

import (
	"slices"
	"time"
)

// span is the time in which one admitted call was decided on, and for a concurrency limit the time that it surely held its slot.
type span struct{ from, to time.Time }

// admitted are the spans of a partner's calls that reached the upstream, whether the client heard of it or not.
func admitted(calls []*call, arrivals map[string]*arrival, partner string) (spans []span) {
	for _, c := range calls {
		if a := arrivals[c.id]; a != nil && a.partner == partner {
			spans = append(spans, span{c.sent, a.began})
		}
	}
	return spans
}

// overRate is by how many requests a rate was exceeded in the interval that is worst: each is decided between its sending and its
// arrival, so those with both within an interval are the fewest that it can have had. 0 or less is within the contract.
func overRate(spans []span, c contract) (worst float64) {
	slices.SortFunc(spans, func(a, b span) int { return a.to.Compare(b.to) })
	worst = -float64(c.burst)
	for _, first := range spans {
		count := 0
		for _, s := range spans {
			if s.from.Before(first.from) {
				continue
			}
			count++
			worst = max(worst, float64(count-c.burst)-c.rate*s.to.Sub(first.from).Seconds())
		}
	}
	return worst
}

// held are the times in which calls surely held a slot: from their arrival until the upstream answered, the client went, or the
// Envoy was killed.
func held(calls []*call, arrivals map[string]*arrival, partner string) (spans []span) {
	for _, c := range calls {
		a := arrivals[c.id]
		if a == nil || a.partner != partner {
			continue
		}
		end := a.ended
		if c.abandon > 0 && c.sent.Add(c.abandon).Before(end) {
			end = c.sent.Add(c.abandon)
		}
		if k := c.to.killed; !k.IsZero() && k.Before(end) {
			end = k
		}
		spans = append(spans, span{a.began, end})
	}
	return spans
}

// most is how many spans there are at once.
func most(spans []span) (peak int) {
	type edge struct {
		at    time.Time
		steps int
	}
	var edges []edge
	for _, s := range spans {
		if s.to.After(s.from) {
			edges = append(edges, edge{s.from, 1}, edge{s.to, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if n := a.at.Compare(b.at); n != 0 {
			return n
		}
		return a.steps - b.steps
	})
	now := 0
	for _, e := range edges {
		now += e.steps
		peak = max(peak, now)
	}
	return peak
}
