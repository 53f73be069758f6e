package edge

import (
	"strconv"
	"unicode/utf8"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// challenge is sent with 401: how a key is sent (RFC 9110, section 11.6.1).
const challenge = `Bearer realm="partnergate", ApiKey realm="partnergate", header="x-api-key"`

// refusal is scratch space for answers; a VM answers one request at a time.
var refusal struct {
	headers [][2]string
	body    []byte
	texts   []byte
}

// refuse answers the request with its decision's code: problem+json (RFC 9457),
// or for a gRPC call its status in the headers alone.
func (s *Stream) refuse() types.Action {
	s.phase = phaseRefused
	info := s.Decision.Code.Info()
	s.hand()
	s.publish()
	refusal.headers = refusal.headers[:0]
	refusal.texts = refusal.texts[:0]
	addHeader("cache-control", "no-store")
	switch info.Status {
	case 401:
		addHeader("www-authenticate", challenge)
	case 429:
		s.addLimitHeaders()
	}
	s.send(info)
	return types.ActionPause
}

func (s *Stream) send(info *policy.CodeInfo) {
	grpcStatus := int32(-1)
	if s.facts.grpc {
		// The host makes the body the grpc-message.
		refusal.body = append(append(append(refusal.body[:0], info.Name...), ": "...), info.Detail...)
		grpcStatus = grpcNumber(info.GRPC)
	} else {
		addHeader("content-type", "application/problem+json")
		s.problemBody()
	}
	if err := proxywasm.SendHttpResponse(uint32(info.Status), refusal.headers, refusal.body, grpcStatus); err != nil {
		proxywasm.LogError("partnergate: the host did not take a refusal: " + err.Error())
	}
}

func addHeader(name, value string) {
	refusal.headers = append(refusal.headers, [2]string{name, value})
}

// problems holds the part of each code's problem that is the same for all requests.
type problems [32][]byte

func (p *Plugin) problemStart(code policy.Code) []byte {
	at := int(code) % len(p.problems)
	if p.problems[at] == nil {
		info := code.Info()
		b := appendJSON([]byte(`{"type":`), p.config.ErrorsURL+info.Name)
		b = appendJSON(append(b, `,"title":`...), info.Title)
		b = strconv.AppendInt(append(b, `,"status":`...), int64(info.Status), 10)
		b = appendJSON(append(b, `,"detail":`...), info.Detail)
		b = appendJSON(append(b, `,"code":`...), info.Name)
		p.problems[at] = append(b, `,"request_id":`...)
	}
	return p.problems[at]
}

func (s *Stream) problemBody() {
	d := &s.Decision
	b := append(refusal.body[:0], s.plugin.problemStart(d.Code)...)
	b = appendJSON(b, s.facts.requestID)
	b = appendUint(append(b, `,"policy_version":`...), d.PolicyVersion)
	if d.Code == policy.LimitExceeded {
		b = appendJSON(append(b, `,"limit":`...), d.Limit)
	}
	refusal.body = append(b, '}', '\n')
}

// appendJSON appends a text as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendJSON(b []byte, text string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, '"')
}

func appendUint(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

func grpcNumber(status string) int32 {
	n := int32(0)
	for i := 0; i < len(status); i++ {
		n = 10*n + int32(status[i]-'0')
	}
	return n
}

// unmade stands in for a stream's plugin where that of the stream is not known.
var unmade = &Plugin{config: Config{ErrorsURL: DefaultErrorsURL}}

// answerPanic answers a request whose callback panicked, be it before it came
// to the stream, or because the stream could not be made.
func answerPanic(contextID uint32, _ string) {
	s := current
	if s == nil || s.id != contextID {
		s = &Stream{id: contextID, plugin: unmade}
		s.readHeaders()
	}
	s.Decision.Code = policy.FilterError
	s.refuse()
}
