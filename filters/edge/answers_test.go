package edge_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
)

// problem is what a refusal's body holds.
type problem struct {
	Type, Title, Detail, Code string
	RequestID                 string `json:"request_id"`
	Status                    int
	PolicyVersion             *uint64 `json:"policy_version"`
	Limit                     *string
}

func TestProblemsAreProblemJSON(t *testing.T) {
	p := start(t, proxyWith(1, newStub(estate(7)), combined(configuration)...))
	ready(t, p, 7)
	got := do(t, p, request("GET", sandboxHost, "/v1/pay", "x-request-id", `a"b\c`+"\x7f"))
	var body problem
	decoder := json.NewDecoder(strings.NewReader(got.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		t.Fatalf("%v\n%s", err, got.body)
	}
	info := policy.CredentialMissing.Info()
	if body.Type != "https://partnergate.dev/errors/credential_missing" || body.Title != info.Title || body.Detail != info.Detail ||
		body.Status != 401 || body.RequestID != `a"b\c`+"\x7f" || body.PolicyVersion == nil || *body.PolicyVersion != 7 || body.Limit != nil {
		t.Errorf("%+v", body)
	}
	wantHeader(t, "a problem", got, "Content-Type", "application/problem+json")
	wantHeader(t, "a problem", got, "Cache-Control", "no-store")
	wantHeader(t, "a problem", got, "Www-Authenticate", `Bearer realm="partnergate", ApiKey realm="partnergate", header="x-api-key"`)
}

// TestUnknownAndForeignOperationsLookAlike compares the answers for what does
// not exist and for what is another's.
func TestUnknownAndForeignOperationsLookAlike(t *testing.T) {
	requestID := regexp.MustCompile(`"request_id":"[^"]*"`)
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			p := start(t, proxyWith(1, newStub(estate(1)), filters...))
			ready(t, p, 1)
			look := func(host, target string) (string, http.Header) {
				got := do(t, p, request("GET", host, target, "x-api-key", acmeKey))
				got.Header.Del("Content-Length") // the request ids' lengths may differ
				return requestID.ReplaceAllString(got.body, ""), got.Header
			}
			wantBody, wantHeader := look(sandboxHost, "/admin")
			for _, target := range []string{"/nonsense", "/admin/", "/v1/payments"} {
				body, header := look(sandboxHost, target)
				if body != wantBody || len(header) != len(wantHeader) {
					t.Errorf("%s: %q %v, but /admin: %q %v", target, body, header, wantBody, wantHeader)
				}
			}
		})
	}
}

func TestGRPCGetsAStatus(t *testing.T) {
	p := start(t, proxyWith(1, newStub(estate(1)), combined(configuration)...))
	ready(t, p, 1)
	cases := []struct{ target, key, contentType, status, code string }{
		{"//v1/pay", acmeKey, "application/grpc", "3", "path_not_canonical"},
		{"/v1/pay", "", "application/grpc", "16", "credential_missing"},
		{"/v1/pay", initechKey, "application/grpc+proto", "7", "partner_suspended"},
		{"/v1/nothing", acmeKey, "application/grpc;charset=x", "5", "operation_not_found"},
	}
	for _, c := range cases {
		headers := []string{"content-type", c.contentType}
		if c.key != "" {
			headers = append(headers, "x-api-key", c.key)
		}
		got := do(t, p, request("POST", sandboxHost, c.target, headers...))
		if got.StatusCode != 200 || got.body != "" || !strings.HasPrefix(got.Header.Get("grpc-message"), c.code+": ") {
			t.Errorf("%s: %d %q %v", c.code, got.StatusCode, got.body, got.Header)
		}
		wantHeader(t, c.code, got, "Grpc-Status", c.status)
	}
}

// TestCodesHaveGRPCStatuses compares with the contract, code by code.
func TestCodesHaveGRPCStatuses(t *testing.T) {
	want := map[int]string{400: "3", 401: "16", 403: "7", 404: "5", 429: "8", 503: "14", 500: "13"}
	for _, code := range policy.Refusals() {
		if info := code.Info(); want[info.Status] != info.GRPC {
			t.Errorf("%s: %d is grpc-status %s, want %s", code, info.Status, info.GRPC, want[info.Status])
		}
	}
}

// shadowed is a configuration in which nothing is refused.
const shadowed = `{"manager": {"cluster": "partnergate", "token": "` + edgeToken + `"}, "mode": "shadow"}`

func TestShadowLetsThrough(t *testing.T) {
	for way, filters := range ways(shadowed) {
		t.Run(way, func(t *testing.T) {
			stub := newStub(estate(1))
			p := start(t, proxyWith(1, stub, filters...))
			ready(t, p, 1)
			got := check(t, p, "no key", request("GET", sandboxHost, "/v1/pay", "x-partner-id", "globex"), corpus.Verdict{Status: 200})
			wantHeader(t, "no key", got, "Got-X-Partner-Id", "")
			got = check(t, p, "another's operation", request("GET", sandboxHost, "/admin", "x-api-key", acmeKey, "x-partner-id", "globex"), corpus.Verdict{Status: 200})
			wantHeader(t, "another's operation", got, "Got-X-Partner-Id", "acme")
			wantHeader(t, "another's operation", got, "Got-X-Api-Key", "")
			if outcome := p.FilterState(got.Response)["wasm.partnergate.outcome"]; outcome != "operation_not_found" {
				t.Errorf("the outcome shown is %q", outcome)
			}
			wantUsage(t, p, stub, map[string]uint64{" credential_missing": 1, "acme operation_not_found": 1})
		})
	}
}

// TestMissingFiltersRefuse takes each of the filters that others need out of the chain.
func TestMissingFiltersRefuse(t *testing.T) {
	all := chain(configuration)
	for name, filters := range map[string][]int{"partner-resolution": {1, 2}, "catalog-gate": {0, 2}, "both": {2}, "order": {1, 0, 2}} {
		t.Run(name, func(t *testing.T) {
			c := proxyWith(1, newStub(estate(1)))
			chosen := all[:0:0]
			for _, i := range filters {
				chosen = append(chosen, all[i])
			}
			p := start(t, c.WithFilters(chosen...))
			ready(t, p, 1)
			check(t, p, name, request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey), corpus.Verdict{Status: 500, Code: "filter_missing"})
		})
	}
}

// TestBrokenConfigurations refuse every request, and say in one line why.
func TestBrokenConfigurations(t *testing.T) {
	manager := func(fields string) string { return `{"manager": {` + fields + `}}` }
	good := `"cluster": "c", "token": "t"`
	cases := []struct{ name, rootID, configuration, says string }{
		{"nothing", "quota", ``, "an object is expected"},
		{"no manager", "quota", `{}`, "manager.cluster is missing"},
		{"no cluster", "quota", manager(`"token": "t"`), "manager.cluster is missing"},
		{"no token", "quota", manager(`"cluster": "c"`), "manager.token is missing"},
		{"no token in the environment", "quota", manager(`"cluster": "c", "token_env": "NOT_SET"`), "NOT_SET"},
		{"both tokens", "quota", manager(good + `, "token_env": "X"`), "keep one"},
		{"token with a line end", "quota", manager(`"cluster": "c", "token": "a\nb"`), "visible ASCII"},
		{"unknown field", "quota", `{"manager": {` + good + `}, "mod": "shadow"}`, "mod is not a field"},
		{"unknown field of the manager", "quota", manager(good + `, "url": "x"`), "manager.url is not a field"},
		{"a field twice", "quota", manager(good + `, "token": "u"`), "manager.token is there twice"},
		{"wrong type", "quota", `{"manager": {` + good + `}, "max_stale": 24}`, "max_stale: a text"},
		{"wrong duration", "quota", `{"manager": {` + good + `}, "max_stale": "1 day"}`, `"1 day" is no time`},
		{"wrong environment", "quota", `{"manager": {` + good + `}, "environment": "Sandbox"}`, `"Sandbox" cannot be the name of an environment`},
		{"wrong mode", "quota", `{"manager": {` + good + `}, "mode": "log"}`, "neither enforce nor shadow"},
		{"wrong headers", "quota", `{"manager": {` + good + `}, "rate_limit_headers": "yes"}`, "always, refusals and never"},
		{"something behind", "quota", `{"manager": {` + good + `}} x`, "follows the closing brace"},
		{"cut short", "quota", `{"manager": {` + good, "comma or a closing brace"},
		{"unknown root id", "qouta", configuration, `root id "qouta"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, proxyWith(1, newStub(nil), filter(c.rootID, c.configuration)))
			check(t, p, c.name, request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey), corpus.Verdict{Status: 500, Code: "filter_error"})
			said := false
			for _, entry := range p.Logs() {
				said = said || strings.Contains(entry.Message, c.says) && strings.Contains(entry.Message, "refuses every request")
			}
			if n, _ := p.Metric("partnergate_config_errors"); n == 0 || !said {
				t.Errorf("partnergate_config_errors is %d, and no line says %q: %v", n, c.says, p.Logs())
			}
		})
	}
}

func TestTokenFromTheEnvironment(t *testing.T) {
	fromEnvironment := `{"manager": {"cluster": "partnergate", "token_env": "EDGE_TOKEN"}}`
	p := start(t, proxyWith(1, newStub(estate(1)), filter("partnergate", fromEnvironment).WithEnv("EDGE_TOKEN", edgeToken)))
	ready(t, p, 1)
	check(t, p, "a good request", request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey), corpus.Verdict{Status: 200})
}

// TestEnvironmentNarrows refuses a host of another environment.
func TestEnvironmentNarrows(t *testing.T) {
	narrow := `{"manager": {"cluster": "partnergate", "token": "` + edgeToken + `"}, "environment": "sandbox"}`
	p := start(t, proxyWith(1, newStub(estate(1)), filter("partnergate", narrow)))
	ready(t, p, 1)
	check(t, p, "sandbox", request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey), corpus.Verdict{Status: 200})
	check(t, p, "production", request("GET", productionHost, "/v1/pay", "x-api-key", acmeProdKey), corpus.Verdict{Status: 403, Code: "environment_mismatch"})
}
