package edge_test

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
)

// TestImportedKeys: a key of another form passes once it is imported, in x-api-key only; it does not reach the upstream.
func TestImportedKeys(t *testing.T) {
	const key = "AKIA.foreign/key=="
	source := estate(1)
	source.Credentials = append(source.Credentials, policy.SourceCredential{
		Kind: policy.APIKey, Digest: policy.KeyDigest(key), ID: "imported-1", Partner: "acme", Application: "checkout", Environment: "sandbox", Imported: true,
	})
	unknown := corpus.Verdict{Status: 401, Code: "credential_unknown"}
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			p := start(t, proxyWith(1, newStub(source), filters...))
			ready(t, p, 1)
			got := check(t, p, "imported", request("GET", sandboxHost, "/v1/pay", "x-api-key", key), corpus.Verdict{Status: 200})
			wantHeader(t, "imported", got, "Got-X-Partner-Id", "acme")
			wantHeader(t, "imported", got, "Got-X-Api-Key", "")
			check(t, p, "ours", request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey), corpus.Verdict{Status: 200})
			check(t, p, "another", request("GET", sandboxHost, "/v1/pay", "x-api-key", key+"x"), unknown)
			check(t, p, "malformed", request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey[1:]), unknown)
			check(t, p, "60 kB", request("GET", sandboxHost, "/v1/pay", "x-api-key", strings.Repeat("k", 60_000)), unknown)
			check(t, p, "as a bearer it is the upstream's business", request("GET", sandboxHost, "/v1/pay", "authorization", "Bearer "+key),
				corpus.Verdict{Status: 401, Code: "credential_missing"})
		})
	}
}
