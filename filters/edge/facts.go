package edge

import (
	"strings"

	"github.com/partnergate/partnergate/filters/proxywasm"
)

// facts are what the log and refusals tell of a request. They are copies, for
// they are needed after the headers' views are gone.
type facts struct {
	text                    []byte
	requestID, method, path string // views of text
	grpc                    bool
}

// Most bytes that are kept of each fact.
const (
	maxRequestID = 128
	maxMethod    = 32
	maxPath      = 1024
)

// readHeaders reads the request's headers, once.
func (s *Stream) readHeaders() {
	s.headers, _ = proxywasm.GetHttpRequestHeaders() // none: nothing will match
	var requestID, contentType string
	q := &s.Request
	for _, header := range s.headers {
		switch header[0] {
		case ":method":
			q.Method = header[1]
		case ":authority":
			q.Host = header[1]
		case ":path":
			q.Path = header[1]
		case "x-request-id":
			requestID = header[1]
		case "content-type":
			contentType = header[1]
		}
	}
	s.facts.set(requestID, q.Method, q.Path)
	s.facts.grpc = grpcContent(contentType)
}

// readFacts reads what the log tells of a request that the filter never saw.
func (s *Stream) readFacts() {
	requestID, _ := proxywasm.GetHttpRequestHeader("x-request-id")
	method, _ := proxywasm.GetHttpRequestHeader(":method")
	path, _ := proxywasm.GetHttpRequestHeader(":path")
	s.facts.set(requestID, method, path)
}

func (f *facts) set(requestID, method, path string) {
	if query := strings.IndexByte(path, '?'); query >= 0 {
		path = path[:query]
	}
	requestID, method, path = cut(requestID, maxRequestID), cut(method, maxMethod), cut(path, maxPath)
	f.text = append(append(append(f.text[:0], requestID...), method...), path...)
	all := proxywasm.ViewString(f.text)
	f.requestID = all[:len(requestID)]
	f.method = all[len(requestID) : len(requestID)+len(method)]
	f.path = all[len(requestID)+len(method):]
}

func cut(text string, most int) string {
	if len(text) > most {
		return text[:most]
	}
	return text
}

// Names of the stream's properties that access logs show, such as
// %FILTER_STATE(wasm.partnergate.partner:PLAIN)%.
const (
	propertyPartner       = "partnergate.partner"
	propertyApplication   = "partnergate.application"
	propertyProduct       = "partnergate.product"
	propertyEnvironment   = "partnergate.environment"
	propertyOperation     = "partnergate.operation"
	propertySubscription  = "partnergate.subscription"
	propertyOutcome       = "partnergate.outcome"
	propertyLimit         = "partnergate.limit"
	propertyPolicyVersion = "partnergate.policy_version"
)

// publish sets what the filter found out as properties for the access log.
func (s *Stream) publish() {
	d, b := &s.Decision, &s.before
	publish(propertyPartner, d.Partner, b.Partner)
	publish(propertyApplication, d.Application, b.Application)
	publish(propertyEnvironment, d.Environment, b.Environment)
	publish(propertyProduct, d.Product, b.Product)
	publish(propertyOperation, d.Operation, b.Operation)
	publish(propertySubscription, d.Subscription, b.Subscription)
	publish(propertyLimit, d.Limit, b.Limit)
	if d.Code != b.Code {
		publish(propertyOutcome, d.Code.String(), "")
	}
	if d.PolicyVersion != b.PolicyVersion {
		scratch = appendUint(scratch[:0], d.PolicyVersion)
		setProperty(propertyPolicyVersion, scratch)
	}
}

func publish(name, value, before string) {
	switch value {
	case before:
	case "": // the filter before told of what the decision has no more
		setProperty(name, nothing)
	default:
		setProperty(name, proxywasm.ViewBytes(value))
	}
}

// nothing is what access logs show where a property is not set.
var nothing = []byte("-")

func setProperty(name string, value []byte) {
	_ = proxywasm.SetProperty(name, value) // only logs would show it
}
