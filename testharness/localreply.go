package testharness

import (
	"net/http"
	"strconv"
	"strings"
)

// noGRPCStatus is what SDKs send when the guest did not choose a gRPC status.
const noGRPCStatus = -1

// localReply is an answer that does not come from the upstream.
type localReply struct {
	code       int
	details    string
	headers    []pair
	body       string
	grpcStatus int32
}

// sendLocalReply answers in place of the upstream, as
// DownstreamFilterManager::sendLocalReply does. If no response has begun, the
// answer passes the filters' response callbacks, all of those that have seen
// the request, the one that answers included. If response headers are on their
// way through the filters, it replaces them without passing any filter. If
// they were sent already, the stream is reset.
func (s *stream) sendLocalReply(during *direction, reply localReply) {
	if s.ended {
		return
	}
	s.request.aborted = true
	if s.upstream != nil {
		s.upstream.stop()
	}
	s.info.codeDetails = reply.details
	switch {
	case s.headersSent:
		s.reset(ErrStreamReset)
	case s.response.headers == nil:
		s.localReply = true
		s.response.headers = s.localHeaders(reply)
		body := s.localBody(reply)
		s.passHeaders(&s.response, 0, body == "")
		if body != "" {
			s.passBody(&s.response, 0, []byte(body), true)
		}
	default:
		s.localReply = true
		s.response.aborted = true
		s.response.headers = s.localHeaders(reply)
		body := s.localBody(reply)
		s.sendHeaders(body == "")
		if body != "" {
			s.sendBody([]byte(body), true)
		}
	}
}

// failureReply answers for a filter whose VM has failed (Context::failStream).
func (s *stream) failureReply(*hop) {
	s.sendLocalReply(nil, localReply{code: http.StatusServiceUnavailable, details: "wasm_fail_stream", grpcStatus: grpcUnavailable})
}

const grpcUnavailable = 14

func (s *stream) isGRPC() bool {
	t := s.request.headers.value("content-type")
	return t == "application/grpc" || strings.HasPrefix(t, "application/grpc+") || strings.HasPrefix(t, "application/grpc;")
}

// localHeaders builds the headers of a local reply (Utility::prepareLocalReply).
// A gRPC request gets its status in them, and HTTP status 200.
func (s *stream) localHeaders(reply localReply) *headerMap {
	h := newResponseHeaders()
	h.add(":status", strconv.Itoa(reply.code))
	for _, p := range reply.headers {
		h.add(p.name, p.value)
	}
	if s.isGRPC() {
		s.grpcHeaders(h, reply)
		return h
	}
	h.remove("content-length")
	if reply.body == "" {
		h.remove("content-type")
		return h
	}
	h.set("content-length", strconv.Itoa(len(reply.body)))
	if _, ok := h.get("content-type"); !ok {
		h.add("content-type", "text/plain")
	}
	return h
}

func (s *stream) grpcHeaders(h *headerMap, reply localReply) {
	h.set(":status", "200")
	h.set("content-type", "application/grpc")
	h.remove("content-length")
	if h.value("grpc-status") == "" {
		status := reply.grpcStatus
		if status < 0 || status > 16 {
			status = grpcStatusOf(reply.code)
		}
		h.set("grpc-status", strconv.Itoa(int(status)))
	}
	if reply.body != "" && !s.isHead() {
		h.set("grpc-message", grpcPercentEncode(reply.body))
	}
}

func (s *stream) isHead() bool { return s.exchange.method == http.MethodHead }

func (s *stream) localBody(reply localReply) string {
	if s.isGRPC() || s.isHead() {
		return ""
	}
	return reply.body
}

// grpcStatusOf maps HTTP codes as Envoy does (Grpc::Utility::httpToGrpcStatus).
func grpcStatusOf(code int) int32 {
	switch code {
	case http.StatusBadRequest:
		return 13
	case http.StatusUnauthorized:
		return 16
	case http.StatusForbidden:
		return 7
	case http.StatusNotFound:
		return 12
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return grpcUnavailable
	}
	return 2
}

// grpcPercentEncode encodes a grpc-message: all but printable ASCII, and "%".
func grpcPercentEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			b.WriteByte('%')
			b.WriteString(strings.ToUpper(hexByte(c)))
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexByte(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}
