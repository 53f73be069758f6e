package edge

import (
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// Stream is one request at one filter.
type Stream struct {
	types.DefaultHttpContext

	// Request and Decision are what the steps work on. Strings of Request are
	// views, good until the callback returns.
	Request  policy.Request
	Decision policy.Decision

	id     uint32
	plugin *Plugin
	edge   *Edge

	headers [][2]string // views; nil unless read in this callback
	facts   facts
	found   []byte // the decision as the filter before left it
	before  policy.Decision
	step    int
	phase   phase

	start, now int64 // Unix milliseconds
	deadline   int64
	limits     []limitState
	retryAfter int64
	refused    int // which of limits refused
	slots      slots
}

// phase is how far a stream has come at its filter.
type phase uint8

const (
	phaseNew     phase = iota // the filter has not seen it
	phaseSeen                 // it is being decided
	phaseWaiting              // it is paused until a lease comes
	phasePassed               // it was let through
	phaseRefused              // it was answered
	phaseDone                 // it has ended
)

// scratch is for one value on its way to the host; a VM runs one callback at a time.
var scratch []byte

// current is the stream whose callback runs, for the panic handler.
var current *Stream

// Recycle gives the stream back to its plugin's pool.
func (s *Stream) Recycle() {
	s.release()
	if current == s {
		current = nil
	}
	s.Request.Method, s.Request.Host, s.Request.Path, s.Request.Key, s.Request.Keys, s.Request.Only = "", "", "", "", 0, ""
	s.Decision, s.before = policy.Decision{}, policy.Decision{}
	s.headers, s.facts = nil, facts{text: s.facts.text[:0]}
	s.step, s.phase, s.refused = 0, phaseNew, 0
	clear(s.limits)
	s.limits = s.limits[:0]
	s.plugin.free = append(s.plugin.free, s)
}

// Config is the configuration of the stream's plugin.
func (s *Stream) Config() *Config { return &s.plugin.config }

// Headers are the request's headers, as views.
func (s *Stream) Headers() [][2]string { return s.headers }

// Adopted reports whether another filter made the decision so far, so that
// Request has not been read by the steps before.
func (s *Stream) Adopted() bool { return s.before.Stage != policy.StageNone }

// Policy is the snapshot to decide by, no older than that of the filter before;
// nil where there is none, or where the one that is there is too old: code says
// which.
func (s *Stream) Policy() (snapshot *policy.Snapshot, code policy.Code) {
	r := &s.edge.replica
	if r.snapshot == nil || s.Decision.PolicyVersion > r.version() {
		r.catchUp(s.now) // the filter before, in a VM of its own, may have a newer one already
	}
	return r.current(s.now, s.plugin.config.MaxStale)
}

// OnHttpRequestHeaders decides.
func (s *Stream) OnHttpRequestHeaders(int, bool) types.Action {
	s.enter()
	s.phase, s.start = phaseSeen, s.now
	s.readHeaders()
	if s.plugin.problem != "" {
		s.Decision.Code = policy.FilterError
		return s.refuse()
	}
	if needs := s.plugin.filter.Steps[0].Needs; needs != policy.StageNone && !s.adopt(needs) {
		s.Decision = policy.Decision{Code: policy.FilterMissing}
		return s.refuse()
	}
	return s.run()
}

// enter begins a callback of the stream.
func (s *Stream) enter() {
	current = s
	s.now = now()
	s.Request.Now = s.now
}

// run does the filter's steps from where the stream stands.
func (s *Stream) run() types.Action {
	steps := s.plugin.filter.Steps
	for s.Decision.Code == policy.Undecided && s.step < len(steps) {
		if steps[s.step].Run(s) {
			return types.ActionPause
		}
		s.step++
	}
	if s.Decision.Code.Refused() && !s.plugin.config.Shadow {
		return s.refuse()
	}
	return s.pass()
}

// pass lets the request through.
func (s *Stream) pass() types.Action {
	s.phase = phasePassed
	s.hand()
	s.publish()
	if s.plugin.filter.Passed != nil {
		s.plugin.filter.Passed(s)
	}
	return types.ActionContinue
}

// OnHttpRequestTrailers lets the filter see them.
func (s *Stream) OnHttpRequestTrailers(int) types.Action {
	if s.plugin.filter.Trailers != nil {
		current = s
		s.plugin.filter.Trailers(s)
	}
	return types.ActionContinue
}

// OnHttpResponseHeaders tells the partner how much of its limits is left.
func (s *Stream) OnHttpResponseHeaders(int, bool) types.Action {
	if s.phase == phasePassed && len(s.limits) > 0 && s.plugin.config.RateLimitHeaders == RateLimitAlways {
		current = s
		s.addRateLimit()
	}
	return types.ActionContinue
}

// OnHttpStreamDone ends the stream: its slots are free again, and it is counted.
func (s *Stream) OnHttpStreamDone() {
	if s.phase == phaseDone {
		return // hosts may log a stream more than once
	}
	s.enter()
	if s.phase == phaseWaiting {
		s.edge.waiting.remove(s)
	}
	s.release()
	if s.plugin.filter.Counts && s.edge != nil {
		s.count()
	}
	s.phase = phaseDone
	current = nil
}

// count counts the stream by its final decision. A stream without one, which
// went away or was answered by somebody else before, is not counted.
func (s *Stream) count() {
	if s.phase == phaseNew {
		if !s.adopt(policy.StageNone) {
			return
		}
		s.start = s.now
		s.readFacts()
	}
	if s.Decision.Code != policy.Undecided {
		s.edge.usage.count(s)
	}
}

// propertyDecision carries a decision from one filter to the next.
const propertyDecision = "partnergate.decision"

// adopt takes over the decision of the filter before.
func (s *Stream) adopt(needs policy.Stage) bool {
	raw, err := proxywasm.GetProperty(propertyDecision)
	if err != nil {
		return false
	}
	s.found = append(s.found[:0], raw...)
	d, ok := policy.ParseDecision(proxywasm.ViewString(s.found))
	if !ok || d.Stage < needs && !d.Code.Refused() {
		return false
	}
	s.Decision, s.before = d, d
	return true
}

// hand leaves the decision for the next filter, and for the one that counts.
func (s *Stream) hand() {
	if s.plugin.filter.Counts {
		return
	}
	scratch = s.Decision.Append(scratch[:0])
	if err := proxywasm.SetProperty(propertyDecision, scratch); err != nil {
		proxywasm.LogError("partnergate: the host did not take the decision of " + s.plugin.filter.RootID + ": " + err.Error())
	}
}

// now is the host's time in Unix milliseconds.
func now() int64 { return nowNanos() / 1_000_000 }

func nowNanos() int64 {
	nanoseconds, err := proxywasm.GetCurrentTimeNanoseconds()
	if err != nil {
		return 0
	}
	return nanoseconds
}

// grpcContent reports whether a content type is gRPC's.
func grpcContent(contentType string) bool {
	const grpc = "application/grpc"
	return strings.HasPrefix(contentType, grpc) &&
		(len(contentType) == len(grpc) || contentType[len(grpc)] == '+' || contentType[len(grpc)] == ';')
}
