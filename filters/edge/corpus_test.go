package edge_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/testharness"
)

// TestCorpus sends every odd request through the filters as a listener does
// that changes nothing. Each leaves the next good request served.
func TestCorpus(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			p := start(t, proxyWith(1, newStub(estate(1)), filters...))
			ready(t, p, 1)
			for _, c := range corpus.Cases() {
				check(t, p, c.Name, fromCorpus(&c, c.Target), c.Raw).wantUpstream(t, &c)
				check(t, p, "the next after "+c.Name, fromCorpus(&corpus.Good, corpus.Good.Target), corpus.Good.Raw)
				if c.Normalized != "" {
					check(t, p, c.Name+", normalised", fromCorpus(&c, c.Normalized), c.Hard)
				}
			}
			if p.Failures() != 0 || p.Reloads() != 0 {
				t.Errorf("%d VMs failed, %d were reloaded", p.Failures(), p.Reloads())
			}
		})
	}
}

// keys are those that stand in the corpus by name.
var keys = map[string]string{
	"acme": acmeKey, "acme-production": acmeProdKey, "globex": globexKey, "initech": initechKey, "hooli": suspendedKey,
	"acme-revoked": revokedKey, "acme-expired": expiredKey, "unissued": unissuedKey,
}

// fromCorpus makes the request of a case, with a target of its own.
func fromCorpus(c *corpus.Case, target string) *http.Request {
	method, host := c.Method, c.Host
	if method == "" {
		method = "GET"
	}
	if host == "" {
		host = corpus.SandboxHost
	}
	var headers []string
	for _, h := range c.Headers {
		headers = append(headers, h.Name, corpus.Fill(h.Value, keys))
	}
	return request(method, host, corpus.Fill(target, keys), headers...)
}

// wantUpstream checks what the upstream got of a request that was let through.
func (a answer) wantUpstream(t *testing.T, c *corpus.Case) {
	t.Helper()
	for name, value := range c.Upstream {
		if a.StatusCode == http.StatusOK {
			wantHeader(t, c.Name, a, http.CanonicalHeaderKey("got-"+name), value)
		}
	}
}

func check(t *testing.T, p *testharness.Proxy, name string, r *http.Request, want corpus.Verdict) answer {
	t.Helper()
	got := do(t, p, r)
	if got.StatusCode != want.Status || got.code() != want.Code {
		t.Errorf("%s: %d %q, want %d %q\n%s", name, got.StatusCode, got.code(), want.Status, want.Code, got.body)
	}
	return got
}

// TestRefusals are the codes that the corpus has no estate for.
func TestRefusals(t *testing.T) {
	cases := []struct {
		name, host, key string
		want            corpus.Verdict
	}{
		{"a revoked key", sandboxHost, revokedKey, corpus.Verdict{Status: 401, Code: "credential_revoked"}},
		{"an expired key", sandboxHost, expiredKey, corpus.Verdict{Status: 401, Code: "credential_expired"}},
		{"a key that nobody has", sandboxHost, unissuedKey, corpus.Verdict{Status: 401, Code: "credential_unknown"}},
		{"a suspended partner", sandboxHost, initechKey, corpus.Verdict{Status: 403, Code: "partner_suspended"}},
		{"a suspended subscription", sandboxHost, suspendedKey, corpus.Verdict{Status: 403, Code: "subscription_suspended"}},
		{"a production key on the sandbox host", sandboxHost, acmeProdKey, corpus.Verdict{Status: 403, Code: "environment_mismatch"}},
		{"a production key on its host", productionHost, acmeProdKey, corpus.Verdict{Status: 200}},
	}
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			p := start(t, proxyWith(1, newStub(estate(1)), filters...))
			ready(t, p, 1)
			for _, c := range cases {
				got := check(t, p, c.name, request("GET", c.host, "/v1/pay", "x-api-key", c.key), c.want)
				if challenged := got.Header.Get("www-authenticate") != ""; challenged != (c.want.Status == 401) {
					t.Errorf("%s: www-authenticate is %q", c.name, got.Header.Get("www-authenticate"))
				}
			}
		})
	}
}

// TestWhatTheUpstreamGets checks identity and credentials, header by header.
func TestWhatTheUpstreamGets(t *testing.T) {
	identity := map[string]string{
		"X-Partner-Id": "acme", "X-Partner-Application": "checkout", "X-Partner-Environment": "sandbox",
		"X-Partner-Product": "payments", "X-Partner-Subscription": "payments-sandbox",
		"X-Api-Key": "", "Authorization": "",
	}
	cases := []struct {
		name    string
		headers []string
		want    map[string]string
	}{
		{"a key", []string{"x-api-key", acmeKey}, nil},
		{"a bearer key", []string{"authorization", "Bearer " + acmeKey}, nil},
		{"an authorization of the upstream's", []string{"x-api-key", acmeKey, "authorization", "Basic dTpw"}, map[string]string{"Authorization": "Basic dTpw"}},
		{"identities of others", []string{
			"x-api-key", acmeKey, "x-partner-id", "globex", "X-Partner-Id", "initech", "x_partner_id", "globex", "x-partner_id", "globex",
			"x-partner-tier", "gold", "x-partner-", "x",
		}, map[string]string{"X_partner_id": "", "X-Partner_id": "", "X-Partner-Tier": "", "X-Partner-": ""}},
	}
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			p := start(t, proxyWith(1, newStub(estate(1)), filters...))
			ready(t, p, 1)
			for _, c := range cases {
				got := check(t, p, c.name, request("GET", sandboxHost, "/v1/pay?a=%7e", c.headers...), corpus.Verdict{Status: 200})
				for name, value := range identity {
					if special, ok := c.want[name]; ok {
						value = special
					}
					wantHeader(t, c.name, got, "Got-"+name, value)
				}
				for name, value := range c.want {
					wantHeader(t, c.name, got, "Got-"+name, value)
				}
				wantHeader(t, c.name, got, "Got-Path", "/v1/pay?a=%7e")
			}
		})
	}
}

// wantHeader checks that a header stands there once with that value, or not at
// all where the value is empty.
func wantHeader(t *testing.T, about string, got answer, name, value string) {
	t.Helper()
	values := got.Header[name]
	if value == "" && len(values) > 0 || value != "" && (len(values) != 1 || values[0] != value) {
		t.Errorf("%s: %s is %q, want %q", about, name, values, value)
	}
}

// TestTrailersAreNoIdentity sends an identity in trailers.
func TestTrailersAreNoIdentity(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			var got http.Header
			trailers := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // what matters comes after it
				got = r.Trailer
			})
			p := start(t, proxyWith(1, newStub(estate(1)), filters...).WithUpstream(trailers))
			ready(t, p, 1)
			r := request("POST", sandboxHost, "/v1/transfer", "x-api-key", acmeKey)
			r.Body = io.NopCloser(strings.NewReader("a body"))
			r.Trailer = http.Header{"X-Partner-Id": {"globex"}, "X_partner_id": {"globex"}, "X-Sum": {"1"}}
			check(t, p, "trailers", r, corpus.Verdict{Status: 200})
			if len(got) != 1 || got.Get("X-Sum") != "1" {
				t.Errorf("the upstream got trailers %v", got)
			}
		})
	}
}
