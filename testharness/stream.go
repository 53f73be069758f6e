package testharness

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// bufferLimit is how much of a body a filter may hold back: 1 MiB, Envoy's
// default per_connection_buffer_limit_bytes.
const bufferLimit = 1 << 20

// stream is one request with its response on its way through the filters
// (Envoy's FilterManager). Only its thread's loop touches it, until it ended.
type stream struct {
	proxy    *Proxy
	thread   *thread
	exchange *Exchange
	info     streamInfo
	hops     []*hop // in chain order; the response meets them in reverse

	request, response direction
	upstream          *upstreamCall
	headersSent       bool // the response headers went downstream
	localReply        bool
	ended             bool
}

// hop is one filter's place in a stream.
type hop struct {
	stream   *stream
	context  *guestContext
	position int // in the chain
	decoding half
	encoding half
}

// half is how far one direction has come at one filter.
type half struct {
	stopped    stopState
	buffering  bool   // the filter wants to see all of what is held
	held       []byte // body held back here
	heldEnd    bool   // and its end
	heldBody   bool   // there is held body, be it empty
	trailers   bool   // trailers are held back here
	atTrailers bool   // the filter stopped in its trailers callback
}

// stopState is Envoy's IterationState.
type stopState int

const (
	flowing stopState = iota
	stoppedAll
	stoppedBody
)

// direction is the request or the response of a stream.
type direction struct {
	response bool
	headers  *headerMap
	trailers *headerMap
	aborted  bool   // nothing of it goes any further
	ack      func() // lets the sender of the body go on
}

// streamInfo is what properties tell about a stream.
type streamInfo struct {
	id                  uint64 // of the connection
	start               time.Time
	end                 time.Time
	protocol            string
	source, destination string
	route, cluster      string
	code                int
	codeDetails         string
	filterState         map[string][]byte
	received, sent      int // bytes of body
}

// chain returns the filters in the order in which a direction meets them.
func (s *stream) at(d *direction, i int) *hop {
	if d.response {
		return s.hops[len(s.hops)-1-i]
	}
	return s.hops[i]
}

// place is the inverse of at.
func (s *stream) place(d *direction, h *hop) int {
	if d.response {
		return len(s.hops) - 1 - h.position
	}
	return h.position
}

func (h *hop) half(d *direction) *half {
	if d.response {
		return &h.encoding
	}
	return &h.decoding
}

// start makes the filters' contexts and lets the request headers in.
func (s *stream) start(end bool) {
	s.thread.streams[s] = struct{}{}
	s.thread.filterContexts(s)
	for i, h := range s.hops {
		h.position = i
	}
	s.passHeaders(&s.request, 0, end)
}

// passHeaders shows the headers to the filters from the i-th on.
func (s *stream) passHeaders(d *direction, i int, end bool) {
	for ; i < len(s.hops); i++ {
		if d.aborted || s.ended {
			return
		}
		h := s.at(d, i)
		var act action
		if d.response {
			act = h.context.onResponseHeaders(d.headers, end)
		} else {
			act = h.context.onRequestHeaders(d.headers, end)
		}
		if d.aborted || s.ended {
			return
		}
		if act != actionContinue {
			half := h.half(d)
			half.stopped, half.heldEnd = stoppedAll, end
			return
		}
	}
	if !d.aborted && !s.ended {
		s.headersThrough(d, end)
	}
}

// headersThrough takes headers that have passed all filters.
func (s *stream) headersThrough(d *direction, end bool) {
	if d.response {
		s.sendHeaders(end)
		return
	}
	s.startUpstream(end)
}

// passBody shows a piece of body to the filters from the i-th on.
func (s *stream) passBody(d *direction, i int, data []byte, end bool) {
	for ; i < len(s.hops); i++ {
		if d.aborted || s.ended {
			return
		}
		h := s.at(d, i)
		half := h.half(d)
		if half.stopped == stoppedAll {
			s.hold(d, h, data, end)
			return
		}
		var goOn bool
		if data, goOn = s.offerBody(d, h, data, end); !goOn {
			return
		}
	}
	if !d.aborted && !s.ended {
		s.bodyThrough(d, data, end)
	}
}

// offerBody calls one filter's body callback. It returns what goes on from it.
func (s *stream) offerBody(d *direction, h *hop, data []byte, end bool) (out []byte, goOn bool) {
	half := h.half(d)
	view := &data
	if half.buffering {
		s.hold(d, h, data, false)
		if d.aborted || s.ended {
			return nil, false
		}
		view = &half.held
	}
	var act action
	if d.response {
		act = h.context.onResponseBody(view, end)
	} else {
		act = h.context.onRequestBody(view, end)
	}
	if d.aborted || s.ended {
		return nil, false
	}
	wasBuffering := half.buffering
	half.buffering = act == actionStopAndBuffer
	switch act {
	case actionContinue:
		if wasBuffering {
			data = nil
		}
		if half.heldBody {
			data = append(half.held, data...)
		}
		half.release()
		return data, true
	case actionStopAndBuffer, actionStopAndWatermark:
		if wasBuffering {
			data = nil
		}
		s.hold(d, h, data, end)
	}
	half.stopped = stoppedBody
	half.heldEnd = half.heldEnd || end
	return nil, false
}

// release forgets what was held; the caller has taken it.
func (h *half) release() {
	h.held, h.heldBody, h.heldEnd, h.stopped = nil, false, false, flowing
}

// hold keeps body back at a filter. A filter that stopped everything makes the
// sender wait when that becomes too much; one that buffers gets it answered as
// Envoy does: 413 for a request, 500 for a response.
func (s *stream) hold(d *direction, h *hop, data []byte, end bool) {
	half := h.half(d)
	half.held = append(half.held, data...)
	half.heldBody = true
	half.heldEnd = half.heldEnd || end
	if len(half.held) <= bufferLimit || !half.buffering {
		return
	}
	reply := localReply{code: http.StatusRequestEntityTooLarge, body: "Payload Too Large", details: "request_payload_too_large", grpcStatus: noGRPCStatus}
	if d.response {
		reply = localReply{code: http.StatusInternalServerError, body: "Internal Server Error", details: "response_payload_too_large", grpcStatus: noGRPCStatus}
	}
	s.sendLocalReply(d, reply)
}

func (s *stream) bodyThrough(d *direction, data []byte, end bool) {
	if d.response {
		s.sendBody(data, end)
		return
	}
	s.upstream.send(data, end, nil)
}

// passTrailers shows the trailers, which end the direction, to the filters
// from the i-th on.
func (s *stream) passTrailers(d *direction, i int) {
	for ; i < len(s.hops); i++ {
		if d.aborted || s.ended {
			return
		}
		h := s.at(d, i)
		half := h.half(d)
		if half.stopped == stoppedAll {
			half.trailers = true
			return
		}
		var act action
		if d.response {
			act = h.context.onResponseTrailers(d.trailers)
		} else {
			act = h.context.onRequestTrailers(d.trailers)
		}
		if d.aborted || s.ended {
			return
		}
		if act != actionContinue {
			half.stopped, half.trailers, half.atTrailers = stoppedBody, true, true
			return
		}
		s.flushHeld(d, i, half)
	}
	if !d.aborted && !s.ended {
		s.trailersThrough(d)
	}
}

// flushHeld lets go what a filter held before its trailers passed.
func (s *stream) flushHeld(d *direction, i int, half *half) {
	held, had := half.held, half.heldBody
	half.release()
	half.buffering = false
	if had {
		s.passBody(d, i+1, held, false)
	}
}

func (s *stream) trailersThrough(d *direction) {
	if d.response {
		s.sendTrailers()
		return
	}
	s.upstream.send(nil, true, d.trailers)
}

// resume lets a stopped direction go on from a filter (commonContinue in
// filter_manager.cc). If the filter stopped at the headers, it has not seen
// the body that came meanwhile: that goes on from itself, not from the next.
func (s *stream) resume(d *direction, h *hop) {
	half := h.half(d)
	if s.ended || d.aborted || half.stopped == flowing {
		return
	}
	next := s.place(d, h)
	was := *half
	half.release()
	half.trailers, half.buffering = false, false
	bodyFrom := next + 1
	if was.stopped == stoppedAll {
		bodyFrom = next
		s.passHeaders(d, next+1, was.heldEnd && !was.heldBody && !was.trailers)
	}
	if was.heldBody {
		s.passBody(d, bodyFrom, was.held, was.heldEnd && !was.trailers)
	} else if was.stopped == stoppedBody && was.heldEnd && !was.trailers {
		s.passBody(d, bodyFrom, nil, true)
	}
	if was.trailers && !d.aborted && !s.ended {
		from := bodyFrom
		if was.atTrailers {
			from = next + 1
		}
		half.atTrailers = false
		s.passTrailers(d, from)
	}
	s.releaseSender(d)
}

// ErrStreamReset is what Do returns when the stream was reset: by a filter
// (proxy_close_stream) or an upstream that broke off its response.
var ErrStreamReset = errors.New("stream reset")

// reset ends the stream without a (whole) response.
func (s *stream) reset(cause error) {
	if s.ended {
		return
	}
	s.exchange.fail(fmt.Errorf("%w (%s)", cause, s.info.codeDetails))
	s.end()
}

// end runs the last callbacks: log for every filter, then done and delete
// (doDeferredStreamDestroy: log before destroyFilters).
func (s *stream) end() {
	if s.ended {
		return
	}
	s.ended = true
	s.request.aborted, s.response.aborted = true, true
	s.info.end = s.proxy.clock.Now()
	if s.upstream != nil {
		s.upstream.stop()
	}
	s.releaseSender(&s.request)
	s.releaseSender(&s.response)
	for _, h := range s.hops {
		h.context.onLog()
	}
	for _, h := range s.hops {
		h.context.destroy()
	}
	delete(s.thread.streams, s)
	s.exchange.closeBody()
	s.exchange.finish()
}
