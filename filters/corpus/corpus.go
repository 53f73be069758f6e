// Package corpus is the table of requests that are odd, and what each must get.
// It is data alone, so that the same cases run natively, in the harness and in
// a real proxy.
//
// The cases suppose an estate in which partner acme may GET /v1/pay of product
// payments in sandbox (host SandboxHost) and production (ProductionHost), and
// partner globex GET /admin of product admin in sandbox. Other partners: initech
// is suspended; hooli's subscription to payments is. In headers, {acme} stands
// for acme's sandbox key, and so on: see Keys.
package corpus

import "strings"

// The hosts of the estate.
const (
	SandboxHost    = "sandbox.api.example.test"
	ProductionHost = "api.example.test"
)

// Keys are the names that stand for keys in headers, each in braces.
var Keys = []string{
	"acme",            // sandbox
	"acme-production", // production
	"globex",          // sandbox
	"initech",         // sandbox, of a suspended partner
	"hooli",           // sandbox, of a suspended subscription
	"acme-revoked",    // sandbox, revoked a moment ago
	"acme-expired",    // sandbox, past its time; where keys cannot be made so, leave the cases that use it out
	"unissued",        // well-formed, but nobody's
}

// Header is one header line.
type Header struct{ Name, Value string }

// Verdict is what a request must get.
type Verdict struct {
	Status int
	Code   string // of the problem; empty where there is none
	// Listener says that a real listener refuses the request itself, without
	// the filters' problem. The filters alone answer with Code.
	Listener bool
}

// Case is one odd request.
type Case struct {
	Name    string
	Method  string // GET unless set
	Target  string // of the request line, byte for byte
	Host    string // SandboxHost unless set
	Headers []Header

	Raw  Verdict // from a listener that passes paths on as they come
	Hard Verdict // from one that normalises paths first (normalize_path, merge_slashes, REJECT_REQUEST)
	// Normalized is what the filters see of Target behind a listener that
	// normalises; empty where it is the same.
	Normalized string
	// Upstream says what the upstream must and must not get where it is let
	// through: header by header, empty for none.
	Upstream map[string]string
}

// Fill replaces the names of keys in a header's value.
func Fill(value string, keys map[string]string) string {
	for name, key := range keys {
		value = strings.ReplaceAll(value, "{"+name+"}", key)
	}
	return value
}

var (
	served      = Verdict{Status: 200}
	notFound    = Verdict{Status: 404, Code: "operation_not_found"}
	odd         = Verdict{Status: 400, Code: "path_not_canonical"}
	oddListener = Verdict{Status: 400, Code: "path_not_canonical", Listener: true}
)

func unauthorized(code string) Verdict { return Verdict{Status: 401, Code: "credential_" + code} }
func forbidden(code string) Verdict    { return Verdict{Status: 403, Code: code} }

// acme is a request with acme's key.
func acme(headers ...Header) []Header {
	return append([]Header{{"x-api-key", "{acme}"}}, headers...)
}

func path(target string, raw, hard Verdict, normalized string) Case {
	return Case{Name: "path " + target, Target: target, Headers: acme(), Raw: raw, Hard: hard, Normalized: normalized}
}

// both is a case that every listener treats alike.
func both(name string, want Verdict, headers ...Header) Case {
	return Case{Name: name, Target: "/v1/pay", Headers: headers, Raw: want, Hard: want}
}

func with(c Case, change func(*Case)) Case {
	change(&c)
	return c
}

// Cases are the odd requests, and Good, one that must be served after each.
func Cases() []Case {
	var cases []Case
	cases = append(cases, paths()...)
	cases = append(cases, credentials()...)
	cases = append(cases, identities()...)
	return append(cases, hosts()...)
}

// Good is a plain request that is served.
var Good = Case{Name: "good", Target: "/v1/pay", Headers: acme(), Raw: served, Hard: served}

func paths() []Case {
	return []Case{
		path("/v1/pay", served, served, ""),
		path("/v1/pay?admin=/../admin", served, served, ""),
		path("//v1/pay", odd, served, "/v1/pay"),
		path("/v1//pay", odd, served, "/v1/pay"),
		path("/v1/../admin", odd, notFound, "/admin"),
		path("/v1/./pay", odd, served, "/v1/pay"),
		path("/v1/%2e%2e/admin", odd, notFound, "/admin"),
		path("/v1/..;/admin", odd, notFound, "/admin"), // Envoy takes it for a dot segment
		path("/v1/%2e%2e;/admin", odd, odd, ""),
		path("/v1/%2E./admin", odd, notFound, "/admin"),
		path("/./v1/pay", odd, served, "/v1/pay"),
		path("/v1/pay/.", odd, notFound, "/v1/pay/"),
		path("/v1/pay/..", odd, notFound, "/v1/"),
		path("/v1%2fpay", odd, oddListener, ""),
		path("/v1%2Fpay", odd, oddListener, ""),
		path("/v1%5cpay", odd, oddListener, ""),
		path("/v1/%252e%252e/admin", odd, odd, ""),
		path("/v1/pay%00", odd, oddListener, ""),
		path("/v1/pay%0a", odd, odd, ""),
		path("/v1/pay%1f", odd, odd, ""),
		path("/v1/pay%7f", odd, odd, ""),
		path("/v1/%25%32%65/admin", odd, odd, ""),
		path("/v1/%ff", odd, odd, ""),
		path("/v1/pay%4", odd, odd, ""),
		path("/v1/%zz", odd, odd, ""),
		path("/v1/%c0%af", odd, odd, ""),
		path("/v1/pay%", odd, odd, ""),
		path(`/v1\pay`, odd, Verdict{Status: 200}, "/v1/pay"),
		path("/v1/pay#x", oddListener, oddListener, ""),
		path("*", oddListener, oddListener, ""),
		path("/v1/\tpay", oddListener, oddListener, ""),
		path("/v1/p\xffy", oddListener, oddListener, ""),
		path("/v1/\xc3\xa9", oddListener, oddListener, ""),
		path("/V1/pay", notFound, notFound, ""),
		path("/v1/pay/", notFound, notFound, ""),
		path("/v1/pay;a=b", notFound, notFound, ""),
		path("/v1/pay%3ba=b", notFound, notFound, ""),
		path("/v1/pa%C3%BD", notFound, notFound, ""),
		path("/v1", notFound, notFound, ""),
		path("/", notFound, notFound, ""),
		path("/%76%31/pay", served, served, "/v1/pay"),
		path("/v1/p%61%79", served, served, "/v1/pay"),
		path("/admin", notFound, notFound, ""),
		path("/nothing", notFound, notFound, ""),
		path("http://evil/v1/pay", notFound, notFound, ""),
		with(path("/v1/pay", notFound, notFound, ""), func(c *Case) { c.Name, c.Method = "TRACE", "TRACE" }),
		with(path("/v1/pay", notFound, notFound, ""), func(c *Case) { c.Name, c.Method = "a method that is not declared", "POST" }),
		with(path("/v1/pay", notFound, notFound, ""), func(c *Case) { c.Name, c.Method = "OPTIONS", "OPTIONS" }),
	}
}

func credentials() []Case {
	key := func(value string) Header { return Header{"x-api-key", value} }
	authorization := func(value string) Header { return Header{"authorization", value} }
	gone := map[string]string{"x-api-key": "", "authorization": ""}
	removed := func(c *Case) { c.Upstream = gone }
	return []Case{
		both("no key", unauthorized("missing")),
		both("an empty key", unauthorized("missing"), key("")),
		with(both("a key in the query only", unauthorized("missing")), func(c *Case) { c.Target = "/v1/pay?api_key={acme}" }),
		both("two keys", unauthorized("ambiguous"), key("{acme}"), key("{globex}")),
		both("one key twice", unauthorized("ambiguous"), key("{acme}"), key("{acme}")),
		both("a key and an empty key", unauthorized("ambiguous"), key("{acme}"), key("")),
		both("a key in each header", unauthorized("ambiguous"), key("{acme}"), authorization("Bearer {globex}")),
		both("the same key in each header", unauthorized("ambiguous"), key("{acme}"), authorization("Bearer {acme}")),
		both("two bearer keys", unauthorized("ambiguous"), authorization("Bearer {acme}"), authorization("Bearer {globex}")),
		both("two bearer keys in one header", unauthorized("ambiguous"), authorization("Bearer {acme}, Bearer {globex}")),
		with(both("a bearer key", served, authorization("Bearer {acme}")), removed),
		with(both("a bearer key, oddly spelled", served, authorization("bEARER   {acme}")), removed),
		with(both("a key", served, key("{acme}")), removed),
		with(both("a key beside the upstream's own authorization", served, key("{acme}"), authorization("Basic dTpw")),
			func(c *Case) { c.Upstream = map[string]string{"x-api-key": "", "authorization": "Basic dTpw"} }),
		with(both("a key beside another bearer token", served, key("{acme}"), authorization("Bearer eyJhbGciOi")),
			func(c *Case) { c.Upstream = map[string]string{"x-api-key": "", "authorization": "Bearer eyJhbGciOi"} }),
		both("another bearer token only", unauthorized("missing"), authorization("Bearer eyJhbGciOi")),
		both("a key of another scheme", unauthorized("missing"), authorization("Basic {acme}")),
		both("a scheme without a token", unauthorized("missing"), authorization("Bearer")),
		both("nonsense for a key", unauthorized("unknown"), key("nonsense")),
		both("half a key", unauthorized("unknown"), key("pgk_sandbox_")),
		both("a key with something behind it", unauthorized("unknown"), key("{acme}x")),
		both("a key that nobody has", unauthorized("unknown"), key("{unissued}")),
		both("a revoked key", unauthorized("revoked"), key("{acme-revoked}")),
		both("an expired key", unauthorized("expired"), key("{acme-expired}")),
		both("a suspended partner's key", forbidden("partner_suspended"), key("{initech}")),
		both("a suspended subscription", forbidden("subscription_suspended"), key("{hooli}")),
	}
}

func identities() []Case {
	spoofed := func(name string) Case {
		c := both("client sends "+name, served, acme(Header{name, "globex"})...)
		c.Upstream = map[string]string{"x-partner-id": "acme", "x-partner-product": "payments", "x-partner-environment": "sandbox"}
		if lower := strings.ToLower(name); lower != "x-partner-id" {
			c.Upstream[lower] = ""
		}
		return c
	}
	ignored := func(name, value string) Case { return both("client sends "+name, served, acme(Header{name, value})...) }
	return []Case{
		spoofed("x-partner-id"), spoofed("X-Partner-ID"), spoofed("x_partner_id"), spoofed("x-partner_id"), spoofed("x_partner-id"),
		spoofed("X_PARTNER_ID"), spoofed("x-partner-tier"), spoofed("x-partner-"),
		ignored("x-forwarded-for", "10.0.0.1"), ignored("x-envoy-original-path", "/admin"), ignored("x-http-method-override", "DELETE"),
		ignored("x-forwarded-host", ProductionHost), ignored("x-original-url", "/admin"), ignored("x-rewrite-url", "/admin"),
	}
}

func hosts() []Case {
	host := func(name string, want Verdict) Case {
		return with(path("/v1/pay", want, want, ""), func(c *Case) { c.Name, c.Host = "host "+name, name })
	}
	return []Case{
		host("Sandbox.API.Example.test", served),
		host("sandbox.api.example.test.", served),
		host("sandbox.api.example.test:8080", served),
		host("Sandbox.API.Example.test.:443", served),
		host(ProductionHost, forbidden("environment_mismatch")),
		host("evil.example", notFound),
		host("x."+SandboxHost, notFound),
		with(host(ProductionHost, served), func(c *Case) {
			c.Name, c.Headers = "the production key on the production host", []Header{{"x-api-key", "{acme-production}"}}
		}),
		with(host(SandboxHost, forbidden("environment_mismatch")), func(c *Case) {
			c.Name, c.Headers = "the production key on the sandbox host", []Header{{"x-api-key", "{acme-production}"}}
		}),
	}
}
