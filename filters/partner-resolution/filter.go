// Package resolution is the first filter: it finds out who calls, in which
// environment, and removes from the request whatever could pass for that.
package resolution

import (
	"strings"

	"github.com/partnergate/partnergate/filters/edge"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// Filter is the filter by itself.
var Filter = edge.Filter{
	RootID:   "partner-resolution",
	Steps:    []edge.Step{Step},
	Trailers: Trailers,
}

// Step finds the partner.
var Step = edge.Step{Run: resolve}

func resolve(s *edge.Stream) (waits bool) {
	q := &s.Request
	q.Only = s.Config().Environment
	q.Key, q.Keys = "", 0
	for _, header := range s.Headers() {
		takeHeader(q, header[0], header[1])
	}
	snapshot, missing := s.Policy()
	s.Decision = snapshot.Resolve(q)
	if s.Decision.Code == policy.PolicyUnavailable {
		s.Decision.Code = missing
	}
	return false
}

// The headers of credentials.
const (
	headerKey           = "x-api-key"
	headerAuthorization = "authorization"
)

// takeHeader takes credentials, and removes what the upstream must not see.
func takeHeader(q *policy.Request, name, value string) {
	switch {
	case name == headerKey:
		q.Key = value
		q.Keys++
	case name == headerAuthorization:
		if !takeBearer(q, value) {
			return
		}
	case !identity(name):
		return
	}
	_ = proxywasm.RemoveHttpRequestHeader(name) // it is there; a second of the same name is gone already
}

// takeBearer takes the API keys in an Authorization header. A proxy may have
// joined several of them with commas, which no key has.
func takeBearer(q *policy.Request, value string) (taken bool) {
	for value != "" {
		credentials := value
		if comma := strings.IndexByte(value, ','); comma >= 0 {
			credentials, value = value[:comma], value[comma+1:]
		} else {
			value = ""
		}
		if key, ok := bearerKey(credentials); ok {
			q.Key = key
			q.Keys++
			taken = true
		}
	}
	return taken
}

// bearerKey reads "Bearer pgk_…" (RFC 6750, section 2.1; schemes have no case).
func bearerKey(credentials string) (key string, ok bool) {
	credentials = strings.Trim(credentials, " \t")
	const scheme = "bearer"
	if len(credentials) <= len(scheme) || !strings.EqualFold(credentials[:len(scheme)], scheme) {
		return "", false
	}
	rest := credentials[len(scheme):]
	if rest[0] != ' ' && rest[0] != '\t' {
		return "", false
	}
	key = strings.Trim(rest, " \t")
	return key, strings.HasPrefix(key, policy.KeyPrefix)
}

// identity reports whether a header could pass for one that says who calls:
// x-partner-… in any case, with _ for any -, since many upstreams read both as one.
func identity(name string) bool {
	const prefix = "x-partner-"
	if len(name) < len(prefix) {
		return false
	}
	for i := 0; i < len(prefix); i++ {
		c := name[i]
		switch {
		case c == '_':
			c = '-'
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// Trailers removes what could pass for the partner's identity from the
// request's trailers.
func Trailers(*edge.Stream) {
	trailers, _ := proxywasm.GetHttpRequestTrailers() // none: nothing to remove
	for _, trailer := range trailers {
		if identity(trailer[0]) {
			_ = proxywasm.RemoveHttpRequestTrailer(trailer[0]) // as above
		}
	}
}
