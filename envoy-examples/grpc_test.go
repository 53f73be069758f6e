package envoyexamples

import (
	"net/http"
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
)

// TestRefusalsOfGRPCCalls asks as gRPC clients do, and gets what they understand: status 200 and the fitting grpc-status.
func TestRefusalsOfGRPCCalls(t *testing.T) {
	module(t)
	b := sharedBackend.get(t)
	keys, version := corpusKeys(t, b)
	envoy := sharedEdges["quickstart"].get(t)
	b.awaitPolicy(t, version, envoy.Address())
	for _, c := range []struct {
		path, key string
		want      policy.Code
	}{
		{"/v1//pay", keys["acme"], policy.PathNotCanonical},
		{"/v1/pay", "", policy.CredentialMissing},
		{"/v1/pay", keys["acme-revoked"], policy.CredentialRevoked},
		{"/v1/pay", keys["initech"], policy.PartnerSuspended},
		{"/v1/pay", keys["hooli"], policy.SubscriptionSuspended},
		{"/v1/pay", keys["globex"], policy.OperationNotFound},
		{"/v1/pay", keys["acme-production"], policy.EnvironmentMismatch},
	} {
		for _, contentType := range []string{"application/grpc", "application/grpc+proto"} {
			q := request{method: http.MethodGet, target: c.path, host: corpus.SandboxHost, headers: []string{"content-type: " + contentType}}
			if c.key != "" {
				q.headers = append(q.headers, "x-api-key: "+c.key)
			}
			a, err := ask(envoy.Address(), q)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != http.StatusOK || a.header.Get("Grpc-Status") != c.want.Info().GRPC || a.header.Get("Grpc-Message") == "" || a.body != "" {
				t.Errorf("%s: got status %d, grpc-status %q %q, body %q; want 200 and grpc-status %s",
					c.want, a.status, a.header.Get("Grpc-Status"), a.header.Get("Grpc-Message"), a.body, c.want.Info().GRPC)
			}
		}
	}
}
