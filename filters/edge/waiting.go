package edge

import (
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

const (
	// maxWait is how long a request waits for a lease, in milliseconds: with a
	// tick of waitingTick until its end is noticed, at most 250.
	maxWait = 200
	// maxWaiting bounds the requests that wait in one VM.
	maxWaiting = 4096
	// wantAgain is when a want that brought nothing is sent again, milliseconds.
	wantAgain = 100
)

// waiting is the streams of this VM that are paused until a lease comes.
type waiting struct {
	edge    *Edge
	streams []*Stream
	wanted  []wanted
}

// wanted is a bucket that the leader was told of.
type wanted struct {
	id string
	at int64
}

// Wait pauses the stream until the lease that it lacks has come, and returns
// true; or false where it is to be refused at once, because the manager is away
// or too many wait. Either way the leader hears of the want.
func (s *Stream) Wait(snapshot *policy.Snapshot) bool {
	w := &s.edge.waiting
	w.forget(s.now)
	if s.phase != phaseWaiting || len(w.wanted) == 0 {
		w.want(s.lacking(snapshot, nil), s.now)
	}
	if s.phase == phaseWaiting {
		return s.now < s.deadline && s.deadline-s.now <= maxWait // the clock may be set back meanwhile
	}
	if s.edge.replica.state.away || len(w.streams) >= maxWaiting {
		return false
	}
	count("partnergate_lease_waits", 1)
	s.phase, s.deadline = phaseWaiting, s.now+maxWait
	w.streams = append(w.streams, s)
	s.edge.choosePeriod()
	_ = proxywasm.SetEffectiveContext(s.id) // choosePeriod acts for the owner
	return true
}

// Ripens tells whether the stream waited for a share of a rate that has come
// empty, as where a proxy has ended with what it had, and gives a request
// before the stream has waited for too long. Then it goes on waiting.
func (s *Stream) Ripens(v policy.Verdict) bool {
	return v.Code == policy.LimitExceeded && s.phase == phaseWaiting && s.now+v.RetryAfter < s.deadline
}

// want tells the leader of buckets, but not of one that it was just told of.
func (w *waiting) want(wants []policy.Report, now int64) {
	fresh := wants[:0]
	for _, r := range wants {
		if !w.told(r.ID) {
			w.wanted = append(w.wanted, wanted{r.ID, now})
			fresh = append(fresh, r)
		}
	}
	if len(fresh) == 0 {
		return
	}
	batch := wire.Sync{Reports: fresh}
	_ = w.edge.sendToLeader(batch.Append(w.edge.appendMessage(nil, messageWant))) // it is wanted again soon
}

func (w *waiting) told(id string) bool {
	for i := range w.wanted {
		if w.wanted[i].id == id {
			return true
		}
	}
	return false
}

// forget drops wants that are old enough to be sent again.
func (w *waiting) forget(now int64) {
	kept := w.wanted[:0]
	for _, t := range w.wanted {
		if age := now - t.at; age >= 0 && age < wantAgain {
			kept = append(kept, t)
		}
	}
	clear(w.wanted[len(kept):])
	w.wanted = kept
}

// retry decides all waiting streams again. Those whose time is over are
// refused; so are all that still lack a lease where the manager is away.
func (w *waiting) retry(now int64, away bool) {
	if len(w.streams) == 0 {
		return
	}
	streams := w.streams
	w.streams = nil
	for _, s := range streams {
		if away {
			s.deadline = now
		}
		if s.resume(now) {
			w.streams = append(w.streams, s)
		}
	}
	if len(w.streams) < len(streams) {
		w.wanted = nil // the next to wait asks at once
	}
	_ = w.edge.asOwner() // it ran as the streams
}

// resume decides a waiting stream again, and reports whether it still waits.
func (s *Stream) resume(now int64) (waits bool) {
	if proxywasm.SetEffectiveContext(s.id) != nil {
		return false // it is gone
	}
	defer s.survive(&waits)
	current, s.now, s.Request.Now = s, now, now
	if s.run() == types.ActionContinue {
		return proxywasm.ResumeHttpRequest() != nil && s.phase == phaseWaiting
	}
	return s.phase == phaseWaiting
}

// survive answers a stream that panicked outside of its own callbacks.
func (s *Stream) survive(waits *bool) {
	if cause := recover(); cause != nil {
		proxywasm.LogCritical("partnergate: a stream that waited for a lease panicked")
		*waits = false
		s.Decision.Code = policy.FilterError
		s.refuse()
	}
}

func (w *waiting) remove(s *Stream) {
	for i, other := range w.streams {
		if other == s {
			w.streams = append(w.streams[:i], w.streams[i+1:]...)
			return
		}
	}
}
