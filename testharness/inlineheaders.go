package testharness

import (
	"net/http"
	"strings"
)

// Envoy has one place for each of these headers: a second value is appended to
// the first with a comma, wherever it comes from. Of all other headers, each
// value stays apart. Found by comparison with Envoy 1.40, whose lists are
// INLINE_REQ_STRING_HEADERS and so on (envoy/http/header_map.h) and what
// extensions register (CustomInlineHeaderRegistry).
var (
	inlineRequest = names(`:authority :method :path :scheme accept accept-encoding authorization cache-control
		content-type content-length grpc-timeout if-none-match origin pragma referer user-agent via
		x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id`)
	inlineResponse = names(`:status access-control-allow-credentials access-control-allow-headers
		access-control-allow-methods access-control-allow-origin access-control-expose-headers access-control-max-age
		age cache-control content-encoding content-type content-length etag expires grpc-message grpc-status
		last-modified location proxy-connection proxy-status vary via x-envoy-degraded x-envoy-ratelimited x-request-id`)
)

// notFromClients are headers that Envoy's connection manager takes away from
// requests before any filter sees them: those of the connection, and those by
// which only internal callers may steer Envoy (ConnectionManagerUtility,
// with the default settings).
var notFromClients = names(`connection keep-alive proxy-connection transfer-encoding upgrade host
	x-envoy-internal x-envoy-retriable-status-codes x-envoy-retriable-header-names x-envoy-retry-on
	x-envoy-retry-grpc-on x-envoy-max-retries x-envoy-upstream-alt-stat-name x-envoy-upstream-rq-timeout-ms
	x-envoy-upstream-rq-per-try-timeout-ms x-envoy-expected-rq-timeout-ms x-envoy-force-trace x-envoy-ip-tags
	x-envoy-original-url x-envoy-hedge-on-per-try-timeout x-forwarded-client-cert`)

func names(list string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(list) {
		set[name] = true
	}
	return set
}

func newRequestHeaders() *headerMap { return &headerMap{inline: inlineRequest} }

func newResponseHeaders() *headerMap { return &headerMap{inline: inlineResponse} }

// keptFrom says whether a header of a request reaches the filters. Of te only
// trailers does; what Connection names belongs to the connection too.
func keptFrom(r *http.Request, name, value string) bool {
	if notFromClients[name] || name == "te" && value != "trailers" {
		return false
	}
	for _, list := range r.Header["Connection"] {
		for token := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(token), name) {
				return false
			}
		}
	}
	return true
}
