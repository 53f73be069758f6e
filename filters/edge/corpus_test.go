package edge_test

import (
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/testharness"
)

// keys are those that stand in the corpus by name.
var keys = map[string]string{
	"acme": acmeKey, "acme-production": acmeProdKey, "globex": globexKey, "initech": initechKey, "hooli": suspendedKey,
	"acme-revoked": revokedKey, "acme-expired": expiredKey, "unissued": unissuedKey,
}

// TestCorpus sends every odd request through the filters, as a plain listener
// passes it on and as one does that normalises paths. Each leaves the next
// good request served.
func TestCorpus(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			p := start(t, proxyWith(1, newStub(estate(1)), filters...))
			ready(t, p, 1)
			for _, c := range corpus.Cases() {
				check(t, p, &c, c.Target, c.Raw)
				check(t, p, &corpus.Good, corpus.Good.Target, corpus.Good.Raw)
				if c.Normalized != "" {
					check(t, p, &c, c.Normalized, c.Hard)
				}
			}
			if p.Failures() != 0 || p.Reloads() != 0 {
				t.Errorf("%d VMs failed, %d were reloaded", p.Failures(), p.Reloads())
			}
		})
	}
}

func check(t *testing.T, p *testharness.Proxy, c *corpus.Case, target string, want corpus.Verdict) {
	t.Helper()
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
	got := do(t, p, request(method, host, corpus.Fill(target, keys), headers...))
	if got.StatusCode != want.Status || got.code() != want.Code {
		t.Errorf("%s: %d %q, want %d %q\n%s", c.Name, got.StatusCode, got.code(), want.Status, want.Code, got.body)
		return
	}
	if want.Status != 200 {
		return
	}
	for name, value := range c.Upstream {
		if sent := got.Header.Values("Got-" + name); len(sent) == 0 && value != "" || len(sent) > 0 && (value == "" || len(sent) > 1 || sent[0] != value) {
			t.Errorf("%s: the upstream got %s: %q, want %q", c.Name, name, sent, value)
		}
	}
}
