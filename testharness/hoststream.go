package testharness

import "strings"

// The stream types of proxy_continue_stream and proxy_close_stream.
const (
	streamRequest = iota
	streamResponse
	streamDownstream
	streamUpstream
)

// hostContinueStream lets a stopped direction go on once the guest has
// returned. From then on the context no longer reaches the request
// (Context::continueStream).
func hostContinueStream(v *vm, p params) status {
	c := v.effective()
	switch p.u32(0) {
	case streamRequest:
		v.later(c, func(s *stream) { s.resume(&s.request, c.hop) })
	case streamResponse:
		v.later(c, func(s *stream) { s.resume(&s.response, c.hop) })
	case streamDownstream:
		return statusOK
	case streamUpstream:
		return statusUnimplemented
	default:
		return statusBadArgument
	}
	c.requestHeaders, c.requestBody, c.requestTrailers = nil, nil, nil
	return statusOK
}

// later does something with a context's stream once the guest has returned.
func (v *vm) later(c *guestContext, do func(*stream)) {
	if c.stream != nil {
		v.afterCall = append(v.afterCall, func() { do(c.stream) })
	}
}

// hostCloseStream resets the stream once the guest has returned.
func hostCloseStream(v *vm, p params) status {
	c := v.effective()
	switch p.u32(0) {
	case streamRequest, streamResponse:
		v.later(c, func(s *stream) {
			if s.info.codeDetails == "" {
				s.info.codeDetails = "wasm_close_stream"
			}
			s.reset(ErrStreamReset)
		})
		return statusOK
	case streamDownstream, streamUpstream:
		return statusOK
	}
	return statusBadArgument
}

// hostSendLocalResponse answers the stream once the guest has returned; what
// the callback then returns counts as a stop (send_local_response,
// src/exports.cc). Blanks in the details become underscores.
func hostSendLocalResponse(v *vm, p params) status {
	details, ok1 := v.readString(p.u32(1), p.u32(2))
	body, ok2 := v.readString(p.u32(3), p.u32(4))
	pairs, ok3 := v.read(p.u32(5), p.u32(6))
	if !ok1 || !ok2 || !ok3 {
		return statusInvalidMemoryAccess
	}
	reply := localReply{
		code: int(p.u32(0)), details: strings.Join(strings.Fields(details), "_"), body: body,
		headers: unmarshalPairs(pairs), grpcStatus: int32(p.u32(7)),
	}
	if c := v.effective(); !c.replying { // of a stream only the first in a callback counts
		c.replying = true
		v.later(c, func(s *stream) {
			c.replying = false
			s.sendLocalReply(nil, reply)
		})
	}
	v.stopIteration = true
	return statusOK
}

// The header maps of the ABI.
const (
	mapRequestHeaders = iota
	mapRequestTrailers
	mapResponseHeaders
	mapResponseTrailers
	mapGRPCInitialMetadata
	mapGRPCTrailingMetadata
	mapCallHeaders
	mapCallTrailers
	mapLast = mapCallTrailers
)

// readableMap is a map that a context can read now, or nil
// (Context::getConstMap). In proxy_on_log that is what the access log sees.
func (c *guestContext) readableMap(kind uint32) *headerMap {
	if c.logging {
		switch kind {
		case mapRequestHeaders:
			return c.stream.request.headers
		case mapResponseHeaders:
			return c.stream.response.headers
		case mapResponseTrailers:
			return c.stream.response.trailers
		}
	}
	switch kind {
	case mapRequestHeaders, mapRequestTrailers, mapResponseHeaders, mapResponseTrailers:
		if c.logging {
			return nil
		}
		return c.openMap(kind)
	case mapCallHeaders:
		if c.root.callAnswer != nil {
			return c.root.callAnswer.headers
		}
	case mapCallTrailers:
		if c.root.callAnswer != nil {
			return c.root.callAnswer.trailers
		}
	}
	return nil
}

func (c *guestContext) openMap(kind uint32) *headerMap {
	switch kind {
	case mapRequestHeaders:
		return c.requestHeaders
	case mapRequestTrailers:
		return c.requestTrailers
	case mapResponseHeaders:
		return c.responseHeaders
	case mapResponseTrailers:
		return c.responseTrailers
	}
	return nil
}

// writableMap is a map that a context can change now, or nil (Context::getMap).
// Nothing can be changed in proxy_on_log.
func (c *guestContext) writableMap(kind uint32) *headerMap { return c.openMap(kind) }

func hostGetHeaderMapPairs(v *vm, p params) status {
	if p.u32(0) > mapLast {
		return statusBadArgument
	}
	m := v.effective().readableMap(p.u32(0))
	if m.size() == 0 { // a map that is not there counts as empty
		return v.hand(nil, p.u32(1), p.u32(2))
	}
	return v.hand(marshalPairs(m.pairs), p.u32(1), p.u32(2))
}

func hostSetHeaderMapPairs(v *vm, p params) status {
	if p.u32(0) > mapLast {
		return statusBadArgument
	}
	data, ok := v.read(p.u32(1), p.u32(2))
	if !ok {
		return statusInvalidMemoryAccess
	}
	m := v.effective().writableMap(p.u32(0))
	if m == nil {
		return statusBadArgument
	}
	m.pairs = nil
	for _, pair := range unmarshalPairs(data) {
		m.add(pair.name, pair.value)
	}
	return statusOK
}

// hostGetHeaderMapValue gives the first value of a header. Without the map it
// is a bad argument, but in proxy_on_log it is not found.
func hostGetHeaderMapValue(v *vm, p params) status {
	if p.u32(0) > mapLast {
		return statusBadArgument
	}
	name, ok := v.readString(p.u32(1), p.u32(2))
	if !ok {
		return statusInvalidMemoryAccess
	}
	c := v.effective()
	m := c.readableMap(p.u32(0))
	if m == nil && !c.logging {
		return statusBadArgument
	}
	if m == nil {
		return statusNotFound
	}
	value, found := m.get(name)
	if !found {
		return statusNotFound
	}
	return v.hand([]byte(value), p.u32(3), p.u32(4))
}

// changeMap reads a name and a value and applies them to a map.
func changeMap(v *vm, p params, change func(m *headerMap, name, value string)) status {
	if p.u32(0) > mapLast {
		return statusBadArgument
	}
	name, ok := v.readString(p.u32(1), p.u32(2))
	value := ""
	if ok && len(p) > 3 {
		value, ok = v.readString(p.u32(3), p.u32(4))
	}
	if !ok {
		return statusInvalidMemoryAccess
	}
	m := v.effective().writableMap(p.u32(0))
	if m == nil {
		return statusBadArgument
	}
	change(m, name, value)
	return statusOK
}

func hostAddHeaderMapValue(v *vm, p params) status {
	return changeMap(v, p, (*headerMap).add)
}

func hostReplaceHeaderMapValue(v *vm, p params) status {
	return changeMap(v, p, (*headerMap).set)
}

func hostRemoveHeaderMapValue(v *vm, p params) status {
	return changeMap(v, p[:3], func(m *headerMap, name, _ string) { m.remove(name) })
}

func hostGetHeaderMapSize(v *vm, p params) status {
	if p.u32(0) > mapLast {
		return statusBadArgument
	}
	m := v.effective().writableMap(p.u32(0))
	if m == nil {
		return statusBadArgument
	}
	return v.writeUint32s(p.u32(1), uint32(m.byteSize()))
}
