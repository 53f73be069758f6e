package manager_test

import (
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

func TestExplain(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	apply(t, s, read(t, `
apiVersion: partnergate.dev/v1alpha1
kind: Partner
metadata: {name: umbra}
spec: {state: suspended}
---
apiVersion: partnergate.dev/v1alpha1
kind: Subscription
metadata: {name: later, partner: umbra}
spec: {product: pay, environment: sandbox, plan: starter}
---
apiVersion: partnergate.dev/v1alpha1
kind: Subscription
metadata: {name: asked, partner: acme}
spec: {product: risk, environment: sandbox, plan: starter, state: requested}
`), manager.ApplyOptions{})
	key, err := s.CreateCredential(t.Context(), admin, "acme", "checkout", "sandbox", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(partner, method, path string) manager.Question {
		return manager.Question{Partner: partner, Environment: "sandbox", Method: method, Path: path}
	}
	withKey := ask("", "GET", "/pay/payments/17")
	withKey.Credential = key.ID
	over := withKey
	over.At = c.Now().Add(time.Hour)
	elsewhere := ask("acme", "GET", "/pay/payments/17")
	elsewhere.Host = "api.example.test"
	nowhere := ask("acme", "GET", "/pay/payments/17")
	nowhere.Host = "nowhere.test"
	for _, k := range []struct {
		name string
		q    manager.Question
		code policy.Code
		last string // step
		says string
	}{
		{"let through", ask("acme", "GET", "/pay/payments/17"), policy.Admitted, "limits", "throughput: 5 a second, burst 10; monthly: 10000 a month, 0 of them used"},
		{"by its key", withKey, policy.Admitted, "limits", "monthly"},
		{"a key that is over", over, policy.CredentialExpired, "credential", "expired at 2026-03-01T13:00:00Z"},
		{"a bad path", ask("acme", "GET", "/pay//x"), policy.PathNotCanonical, "path", "two ways"},
		{"a suspended partner", ask("umbra", "GET", "/pay/payments/17"), policy.PartnerSuspended, "partner", "umbra is suspended"},
		{"another environment's host", elsewhere, policy.EnvironmentMismatch, "environment", "api.example.test is of production, the caller of sandbox"},
		{"nobody's host", nowhere, policy.OperationNotFound, "environment", "no product that can be called is served at nowhere.test"},
		{"no such path", ask("acme", "GET", "/none"), policy.OperationNotFound, "operation", "no template at sandbox.example.test matches /none"},
		{"no such method", ask("acme", "PATCH", "/pay/payments/17"), policy.OperationNotFound, "operation", "the template /pay/payments/{id} has no PATCH; it has GET"},
		{"asked for", ask("acme", "GET", "/risk/scores/1"), policy.OperationNotFound, "subscription", "asked to risk is requested"},
		{"no subscription", ask("globex", "GET", "/pay/payments/17"), policy.OperationNotFound, "subscription", "globex has none to pay in sandbox"},
		{"not that operation", ask("globex", "GET", "/risk/alerts"), policy.OperationNotFound, "subscription", "has only the operations getScore"},
	} {
		t.Run(k.name, func(t *testing.T) {
			e, err := s.Explain(t.Context(), k.q)
			if err != nil {
				t.Fatal(err)
			}
			last := e.Steps[len(e.Steps)-1]
			if e.Code != k.code || last.Step != k.last || !strings.Contains(last.Saw, k.says) || (last.Outcome == manager.StepRefused) != k.code.Refused() {
				t.Errorf("%v: %+v", e.Code, e.Steps)
			}
			for _, step := range e.Steps[:len(e.Steps)-1] {
				if step.Outcome != manager.StepPassed {
					t.Errorf("before the last: %+v", step)
				}
			}
		})
	}
	for _, q := range []manager.Question{ask("nobody", "GET", "/"), {Partner: "acme", Environment: "moon"}, {Credential: "nothing1"}, {Partner: "acme", Application: "none", Environment: "sandbox"}} {
		_, err := s.Explain(t.Context(), q)
		wantCode(t, err, manager.CodeNotFound, "")
	}
}

// TestExplainAgreesWithDecisions: what is explained of a key is what is decided on it, and exactly the last step of a refusal refuses.
func TestExplainAgreesWithDecisions(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	apply(t, s, read(t, `
apiVersion: partnergate.dev/v1alpha1
kind: Subscription
metadata: {name: held, partner: acme}
spec: {product: risk, environment: sandbox, plan: starter, state: suspended, operations: [listAlerts]}
---
apiVersion: partnergate.dev/v1alpha1
kind: Subscription
metadata: {name: live, partner: globex}
spec: {product: pay, environment: production, plan: starter, startsAt: 2026-03-01T13:00:00Z, applications: [screening]}
`), manager.ApplyOptions{})
	refused := 0
	for partner, application := range map[string]string{"acme": "checkout", "globex": "screening"} {
		for _, environment := range []string{"sandbox", "production"} {
			key, err := s.CreateCredential(t.Context(), admin, partner, application, environment, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []time.Time{c.Now(), c.Now().Add(2 * time.Hour)} {
				for _, host := range []string{"sandbox.example.test", "api.example.test", "API.example.test.:443", "none.test"} {
					for _, request := range []string{"GET /pay/payments/1", "POST /pay/payments", "GET /risk/scores/1", "GET /risk/alerts", "PUT /risk/alerts", "GET /none", "GET //", "GET /pay/../pay/payments/1"} {
						method, path, _ := strings.Cut(request, " ")
						q := policy.Request{Method: method, Host: host, Path: path, Key: key.Key, Keys: 1, Now: at.UnixMilli()}
						want := s.Published().Snapshot.Decide(&q)
						e, err := s.Explain(t.Context(), manager.Question{Credential: key.ID, Method: method, Host: host, Path: path, At: at})
						if err != nil {
							t.Fatal(err)
						}
						if want.Code == policy.Undecided {
							want.Code = policy.Admitted
						}
						if e.Code != want.Code || e.Subscription != want.Subscription || e.Product != want.Product {
							t.Errorf("%s of %s in %s at %s: explained %v by %s, decided %v by %s", request, partner, environment, host, e.Code, e.Subscription, want.Code, want.Subscription)
						}
						for i, step := range e.Steps {
							if last := i == len(e.Steps)-1; (step.Outcome == manager.StepRefused) != (last && e.Code.Refused()) {
								t.Errorf("%s of %s in %s at %s, %v: %+v", request, partner, environment, host, e.Code, e.Steps)
							}
						}
						if e.Code.Refused() {
							refused++
						}
					}
				}
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}
