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
		{"let through", ask("acme", "GET", "/pay/payments/17"), policy.Admitted, "limits", "throughput: 5 a second, burst 10; monthly: 10000 a month, 0 of them granted"},
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
