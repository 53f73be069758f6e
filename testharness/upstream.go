package testharness

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// upstreamCall is the router's part of a stream: the call to the upstream.
type upstreamCall struct {
	*handlerCall
	canceled bool
}

// startUpstream sends request headers that have passed all filters.
func (s *stream) startUpstream(end bool) {
	if s.proxy.config.upstream == nil || !s.hasRoute() {
		s.sendLocalReply(nil, localReply{code: http.StatusNotFound, details: "route_not_found", grpcStatus: noGRPCStatus})
		return
	}
	if name := s.request.headers.missing(":method"); name != "" {
		message := "missing required header: " + name
		s.sendLocalReply(nil, localReply{code: http.StatusServiceUnavailable, body: message, grpcStatus: noGRPCStatus,
			details: "filter_removed_required_request_headers{" + strings.ReplaceAll(message, " ", "_") + "}"})
		return
	}
	r := httpRequest(s.request.headers, s.info.source)
	u := &upstreamCall{}
	u.handlerCall = &handlerCall{
		loop: s.thread.loop, handler: s.proxy.config.upstream, request: r.WithContext(context.WithoutCancel(s.exchange.context)),
		onHeaders: func(h *headerMap, end bool) { s.upstreamHeaders(u, h, end) },
		onBody:    func(data []byte, ack func()) { s.upstreamBody(u, data, ack) },
		onEnd:     func(trailers *headerMap) { s.upstreamEnd(u, trailers) },
		onAbort:   func(err error, begun bool) { s.upstreamAborted(u, err, begun) },
	}
	s.upstream = u
	if end {
		r.ContentLength = 0
	}
	u.start(&s.proxy.handlers, s.proxy.isLongPoll(r))
	s.exchange.pipe.Store(u.body)
	if end {
		u.body.write(nil, true)
	}
}

// hasRoute is false if a filter took away what Envoy finds the route by
// (RouteMatcher in config_impl.cc).
func (s *stream) hasRoute() bool {
	return s.request.headers.value(":path") != "" && s.request.headers.value("x-forwarded-proto") != ""
}

// send passes request body and its end on to the handler.
func (u *upstreamCall) send(data []byte, end bool, trailers *headerMap) {
	if trailers != nil {
		request := u.request
		u.body.mu.Lock()
		u.body.trailer = func() { request.Trailer = trailers.header() }
		u.body.mu.Unlock()
	}
	u.body.write(data, end)
}

// stop breaks off the call; what it still answers is ignored.
func (u *upstreamCall) stop() {
	if !u.canceled {
		u.canceled = true
		u.handlerCall.stop()
	}
}

func (s *stream) upstreamHeaders(u *upstreamCall, headers *headerMap, end bool) {
	if u.canceled || s.ended {
		return
	}
	s.info.codeDetails = "via_upstream"
	s.info.code, _ = strconv.Atoi(headers.value(":status"))
	s.response.headers = headers
	s.passHeaders(&s.response, 0, end)
}

func (s *stream) upstreamBody(u *upstreamCall, data []byte, ack func()) {
	if u.canceled || s.ended {
		return
	}
	s.passBody(&s.response, 0, data, false)
	s.acknowledge(&s.response, ack)
}

func (s *stream) upstreamEnd(u *upstreamCall, trailers *headerMap) {
	if u.canceled || s.ended {
		return
	}
	if trailers == nil {
		s.passBody(&s.response, 0, nil, true)
		return
	}
	s.response.trailers = trailers
	s.passTrailers(&s.response, 0)
}

// upstreamAborted answers for an upstream that broke off: 503 if it had not
// begun to answer (Envoy's router), else the stream is reset.
func (s *stream) upstreamAborted(u *upstreamCall, err error, begun bool) {
	if u.canceled || s.ended {
		return
	}
	s.proxy.logs.append(s.proxy.entry(nil, LogError, "upstream: "+err.Error()))
	if !begun {
		s.sendLocalReply(nil, localReply{
			code: http.StatusServiceUnavailable, grpcStatus: noGRPCStatus,
			body:    "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
			details: "upstream_reset_before_response_started{connection_termination}",
		})
		return
	}
	s.info.codeDetails = "upstream_reset_after_response_started{connection_termination}"
	s.reset(ErrStreamReset)
}

// acknowledge lets the sender of a direction go on, unless a filter that
// stopped everything holds too much of it already: then once that goes on.
func (s *stream) acknowledge(d *direction, ack func()) {
	d.ack = ack
	s.releaseSender(d)
}

func (s *stream) releaseSender(d *direction) {
	if d.ack == nil {
		return
	}
	for _, h := range s.hops {
		if len(h.half(d).held) > bufferLimit && !s.ended {
			return
		}
	}
	if d.response && !s.ended && s.exchange.backlog() > bufferLimit {
		return
	}
	d.ack()
	d.ack = nil
}
