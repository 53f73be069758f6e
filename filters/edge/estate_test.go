package edge_test

import (
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
)

// Hosts of the estate.
const (
	sandboxHost    = corpus.SandboxHost
	productionHost = corpus.ProductionHost
)

// keyOf makes a well-formed key.
func keyOf(environment, id string) string {
	for len(id) < policy.KeyIDLength {
		id += "a"
	}
	body := policy.KeyPrefix + environment + "_" + id + "_0123456789ABCDEFGHIJKLMNOPQRSTUV"
	sum := policy.KeyChecksum(body)
	return body + string(sum[:])
}

var (
	acmeKey       = keyOf("sandbox", "acme")
	acmeProdKey   = keyOf("production", "acmeprod")
	acmeOtherKey  = keyOf("sandbox", "acmeother")
	globexKey     = keyOf("sandbox", "globex")
	revokedKey    = keyOf("sandbox", "revoked")
	expiredKey    = keyOf("sandbox", "expired")
	initechKey    = keyOf("sandbox", "initech")
	suspendedKey  = keyOf("sandbox", "hooli")
	unissuedKey   = keyOf("sandbox", "nobody")
	unlimitedPlan = policy.SourcePlan{Name: "unlimited", Weight: 1}
)

// estate is a policy, the corpus's and a little more: acme may GET /v1/pay and others of payments, globex /admin besides; hooli's
// subscription and initech are suspended.
func estate(version uint64) *policy.Source {
	source := &policy.Source{
		Lineage: [16]byte{1}, Version: version, Time: 1,
		Hosts: []policy.SourceHost{{Host: sandboxHost, Environment: "sandbox"}, {Host: productionHost, Environment: "production"}},
		Plans: []policy.SourcePlan{unlimitedPlan},
		Partners: []policy.SourcePartner{
			{Name: "acme"}, {Name: "globex"}, {Name: "hooli"}, {Name: "initech", Suspended: true},
		},
	}
	source.Products = []policy.SourceProduct{
		product("payments", policy.SourceOperation{ID: "pay", Method: "GET", Path: "/v1/pay"},
			policy.SourceOperation{ID: "transfer", Method: "POST", Path: "/v1/transfer"},
			policy.SourceOperation{ID: "getPayment", Method: "GET", Path: "/v1/payments/{id}"},
			policy.SourceOperation{ID: "createPayment", Method: "POST", Path: "/v1/payments"}),
		product("admin", policy.SourceOperation{ID: "admin", Method: "GET", Path: "/admin"}),
	}
	grant := func(partner, environment, product string) {
		source.Grants = append(source.Grants, policy.SourceGrant{
			Partner: partner, Environment: environment, Product: product, Subscription: product + "-" + environment, Plan: "unlimited",
		})
	}
	grant("acme", "sandbox", "payments")
	grant("acme", "production", "payments")
	grant("globex", "sandbox", "payments")
	grant("globex", "sandbox", "admin")
	grant("initech", "sandbox", "payments")
	grant("hooli", "sandbox", "payments")
	source.Grants[len(source.Grants)-1].Suspended = true
	credential := func(key, partner, application, environment string) *policy.SourceCredential {
		_, id, ok := policy.ParseKey(key)
		if !ok {
			panic("not a key: " + key)
		}
		source.Credentials = append(source.Credentials, policy.SourceCredential{
			Kind: policy.APIKey, Digest: policy.KeyDigest(key), ID: id, Partner: partner, Application: application, Environment: environment,
		})
		return &source.Credentials[len(source.Credentials)-1]
	}
	credential(acmeKey, "acme", "checkout", "sandbox")
	credential(acmeOtherKey, "acme", "checkout", "sandbox")
	credential(acmeProdKey, "acme", "checkout", "production")
	credential(globexKey, "globex", "desk", "sandbox")
	credential(revokedKey, "acme", "checkout", "sandbox").RevokedAt = 1
	credential(expiredKey, "acme", "checkout", "sandbox").ExpiresAt = 1
	credential(initechKey, "initech", "tps", "sandbox")
	credential(suspendedKey, "hooli", "box", "sandbox")
	return source
}

func product(name string, operations ...policy.SourceOperation) policy.SourceProduct {
	return policy.SourceProduct{Name: name, Operations: operations, Environments: []policy.SourceEnvironment{
		{Name: "sandbox", Hosts: []string{sandboxHost}}, {Name: "production", Hosts: []string{productionHost}},
	}}
}
