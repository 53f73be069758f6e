package envoyexamples

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
)

// corpusEstate is the estate that package corpus supposes.
const corpusEstate = `
apiVersion: partnergate.dev/v1alpha1
kind: Product
metadata: {name: payments}
spec:
  openapi:
    openapi: 3.1.0
    info: {title: Payments, version: "1"}
    paths: {/v1/pay: {get: {operationId: getPay, responses: {"200": {description: ok}}}}}
  environments: {sandbox: {hosts: [sandbox.api.example.test]}, production: {hosts: [api.example.test]}}
---
apiVersion: partnergate.dev/v1alpha1
kind: Product
metadata: {name: admin}
spec:
  openapi:
    openapi: 3.1.0
    info: {title: Admin, version: "1"}
    paths: {/admin: {get: {operationId: admin, responses: {"200": {description: ok}}}}}
  environments: {sandbox: {hosts: [sandbox.api.example.test]}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Plan, metadata: {name: open}, spec: {limits: []}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Partner, metadata: {name: acme}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Partner, metadata: {name: globex}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Partner, metadata: {name: initech}, spec: {state: suspended}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Partner, metadata: {name: hooli}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Application, metadata: {name: app, partner: acme}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Application, metadata: {name: app, partner: globex}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Application, metadata: {name: app, partner: initech}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Application, metadata: {name: app, partner: hooli}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Subscription, metadata: {name: payments-sandbox, partner: acme}, spec: {product: payments, environment: sandbox, plan: open}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Subscription, metadata: {name: payments-production, partner: acme}, spec: {product: payments, environment: production, plan: open}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Subscription, metadata: {name: admin-sandbox, partner: globex}, spec: {product: admin, environment: sandbox, plan: open}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Subscription, metadata: {name: payments-sandbox, partner: initech}, spec: {product: payments, environment: sandbox, plan: open}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Subscription, metadata: {name: payments-sandbox, partner: hooli}, spec: {product: payments, environment: sandbox, plan: open, state: suspended}}
`

// TestOddRequests sends every odd request, byte for byte, through both examples of three filters: each gets what it must, nothing that is refused
// reaches an upstream, and the next good request is served.
func TestOddRequests(t *testing.T) {
	module(t)
	b := sharedBackend.get(t)
	keys, version := corpusKeys(t, b)
	for _, example := range chained {
		t.Run(example, func(t *testing.T) {
			envoy := sharedEdges[example].get(t)
			b.awaitPolicy(t, version, envoy.Address())
			run := oddRun{backend: b, address: envoy.Address(), keys: keys}
			run.awaitExpired(t)
			for _, c := range corpus.Cases() {
				want, sees := c.Raw, c.Target
				if example == "hardened" {
					want = c.Hard
					if c.Normalized != "" {
						sees = c.Normalized
					}
				}
				t.Run(c.Name, func(t *testing.T) {
					run.check(t, &c, want, sees)
					run.check(t, &corpus.Good, corpus.Good.Raw, corpus.Good.Target)
				})
			}
			run.sameNotFound(t)
			noReloads(t, envoy.Envoy)
		})
	}
}

// corpusKeys applies the corpus's estate, makes the keys that it names, and returns the version of the policy that has them.
func corpusKeys(t *testing.T, b *backend) (keys map[string]string, version int64) {
	t.Helper()
	if _, err := b.applyYAML(t.Context(), corpusEstate); err != nil {
		t.Fatal(err)
	}
	keys = map[string]string{}
	for _, partner := range []string{"acme", "globex", "initech", "hooli"} {
		keys[partner] = b.key(t, partner, "app", "sandbox").Key
	}
	keys["acme-production"] = b.key(t, "acme", "app", "production").Key
	revoked := b.key(t, "acme", "app", "sandbox")
	keys["acme-revoked"] = revoked.Key
	version, err := b.RevokeKey(t.Context(), revoked.ID)
	if err != nil {
		t.Fatal(err)
	}
	keys["unissued"] = unissuedKey()
	expired := b.key(t, "acme", "app", "sandbox")
	keys["acme-expired"] = expired.Key
	next, err := b.RotateKey(t.Context(), expired.ID, "1ms") // no key is made for less than a minute
	if err != nil {
		t.Fatal(err)
	}
	return keys, max(version, next.PolicyVersion)
}

// oddRun is the corpus against one edge.
type oddRun struct {
	*backend
	address  string
	keys     map[string]string
	sent     int
	notFound map[string][]string // by what the client sees of a 404, the cases that got it
}

// awaitExpired returns when the clock has reached the end of the key that expires.
func (r *oddRun) awaitExpired(t *testing.T) {
	t.Helper()
	poll(t, "a key does not expire", func() bool {
		a, err := ask(r.address, request{method: http.MethodGet, target: "/v1/pay", host: corpus.SandboxHost,
			headers: []string{"x-api-key: " + r.keys["acme-expired"]}})
		return err == nil && a.outcome() == "credential_expired"
	})
}

func (r *oddRun) check(t *testing.T, c *corpus.Case, want corpus.Verdict, sees string) {
	t.Helper()
	r.sent++
	mark := fmt.Sprintf("odd-%d", r.sent)
	q := request{method: orDefault(c.Method, http.MethodGet), target: corpus.Fill(c.Target, r.keys), host: orDefault(c.Host, corpus.SandboxHost)}
	q.headers = append(q.headers, markHeader+": "+mark)
	for _, h := range c.Headers {
		q.headers = append(q.headers, h.Name+": "+corpus.Fill(h.Value, r.keys))
	}
	before := r.arrived()
	a, err := ask(r.address, q)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != want.Status {
		t.Fatalf("status %d, want %d %s\n%s", a.status, want.Status, want.Code, a.body)
	}
	arrived, found := r.taken(mark)
	if want.Status == http.StatusOK {
		r.checkArrival(t, c, arrived, found, sees)
		return
	}
	if found || r.arrived() != before {
		t.Errorf("it was refused, and reached the upstream: %+v", arrived)
	}
	if !want.Listener {
		r.checkRefusal(t, c, a, want)
	}
}

func (r *oddRun) checkRefusal(t *testing.T, c *corpus.Case, a answer, want corpus.Verdict) {
	t.Helper()
	p, ok := a.problem()
	if !ok || p.Code != want.Code {
		t.Fatalf("got %q %s, want the problem %s", a.header.Get("Content-Type"), a.body, want.Code)
	}
	if p.Status != want.Status || p.Type == "" || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.PolicyVersion == 0 {
		t.Errorf("the problem lacks a member: %s", a.body)
	}
	if want.Status == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("401 without WWW-Authenticate: %v", a.header)
	}
	if want.Status == http.StatusNotFound {
		if r.notFound == nil {
			r.notFound = map[string][]string{}
		}
		seen := fmt.Sprint(a.status, slices.Sorted(maps.Keys(a.header)), strings.ReplaceAll(a.body, p.RequestID, "…"))
		r.notFound[seen] = append(r.notFound[seen], c.Name)
	}
}

// sameNotFound checks that nobody can tell what exists from what does not.
func (r *oddRun) sameNotFound(t *testing.T) {
	t.Helper()
	if len(r.notFound) != 1 {
		t.Errorf("there are %d kinds of 404, so that one tells more than another:\n%v", len(r.notFound), r.notFound)
	}
}

func (r *oddRun) checkArrival(t *testing.T, c *corpus.Case, a arrival, found bool, sees string) {
	t.Helper()
	if !found {
		t.Fatal("it was answered with 200, and not by the upstream")
	}
	if a.target != sees {
		t.Errorf("the upstream got the path %q, want %q", a.target, sees)
	}
	environment := "sandbox"
	if strings.HasPrefix(orDefault(c.Host, corpus.SandboxHost), "api.") {
		environment = "production"
	}
	want := map[string]string{"x-partner-id": "acme", "x-partner-application": "app", "x-partner-environment": environment,
		"x-partner-product": "payments", "x-partner-subscription": "payments-" + environment}
	maps.Copy(want, c.Upstream)
	for name, value := range want {
		if got := headerValues(a, name); value == "" && len(got) > 0 || value != "" && !slices.Equal(got, []string{value}) {
			t.Errorf("the upstream got %s: %q, want %q", name, got, value)
		}
	}
	for name, values := range a.header {
		for _, key := range r.keys {
			if strings.Contains(strings.Join(values, ","), key) {
				t.Errorf("the upstream got a key, as %s", name)
			}
		}
		if spelled := strings.ReplaceAll(strings.ToLower(name), "_", "-"); strings.HasPrefix(spelled, "x-partner-") && want[strings.ToLower(name)] == "" {
			t.Errorf("the upstream got %s: %q, which is nobody's to set", name, values)
		}
	}
}

// headerValues are the values of a header in any spelling of its letters.
func headerValues(a arrival, name string) (values []string) {
	for have, v := range a.header {
		if strings.EqualFold(have, name) {
			values = append(values, v...)
		}
	}
	return values
}

// unissuedKey is well-formed, and nobody's.
func unissuedKey() string {
	body := policy.KeyPrefix + "sandbox_" + strings.Repeat("a", policy.KeyIDLength) + "_" + "0123456789abcdefghijklmnopqrstuv"
	sum := policy.KeyChecksum(body)
	return body + string(sum[:])
}
