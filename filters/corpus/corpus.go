// Package corpus holds requests that two programs could read differently, or that try to pass for another's, with what a gateway must
// answer. It is pure data: the tests of the filters run it in the harness and in Envoy.
//
// The estate of all cases: two environments with a host each; the partner acme may GET /v1/pay and POST /v1/transfer, and nothing else;
// the partner globex may GET /admin. Plans without limits.
package corpus

// The hosts of the estate.
const (
	SandboxHost    = "sandbox.api.example.test"
	ProductionHost = "api.example.test"
)

// Key is a key of acme's for the sandbox; OtherKey is a second one. In headers they stand for the keys that a test has made.
const (
	Key      = "{key}"
	OtherKey = "{other key}"
)

// Case is one request.
type Case struct {
	Name    string
	Method  string // GET where empty
	Target  string // the request target, byte for byte; /v1/pay where empty
	Host    string // SandboxHost where empty
	Headers []Header
	NoKey   bool // else "x-api-key: {key}" comes first

	Raw  Want // behind a listener that changes nothing
	Hard Want // behind one that normalises paths first
}

// Header is one header line.
type Header struct{ Name, Value string }

// Want is what the client gets. A code that is empty beside a status other than 200 says that the host may refuse the request before
// the filters see it, so that the body need not be theirs.
type Want struct {
	Status int
	Code   string
}

// Method, target and host with their defaults.
func (c *Case) Request() (method, target, host string) {
	return orDefault(c.Method, "GET"), orDefault(c.Target, "/v1/pay"), orDefault(c.Host, SandboxHost)
}

func orDefault(value, byDefault string) string {
	if value == "" {
		return byDefault
	}
	return value
}

var (
	admitted     = Want{Status: 200, Code: "admitted"}
	notCanonical = Want{400, "path_not_canonical"}
	refusedEarly = Want{Status: 400}
	notFound     = Want{404, "operation_not_found"}
	missing      = Want{401, "credential_missing"}
	ambiguous    = Want{401, "credential_ambiguous"}
	unknown      = Want{401, "credential_unknown"}
	mismatch     = Want{403, "environment_mismatch"}
)

// Cases are all cases.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{plain, paths, targets, credentials, identities, hosts, methods} {
		all = append(all, group...)
	}
	return all
}

// same is a case with one answer for both listeners.
func same(name string, want Want, c Case) Case {
	c.Name, c.Raw, c.Hard = name, want, want
	return c
}

// path is a case of a path alone.
func path(target string, raw, hard Want) Case {
	return Case{Name: "path " + target, Target: target, Raw: raw, Hard: hard}
}

var plain = []Case{
	same("a good request", admitted, Case{}),
	same("a good request with a body", admitted, Case{Method: "POST", Target: "/v1/transfer"}),
	same("another's operation", notFound, Case{Target: "/admin"}),
	same("no operation of anybody", notFound, Case{Target: "/nonsense"}),
	same("a query is not the path's", admitted, Case{Target: "/v1/pay?next=/../%2e%2e//admin%2f&x=%zz"}),
	same("an empty query", admitted, Case{Target: "/v1/pay?"}),
}
