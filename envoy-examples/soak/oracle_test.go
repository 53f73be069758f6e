package soak

import (
	"fmt"
	"sort"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// promised is how soon every proxy in contact decides by a change.
const promised = 2 * time.Second

// starting is how long a new Envoy may be without a policy, and without a lease.
const starting = 20 * time.Second

// expect is the outcome that the policy gives a call, limits aside.
func (s *state) expect(c *call) string {
	if c.odd {
		return "path_not_canonical"
	}
	switch len(c.keys) {
	case 0:
		return "credential_missing"
	case 1:
	default:
		return "credential_ambiguous"
	}
	key, known := s.keys[c.keys[0]]
	switch {
	case !known:
		return "credential_unknown"
	case key.revoked:
		return "credential_revoked"
	case s.suspended[key.partner]:
		return "partner_suspended"
	case c.environment == "":
		return "operation_not_found"
	case key.environment != c.environment:
		return "environment_mismatch"
	}
	return s.expectGrant(c, key)
}

func (s *state) expectGrant(c *call, key keyed) string {
	t, ok := s.subscriptions[subscription{key.partner, c.operation.product, c.environment}]
	switch {
	case !ok || t.state == manager.StateEnded || s.retired[c.operation.product] || t.narrowed && c.operation.id != listCharges.id:
		return "operation_not_found"
	case t.state == manager.StateSuspended:
		return "subscription_suspended"
	}
	return "admitted"
}

// limited are the partners that call more than their contract has.
var limited = map[string]bool{"flood": true, "minute": true, "budget": true, "slots": true}

// judge is the oracle: it knows the history, and looks at every call.
type judge struct {
	history   []change
	faults    []fault
	arrivals  map[string]*arrival
	wrong     []string // decisions that no policy of the time gives
	stale     []string // decisions by a policy that was not to be used any more
	bypassed  []string // calls that reached the upstream and must not, or not so
	broken    []string // answers that are none of ours
	outcomes  map[string]int
	lane      map[string]map[string]int
	leaseless map[string]int // limit_unavailable although nothing had been broken for a while, by lane
	lost      int            // calls without an answer, because their Envoy was killed or they were abandoned
	oldest    time.Duration  // the longest time after a change at which a proxy in contact decided by the policy before it
}

// look judges one call.
func (j *judge) look(c *call) {
	if c.err != nil {
		j.lookUnanswered(c)
		return
	}
	j.outcomes[c.outcome]++
	if j.lane[c.lane] == nil {
		j.lane[c.lane] = map[string]int{}
	}
	j.lane[c.lane][c.outcome]++
	j.lookArrival(c)
	if c.outcome == "limit_unavailable" && c.sent.Sub(c.to.started) > starting && !j.troubled(c.sent, reconnect) {
		j.leaseless[c.lane]++
	}
	low, high := j.inForce(c)
	if c.version > 0 {
		from, to := j.made(c.version)
		if to < low || from > high {
			j.stale = append(j.stale, fmt.Sprintf("%s; its policy is of %s, and may be from step %d to %d", c, j.step(from), low, high))
			return
		}
		low, high = max(low, from), min(high, to)
	}
	for at := high; at >= low; at-- {
		if j.fits(c, j.history[at].state.expect(c)) {
			if at < high {
				j.oldest = max(j.oldest, together(j.faults, j.history[at+1].done, c.sent))
			}
			return
		}
	}
	j.wrong = append(j.wrong, fmt.Sprintf("%s; want %s of %s to %s of %s",
		c, j.history[low].state.expect(c), j.step(low), j.history[high].state.expect(c), j.step(high)))
}

// step tells of a step of the history and its neighbours.
func (j *judge) step(at int) string {
	text := fmt.Sprintf("step %d", at)
	for i := max(at-1, 0); i <= min(at+1, len(j.history)-1); i++ {
		h := j.history[i]
		text += fmt.Sprintf(" (%s from %s to %s: policy %d)", h.what, h.begun.Format("15:04:05.000"), h.done.Format("15:04:05.000"), h.version)
	}
	return text
}

func (c *call) String() string {
	return fmt.Sprintf("%s %s at %s: Envoy %d answered %s %s of %s with %d %q (policy %d)",
		c.lane, c.id, c.sent.Format("15:04:05.000"), c.to.slot, c.operation.method, c.operation.path, c.environment, c.status, c.outcome, c.version)
}

// fits tells whether an outcome is right where the policy, limits aside, has want.
func (j *judge) fits(c *call, want string) bool {
	switch {
	case c.outcome == want:
		return true
	case c.outcome == "policy_unavailable":
		return want != "path_not_canonical" && c.sent.Sub(c.to.started) < starting
	case want != "admitted":
		return false
	case c.outcome == "limit_exceeded": // what a killed Envoy held counts as spent
		return limited[c.partner] || j.killedBefore(c.sent)
	}
	return c.outcome == "limit_unavailable" && (limited[c.partner] || c.sent.Sub(c.to.started) < starting || j.troubled(c.sent, starting))
}

// troubled tells whether something was broken, or had been until a while before.
func (j *judge) troubled(at time.Time, while time.Duration) bool {
	for _, f := range j.faults {
		if !f.began.After(at) && at.Before(f.ended.Add(while)) {
			return true
		}
	}
	return false
}

// killedBefore tells whether an Envoy was killed so shortly before that its shares may not have filled again.
func (j *judge) killedBefore(at time.Time) bool {
	for _, f := range j.faults {
		if f.kind == envoyKilled && !f.began.After(at) && at.Before(f.ended.Add(starting)) {
			return true
		}
	}
	return false
}

// inForce are the first and the last step of the history by which the call may have been decided.
func (j *judge) inForce(c *call) (low, high int) {
	for i, h := range j.history {
		if h.begun.Before(c.answered) {
			high = i
		}
		if together(j.faults, h.done, c.sent) >= promised {
			low = i
		}
	}
	return low, high
}

// made are the steps that may have made a version: one, or two next to each other where the version is between theirs. For a step
// may take several versions, when a manager does not hear that its write was done and writes again.
func (j *judge) made(version int64) (from, to int) {
	at := sort.Search(len(j.history), func(i int) bool { return j.history[i].version > version }) - 1
	if at >= 0 && j.history[at].version == version { // steps that change nothing have the version before
		return sort.Search(len(j.history), func(i int) bool { return j.history[i].version >= version }), at
	}
	if at+1 == len(j.history) {
		return at, at
	}
	return max(at, 0), at + 1
}

func (j *judge) lookUnanswered(c *call) {
	cut := !c.to.killed.IsZero() && c.answered.After(c.to.killed.Add(-time.Second))
	if c.abandon == 0 && !cut {
		j.broken = append(j.broken, fmt.Sprintf("%s: %v", c, c.err))
		return
	}
	j.lost++
}

// lookArrival compares what the client got with what the upstream saw.
func (j *judge) lookArrival(c *call) {
	a := j.arrivals[c.id]
	switch {
	case c.outcome == "":
		j.broken = append(j.broken, c.String())
	case (a != nil) != (c.outcome == "admitted"):
		j.bypassed = append(j.bypassed, fmt.Sprintf("%s; it reached the upstream: %v", c, a != nil))
	case a != nil && (a.times != 1 || a.withKey || a.partner != c.partner || a.environment != c.environment || a.subscription != c.operation.product+"-"+c.environment):
		j.bypassed = append(j.bypassed, fmt.Sprintf("%s; the upstream got it as %+v", c, *a))
	}
}
