package corpus

var paths = []Case{
	path("//v1/pay", notCanonical, admitted),
	path("/v1//pay", notCanonical, admitted),
	path("/v1/../admin", notCanonical, notFound),
	path("/v1/%2e%2e/admin", notCanonical, notFound),
	path("/v1/%2E./admin", notCanonical, notFound),
	path("/v1/./pay", notCanonical, admitted),
	path("/./v1/pay", notCanonical, admitted),
	path("/v1/pay/.", notCanonical, notFound),
	path("/v1/pay/..", notCanonical, notFound),
	path("/v1/..;/admin", notCanonical, notCanonical),
	path("/v1/%2e%2e;x=1/admin", notCanonical, notCanonical),
	path("/v1%2fpay", notCanonical, refusedEarly),
	path("/v1%2Fpay", notCanonical, refusedEarly),
	path("/v1%5cpay", notCanonical, refusedEarly),
	path("/v1/%252e%252e/admin", notCanonical, notCanonical),
	path("/v1/%25%32%65/admin", notCanonical, notCanonical),
	path("/v1/pay%00", notCanonical, refusedEarly),
	path("/v1/pay%0a", notCanonical, notCanonical),
	path("/v1/pay%1f", notCanonical, notCanonical),
	path("/v1/pay%7f", notCanonical, notCanonical),
	path("/v1/pay%", notCanonical, notCanonical),
	path("/v1/pay%4", notCanonical, notCanonical),
	path("/v1/%zz", notCanonical, notCanonical),
	path("/v1/%c0%af", notCanonical, notCanonical),
	path("/v1/%ff", notCanonical, notCanonical),
	path("/V1/pay", notFound, notFound),
	path("/v1/pay/", notFound, notFound),
	path("/v1/pay;a=b", notFound, notFound),
	path("/v1/pay%3ba=b", notFound, notFound),
	path("/v1/pa%C3%BD", notFound, notFound),
	path("/%76%31/pay", admitted, admitted),
	path("/v1/p%61%79", admitted, admitted),
}

// Targets that a host refuses itself, or reads in a way of its own.
var targets = []Case{
	same("a fragment", refusedEarly, Case{Target: "/v1/pay#x"}),
	same("an asterisk", refusedEarly, Case{Target: "*"}),
	same("a tab", refusedEarly, Case{Target: "/v1/pay\tx"}),
	same("raw 8-bit bytes", refusedEarly, Case{Target: "/v1/pa\xc3\xbd"}),
	same("another server's URL", notFound, Case{Target: "http://evil/v1/pay"}),
	same("its own URL", admitted, Case{Target: "http://" + SandboxHost + "/v1/pay", Host: "ignored.example.test"}),
}

var credentials = []Case{
	same("no key", missing, Case{NoKey: true}),
	same("an empty key", missing, Case{NoKey: true, Headers: []Header{{"x-api-key", ""}}}),
	same("a key in the query only", missing, Case{NoKey: true, Target: "/v1/pay?api_key=" + Key}),
	same("another scheme", missing, Case{NoKey: true, Headers: []Header{{"authorization", "Basic Zm9vOmJhcg=="}}}),
	same("a bearer token of somebody else", missing, Case{NoKey: true, Headers: []Header{{"authorization", "Bearer eyJhbGciOi"}}}),
	same("a malformed key", unknown, Case{NoKey: true, Headers: []Header{{"x-api-key", "pgk_sandbox_short"}}}),
	same("a key that is only nearly one", unknown, Case{NoKey: true, Headers: []Header{{"x-api-key", Key + "x"}}}),
	same("two keys", ambiguous, Case{Headers: []Header{{"x-api-key", OtherKey}}}),
	same("the same key twice", ambiguous, Case{Headers: []Header{{"x-api-key", Key}}}),
	same("a key beside an empty one", ambiguous, Case{Headers: []Header{{"x-api-key", ""}}}),
	same("a key by each header", ambiguous, Case{Headers: []Header{{"authorization", "Bearer " + OtherKey}}}),
	same("two bearer keys", ambiguous, Case{NoKey: true, Headers: []Header{
		{"authorization", "Bearer " + Key}, {"authorization", "Bearer " + OtherKey}}}),
	same("a bearer key", admitted, Case{NoKey: true, Headers: []Header{{"authorization", "Bearer " + Key}}}),
	same("a bearer key, the scheme in other letters", admitted, Case{NoKey: true, Headers: []Header{{"Authorization", "bEARER  " + Key}}}),
	same("a key beside the upstream's own credential", admitted, Case{Headers: []Header{{"authorization", "Basic Zm9vOmJhcg=="}}}),
}

// identities try to pass for somebody else, or for another request. The upstream sees who the key says it is, and the path that was sent.
var identities = []Case{
	same("another's x-partner-id", admitted, Case{Headers: []Header{{"x-partner-id", "globex"}}}),
	same("several of them, in other letters", admitted, Case{Headers: []Header{
		{"X-Partner-Id", "globex"}, {"x-partner-id", "globex"}, {"X-PARTNER-PRODUCT", "admin"}, {"x-partner-anything", "1"}}}),
	same("with underscores", admitted, Case{Headers: []Header{{"x_partner_id", "globex"}, {"x-partner_id", "globex"}, {"X_PARTNER-ID", "globex"}}}),
	same("X-Forwarded-For", admitted, Case{Headers: []Header{{"x-forwarded-for", "10.0.0.1"}, {"x-real-ip", "10.0.0.1"}}}),
	same("X-Forwarded-Host", notFound, Case{Host: "unknown.example.test", Headers: []Header{{"x-forwarded-host", SandboxHost}}}),
	same("x-envoy-original-path of something allowed", notFound, Case{Target: "/admin", Headers: []Header{
		{"x-envoy-original-path", "/v1/pay"}, {"x-original-url", "/v1/pay"}, {"x-rewrite-url", "/v1/pay"}}}),
	same("x-envoy-original-path of something refused", admitted, Case{Headers: []Header{{"x-envoy-original-path", "/admin"}}}),
	same("a method that overrides", notFound, Case{Method: "POST", Headers: []Header{{"x-http-method-override", "GET"}, {"x-http-method", "GET"}}}),
	same("a method that would override", admitted, Case{Headers: []Header{{"x-http-method-override", "DELETE"}}}),
}

var hosts = []Case{
	same("the host in other letters", admitted, Case{Host: "Sandbox.API.Example.test"}),
	same("the host with its root", admitted, Case{Host: SandboxHost + "."}),
	same("the host with a port", admitted, Case{Host: SandboxHost + ":8080"}),
	same("all three", admitted, Case{Host: "SANDBOX.api.example.TEST.:443"}),
	same("a host of nobody", notFound, Case{Host: "unknown.example.test"}),
	same("a host below ours", notFound, Case{Host: "x." + SandboxHost}),
	same("a sandbox key on the production host", mismatch, Case{Host: ProductionHost}),
	same("the same for what does not exist", mismatch, Case{Host: ProductionHost, Target: "/nonsense"}),
}

var methods = []Case{
	same("TRACE", notFound, Case{Method: "TRACE"}),
	same("HEAD, which is not declared", Want{Status: 404}, Case{Method: "HEAD"}),
	same("OPTIONS, which is not declared", notFound, Case{Method: "OPTIONS"}),
	same("a method that is declared elsewhere", notFound, Case{Method: "POST"}),
	same("a method of nobody", notFound, Case{Method: "PURGE"}),
	same("a method in small letters", Want{Status: 404}, Case{Method: "get"}),
}
