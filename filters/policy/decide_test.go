package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

func TestDecide(t *testing.T) {
	src := estate()
	addKey(src, "r", "acme", "sandbox").RevokedAt = start - hour
	addKey(src, "e", "acme", "sandbox").ExpiresAt = start
	addKey(src, "f", "acme", "sandbox").ExpiresAt = start + 1
	s := build(t, src)
	cases := []struct {
		name   string
		change func(*policy.Request)
		want   policy.Code
	}{
		{"granted", func(*policy.Request) {}, policy.Undecided},
		{"parameter", func(q *policy.Request) { q.Path = "/v1/payments/42" }, policy.Undecided},
		{"escaped parameter", func(q *policy.Request) { q.Path = "/v1/payments/a%20b" }, policy.Undecided},
		{"query", func(q *policy.Request) { q.Path = "/v1/pay?a=../b//c" }, policy.Undecided},
		{"root", func(q *policy.Request) { q.Path = "/" }, policy.Undecided},
		{"unreserved escape", func(q *policy.Request) { q.Path = "/%76%31/pay" }, policy.Undecided},
		{"host in capitals, with port and dot", func(q *policy.Request) { q.Host = "Sandbox.API.Example.test.:8080" }, policy.Undecided},
		{"empty parameter", func(q *policy.Request) { q.Path = "/v1/payments/" }, policy.OperationNotFound},
		{"other method", func(q *policy.Request) { q.Method = "POST" }, policy.OperationNotFound},
		{"HEAD is not GET", func(q *policy.Request) { q.Method = "HEAD" }, policy.OperationNotFound},
		{"method in lower case", func(q *policy.Request) { q.Method = "get" }, policy.OperationNotFound},
		{"another's literal never falls to my parameter", func(q *policy.Request) { q.Path = "/v1/payments/export" }, policy.OperationNotFound},
		{"backtracking out of a literal", func(q *policy.Request) { q.Method, q.Path = "POST", "/v1/payments/export/refunds" }, policy.Undecided},
		{"another's operation", func(q *policy.Request) { q.Path = "/admin" }, policy.OperationNotFound},
		{"nonsense", func(q *policy.Request) { q.Path = "/nonsense" }, policy.OperationNotFound},
		{"prefix of a template", func(q *policy.Request) { q.Path = "/v1" }, policy.OperationNotFound},
		{"longer than a template", func(q *policy.Request) { q.Path = "/v1/pay/more" }, policy.OperationNotFound},
		{"other case", func(q *policy.Request) { q.Path = "/V1/pay" }, policy.OperationNotFound},
		{"trailing slash", func(q *policy.Request) { q.Path = "/v1/pay/" }, policy.OperationNotFound},
		{"path parameter", func(q *policy.Request) { q.Path = "/v1/pay;a=b" }, policy.OperationNotFound},
		{"NUL is no parameter's instance", func(q *policy.Request) { q.Path = "/v1/payments/\x00" }, policy.PathNotCanonical},
		{"unknown host", func(q *policy.Request) { q.Host = "evil" }, policy.OperationNotFound},
		{"no host", func(q *policy.Request) { q.Host = "" }, policy.OperationNotFound},
		{"500 segments", func(q *policy.Request) { q.Path = strings.Repeat("/a", 500) }, policy.OperationNotFound},
		{"no key", func(q *policy.Request) { q.Key, q.Keys = "", 0 }, policy.CredentialMissing},
		{"empty key", func(q *policy.Request) { q.Key, q.Keys = "", 1 }, policy.CredentialMissing},
		{"two keys", func(q *policy.Request) { q.Keys = 2 }, policy.CredentialAmbiguous},
		{"unknown key", func(q *policy.Request) { q.Key = keyOf("sandbox", "x") }, policy.CredentialUnknown},
		{"malformed key", func(q *policy.Request) { q.Key = q.Key[:len(q.Key)-1] }, policy.CredentialUnknown},
		{"revoked", func(q *policy.Request) { q.Key = keyOf("sandbox", "r") }, policy.CredentialRevoked},
		{"expired at this moment", func(q *policy.Request) { q.Key = keyOf("sandbox", "e") }, policy.CredentialExpired},
		{"expires in a moment", func(q *policy.Request) { q.Key = keyOf("sandbox", "f") }, policy.Undecided},
		{"suspended partner", func(q *policy.Request) { q.Key = keyOf("sandbox", "u") }, policy.PartnerSuspended},
		{"suspended partner, other host", func(q *policy.Request) { q.Key, q.Host = keyOf("sandbox", "u"), productionHost }, policy.PartnerSuspended},
		{"sandbox key in production", func(q *policy.Request) { q.Host = productionHost }, policy.EnvironmentMismatch},
		{"production key in sandbox", func(q *policy.Request) { q.Key = keyOf("production", "p") }, policy.EnvironmentMismatch},
		{"environment before operation", func(q *policy.Request) { q.Host, q.Path = productionHost, "/nonsense" }, policy.EnvironmentMismatch},
		{"path before credential", func(q *policy.Request) { q.Path, q.Keys = "//v1/pay", 0 }, policy.PathNotCanonical},
		{"narrowed to this environment", func(q *policy.Request) { q.Only = "sandbox" }, policy.Undecided},
		{"narrowed to another environment", func(q *policy.Request) { q.Only = "production" }, policy.EnvironmentMismatch},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := ask()
			c.change(&q)
			if d := s.Decide(&q); d.Code != c.want {
				t.Errorf("got %v, want %v", d.Code, c.want)
			}
		})
	}
}

func TestDecideNamesWhatItFound(t *testing.T) {
	s := build(t, estate())
	q := ask()
	q.Path = "/v1/payments/42"
	got := s.Decide(&q)
	want := policy.Decision{Stage: policy.StageGated, PolicyVersion: 7, Partner: "acme", Application: "checkout", Environment: "sandbox",
		Credential: "c", Product: "payments", Operation: "getPayment", Subscription: "payments-sandbox", Key: policy.KeyDigest(q.Key)}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	again, ok := policy.ParseDecision(string(got.Append(nil)))
	if !ok || again != got {
		t.Errorf("through bytes: %+v, %v", again, ok)
	}
}

func TestWithoutPolicyNothingIsLetThrough(t *testing.T) {
	var s *policy.Snapshot
	q := ask()
	if d := s.Decide(&q); d.Code != policy.PolicyUnavailable {
		t.Errorf("got %v", d.Code)
	}
}

func TestSubscriptions(t *testing.T) {
	grant := func(change func(*policy.SourceGrant)) *policy.Source {
		src := estate()
		change(&src.Grants[0]) // acme's of payments in sandbox
		return src
	}
	cases := []struct {
		name    string
		src     *policy.Source
		path    string
		want    policy.Code
		surface policy.Code // of getPay, by the portal; OperationNotFound where it is not listed
	}{
		{"suspended", grant(func(g *policy.SourceGrant) { g.Suspended = true }), "/v1/pay", policy.SubscriptionSuspended, policy.SubscriptionSuspended},
		{"not yet", grant(func(g *policy.SourceGrant) { g.StartsAt = start + 1 }), "/v1/pay", policy.OperationNotFound, policy.OperationNotFound},
		{"just begun", grant(func(g *policy.SourceGrant) { g.StartsAt = start }), "/v1/pay", policy.Undecided, policy.Admitted},
		{"just over", grant(func(g *policy.SourceGrant) { g.EndsAt = start }), "/v1/pay", policy.OperationNotFound, policy.OperationNotFound},
		{"only some operations, this one", grant(func(g *policy.SourceGrant) { g.Operations = []string{"root", "getPay"} }), "/v1/pay", policy.Undecided, policy.Admitted},
		{"only some operations, not this one", grant(func(g *policy.SourceGrant) { g.Operations = []string{"root"} }), "/v1/pay", policy.OperationNotFound, policy.OperationNotFound},
		{"only some applications, this one", grant(func(g *policy.SourceGrant) { g.Applications = []string{"checkout"} }), "/v1/pay", policy.Undecided, policy.Admitted},
		{"only some applications, not this one", grant(func(g *policy.SourceGrant) { g.Applications = []string{"other"} }), "/v1/pay", policy.OperationNotFound, policy.Admitted},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := build(t, c.src)
			q := ask()
			q.Path = c.path
			if d := s.Decide(&q); d.Code != c.want {
				t.Errorf("decided %v, want %v", d.Code, c.want)
			}
			listed := policy.OperationNotFound
			for _, o := range s.Surface("acme", "sandbox", "", start) {
				if o.Operation == "getPay" {
					listed = o.Code
				}
			}
			if listed != c.surface {
				t.Errorf("listed as %v, want %v", listed, c.surface)
			}
		})
	}
}

func TestSurface(t *testing.T) {
	s := build(t, estate())
	payments := []string{"GET /", "GET /v1/pay", "GET /v1/payments/{id}", "POST /v1/payments/{id}/refunds"}
	risk := []string{"GET /admin", "GET /v1/payments/export", "GET /v1/payments/export/{part}/x"}
	both := slices.Sorted(slices.Values(append(slices.Clone(payments), risk...)))
	cases := []struct {
		partner, environment string
		code                 policy.Code
		want                 []string
	}{
		{"acme", "sandbox", policy.Admitted, payments},
		{"acme", "production", policy.Admitted, payments},
		{"globex", "sandbox", policy.Admitted, both},
		{"globex", "production", policy.Admitted, nil},
		{"umbra", "sandbox", policy.Admitted, nil},
		{"umbra", "sandbox", policy.PartnerSuspended, payments},
		{"nobody", "sandbox", policy.Admitted, nil},
	}
	for _, c := range cases {
		if got := paths(s.Surface(c.partner, c.environment, "", start), c.code); !slices.Equal(got, c.want) {
			t.Errorf("%s in %s, %v: got %v, want %v", c.partner, c.environment, c.code, got, c.want)
		}
	}
}

func TestLimitsOfARequest(t *testing.T) {
	src := estate()
	src.Grants[1].Limits = []policy.SourceLimit{{Name: "own", Kind: policy.InFlight, Requests: 2, Scope: policy.ScopeApplication}}
	s := build(t, src)
	cases := []struct {
		name   string
		change func(*policy.Request)
		want   []string
	}{
		{"the plan's", func(*policy.Request) {}, []string{"acme/payments-sandbox/throughput/rate-second", "acme/payments-sandbox/monthly/quota-month"}},
		{"narrowed to the operation", func(q *policy.Request) { q.Method, q.Path = "POST", "/v1/payments/1/refunds" },
			[]string{"acme/payments-sandbox/throughput/rate-second", "acme/payments-sandbox/monthly/quota-month", "acme/payments-sandbox/refunds/quota-day"}},
		{"its own", func(q *policy.Request) { q.Host, q.Key = productionHost, keyOf("production", "p") },
			[]string{"acme/payments-production@checkout/own/concurrency"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := ask()
			c.change(&q)
			d := s.Decide(&q)
			buckets, ok := s.Limits(&d, q.Now, nil)
			if !ok {
				t.Fatalf("no limits for %+v", d)
			}
			var got []string
			for i := range buckets {
				id := string(policy.AppendBucketID(nil, &d, &buckets[i].Limit))
				if policy.BucketKey(id) != buckets[i].Key {
					t.Errorf("%s has another key than its bucket", id)
				}
				if _, ok := policy.ParseBucketID(id); !ok {
					t.Errorf("%s cannot be taken apart", id)
				}
				got = append(got, id)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestDecidingAllocatesNothing(t *testing.T) {
	s := build(t, estate())
	q := ask()
	q.Path = "/v1/payments/a%20b?x=y"
	buckets := make([]policy.Bucket, 0, policy.MaxLimits)
	encoded := make([]byte, 0, 512)
	allocations := testing.AllocsPerRun(1000, func() {
		d := s.Decide(&q)
		encoded = d.Append(encoded[:0])
		if _, ok := s.Limits(&d, q.Now, buckets[:0]); !ok {
			t.Fatal("no limits")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations a decision", allocations)
	}
}

func BenchmarkDecide(b *testing.B) {
	s := build(b, estate())
	q := ask()
	q.Path = "/v1/payments/42"
	b.ReportAllocs()
	for b.Loop() {
		if d := s.Decide(&q); d.Code != policy.Undecided {
			b.Fatal(d.Code)
		}
	}
}
