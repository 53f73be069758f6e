package soak

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"time"
)

// cell is one sum of usage.
type cell struct{ partner, outcome string }

// flush is how long counts may lie in a proxy that has nothing against sending them: a second in each VM, a second in the leader, and
// the sending.
const flush = 3 * time.Second

// expected is what usage must be: for each cell at least and at most.
type expected struct {
	answered      map[cell]int
	atRisk        map[cell]int   // answered by an Envoy shortly before it was killed
	unknown       map[string]int // by partner: calls whose answer never came
	total, risked int
}

// cell is where an answered call counts. Until its key is known it has no partner.
func (c *call) cell() cell {
	switch c.outcome {
	case "path_not_canonical", "policy_unavailable", "credential_missing", "credential_ambiguous", "credential_unknown":
		return cell{"", c.outcome}
	}
	return cell{c.partner, c.outcome}
}

func expectUsage(calls []*call, faults []fault) expected {
	e := expected{map[cell]int{}, map[cell]int{}, map[string]int{}, 0, 0}
	for _, c := range calls {
		if extra := c.written - 1; c.err == nil && extra > 0 {
			e.unknown[c.partner] += extra // sent again by the HTTP client when a connection broke
		}
		if c.err != nil {
			e.unknown[c.partner] += max(c.written, 1)
			continue
		}
		at := c.cell()
		e.answered[at]++
		e.total++
		if !c.to.killed.IsZero() && together(faults, c.answered, c.to.killed) < flush {
			e.atRisk[at]++
			e.risked++
		}
	}
	return e
}

// usage asks what the managers have counted.
func usage(ctx context.Context, n *node) (map[cell]int, error) {
	answer, err := n.Usage(ctx, url.Values{"group_by": {"partner,outcome"}})
	if err != nil {
		return nil, err
	}
	counts := map[cell]int{}
	for _, row := range answer.Rows {
		requests, _ := row["requests"].(float64)
		counts[cell{fmt.Sprint(row["partner"]), fmt.Sprint(row["outcome"])}] += int(requests)
	}
	return counts, nil
}

// settled returns usage once it has not changed for a while.
func settled(ctx context.Context, n *node) (map[cell]int, error) {
	var last map[cell]int
	since := time.Now()
	for {
		now, err := usage(ctx, n)
		if err != nil {
			return nil, err
		}
		if !maps.Equal(now, last) {
			last, since = now, time.Now()
		}
		if time.Since(since) > 4*time.Second {
			return now, nil
		}
		time.Sleep(250 * time.Millisecond) // that nothing more comes is no event
	}
}

// compare finds cells that are outside of what they must be, and counts what killed Envoys took with them.
func (e expected) compare(counted map[cell]int) (problems []string, lost, more int) {
	all := maps.Clone(e.answered)
	for at := range counted {
		all[at] += 0
	}
	over := map[string]int{}
	for at, answered := range all {
		got := counted[at]
		switch {
		case got < answered:
			lost += answered - got
			if answered-got > e.atRisk[at] {
				problems = append(problems, fmt.Sprintf("usage of %q %s is %d, %d were answered, of which %d shortly before an Envoy was killed", at.partner, at.outcome, got, answered, e.atRisk[at]))
			}
		case got > answered:
			more += got - answered
			over[at.partner] += got - answered
		}
	}
	for partner, n := range over {
		if n > e.unknown[partner] {
			problems = append(problems, fmt.Sprintf("usage of %q has %d requests more than were answered, and %d had no answer", partner, n, e.unknown[partner]))
		}
	}
	return problems, lost, more
}
