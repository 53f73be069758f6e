package policy_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/partnergate/partnergate/filters/policy"
)

const (
	start = int64(1_800_000_000_000) // Unix milliseconds
	hour  = int64(3_600_000)

	sandboxHost    = "sandbox.api.example.test"
	productionHost = "api.example.test"
)

// keyOf makes a well-formed key; ids of one character are filled up.
func keyOf(environment, id string) string {
	for len(id) < policy.KeyIDLength {
		id += "a"
	}
	body := policy.KeyPrefix + environment + "_" + id + "_" + "0123456789abcdefghijklmnopqrstuv"
	sum := policy.KeyChecksum(body)
	return body + string(sum[:])
}

// estate is two partners on one API: acme has payments, globex payments and
// risk, umbra nothing.
func estate() *policy.Source {
	products := []policy.SourceProduct{
		{Name: "payments", Operations: []policy.SourceOperation{
			{ID: "getPay", Method: "GET", Path: "/v1/pay"},
			{ID: "getPayment", Method: "GET", Path: "/v1/payments/{id}"},
			{ID: "refund", Method: "POST", Path: "/v1/payments/{id}/refunds"},
			{ID: "root", Method: "GET", Path: "/"},
		}},
		{Name: "risk", Operations: []policy.SourceOperation{
			{ID: "admin", Method: "GET", Path: "/admin"},
			{ID: "export", Method: "GET", Path: "/v1/payments/export"},
			{ID: "deep", Method: "GET", Path: "/v1/payments/export/{part}/x"},
		}},
	}
	for i := range products {
		products[i].Environments = []policy.SourceEnvironment{
			{Name: "production", Hosts: []string{productionHost}},
			{Name: "sandbox", Hosts: []string{sandboxHost}},
		}
	}
	src := &policy.Source{
		Lineage: [16]byte{1}, Version: 7, Time: start,
		Hosts:    []policy.SourceHost{{Host: sandboxHost, Environment: "sandbox"}, {Host: productionHost, Environment: "production"}},
		Products: products,
		Plans: []policy.SourcePlan{{Name: "starter", Weight: 1, Limits: []policy.SourceLimit{
			{Name: "throughput", Kind: policy.RatePerSecond, Requests: 5, Burst: 10},
			{Name: "monthly", Kind: policy.QuotaPerMonth, Requests: 10_000},
			{Name: "refunds", Kind: policy.QuotaPerDay, Requests: 3, Operations: []string{"refund"}},
		}}},
		Partners: []policy.SourcePartner{{Name: "acme"}, {Name: "globex"}, {Name: "umbra", Suspended: true}},
	}
	grant := func(partner, environment, product string) policy.SourceGrant {
		return policy.SourceGrant{Partner: partner, Environment: environment, Product: product,
			Subscription: product + "-" + environment, Plan: "starter"}
	}
	src.Grants = []policy.SourceGrant{
		grant("acme", "sandbox", "payments"), grant("acme", "production", "payments"),
		grant("globex", "sandbox", "payments"), grant("globex", "sandbox", "risk"),
		grant("umbra", "sandbox", "payments"),
	}
	for _, c := range []struct{ id, partner, environment string }{
		{"c", "acme", "sandbox"}, {"p", "acme", "production"}, {"d", "globex", "sandbox"}, {"u", "umbra", "sandbox"},
	} {
		addKey(src, c.id, c.partner, c.environment)
	}
	return src
}

func addKey(src *policy.Source, id, partner, environment string) *policy.SourceCredential {
	src.Credentials = append(src.Credentials, policy.SourceCredential{
		Kind: policy.APIKey, Digest: policy.KeyDigest(keyOf(environment, id)), ID: id,
		Partner: partner, Application: "checkout", Environment: environment,
	})
	return &src.Credentials[len(src.Credentials)-1]
}

func build(t rapid.TB, src *policy.Source) *policy.Snapshot {
	t.Helper()
	built, err := policy.Build(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := built.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask is a good request of acme's, for tests to change.
func ask() policy.Request {
	return policy.Request{Method: "GET", Host: sandboxHost, Path: "/v1/pay", Key: keyOf("sandbox", "c"), Keys: 1, Now: start}
}

func paths(surface []policy.Operation, code policy.Code) []string {
	var list []string
	for _, o := range surface {
		if o.Code == code {
			list = append(list, o.Method+" "+o.Path)
		}
	}
	slices.Sort(list)
	return list
}
