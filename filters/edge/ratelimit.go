package edge

import (
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// limitState is what a partner is told of one limit.
type limitState struct {
	name      string
	kind      policy.LimitKind
	requests  uint64
	remaining int64
	resets    int64 // milliseconds
}

// window is the length of a limit's window in seconds; 0 where there is none,
// or where it differs, as a month's.
func window(kind policy.LimitKind) uint64 {
	switch kind {
	case policy.RatePerSecond:
		return 1
	case policy.RatePerMinute:
		return 60
	case policy.RatePerHour:
		return 3600
	case policy.QuotaPerDay:
		return 86400
	}
	return 0
}

// The RateLimit fields are those of draft-ietf-httpapi-ratelimit-headers-09.

// appendRateLimitPolicy appends the value of RateLimit-Policy.
func appendRateLimitPolicy(b []byte, limits []limitState) []byte {
	for i := range limits {
		l := &limits[i]
		b = appendItem(b, i, l.name)
		b = appendUint(append(b, ";q="...), l.requests)
		if w := window(l.kind); w > 0 {
			b = appendUint(append(b, ";w="...), w)
		}
		if l.kind == policy.InFlight {
			b = append(b, `;qu="concurrent-requests"`...)
		}
	}
	return b
}

// appendRateLimit appends the value of RateLimit.
func appendRateLimit(b []byte, limits []limitState) []byte {
	for i := range limits {
		l := &limits[i]
		b = appendItem(b, i, l.name)
		b = appendUint(append(b, ";r="...), uint64(max(l.remaining, 0)))
		if l.resets > 0 {
			b = appendUint(append(b, ";t="...), seconds(l.resets))
		}
	}
	return b
}

// appendItem appends a limit's name, which is a DNS label, as an item of a list (RFC 9651).
func appendItem(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ", "...)
	}
	return append(append(append(b, '"'), name...), '"')
}

// seconds rounds milliseconds up.
func seconds(milliseconds int64) uint64 { return uint64(max(milliseconds+999, 0) / 1000) }

// addRateLimit sets the fields on the response of a request that was let through.
func (s *Stream) addRateLimit() {
	scratch = appendRateLimitPolicy(scratch[:0], s.limits)
	_ = proxywasm.ReplaceHttpResponseHeader("ratelimit-policy", proxywasm.ViewString(scratch)) // only advice
	scratch = appendRateLimit(scratch[:0], s.limits)
	_ = proxywasm.ReplaceHttpResponseHeader("ratelimit", proxywasm.ViewString(scratch))
}

// addLimitHeaders says on a refusal when to come back.
func (s *Stream) addLimitHeaders() {
	addText("retry-after", appendUint(refusal.texts, max(seconds(s.retryAfter), 1)))
	if s.plugin.config.RateLimitHeaders == RateLimitNever || s.refused >= len(s.limits) {
		return
	}
	addText("ratelimit-policy", appendRateLimitPolicy(refusal.texts, s.limits))
	addText("ratelimit", appendRateLimit(refusal.texts, s.limits[s.refused:s.refused+1]))
}

// addText adds a header whose value was just appended to refusal.texts.
func addText(name string, texts []byte) {
	from := len(refusal.texts)
	refusal.texts = texts
	addHeader(name, proxywasm.ViewString(texts[from:]))
}
