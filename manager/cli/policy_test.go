package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/rest"
)

// TestPlaced: what the manager finds wrong is told by file and line, however it names it.
func TestPlaced(t *testing.T) {
	read, err := manager.ReadDocuments("policy/all.yaml", []byte(`apiVersion: partnergate.dev/v1alpha1
kind: Plan
metadata: {name: one}
spec: {}
---
apiVersion: partnergate.dev/v1alpha1
kind: Application
metadata: {name: checkout, partner: acme}
spec:
  title: Checkout
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		field manager.Field
		want  string
	}{
		{"by resource", manager.Field{Resource: "Application acme/checkout", Path: "spec.title", Message: "is bad"},
			"policy/all.yaml:10: Application acme/checkout: spec.title: is bad"},
		{"by its place", manager.Field{Path: "resources[1].spec.title", Message: "is bad"},
			"policy/all.yaml:10: Application acme/checkout: spec.title: is bad"},
		{"as a whole", manager.Field{Path: "resources[0]", Message: "is bad"}, "policy/all.yaml:1: Plan one: "},
		{"not among the files", manager.Field{Resource: "Subscription acme/other", Path: "spec.plan", Message: "is bad"},
			"\n  Subscription acme/other: spec.plan: is bad"},
		{"out of range", manager.Field{Path: "resources[7].spec", Message: "is bad"}, "\n  resources[7].spec: is bad"},
	} {
		err := placed(&client.Problem{Problem: rest.Problem{Status: 422, Detail: "not valid", Errors: []manager.Field{c.field}}}, read)
		if !strings.HasPrefix(err.Error(), "not valid\n") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	problem := &client.Problem{Problem: rest.Problem{Status: 503, Detail: "away"}}
	if err := placed(problem, read); !errors.Is(err, problem) {
		t.Errorf("another problem became %v", err)
	}
}

func TestTargetOfAQuestion(t *testing.T) {
	for target, want := range map[string][2]string{
		"/payments":                              {"", "/payments"},
		"https://api.example.test/payments?x=1":  {"api.example.test", "/payments?x=1"},
		"https://api.example.test:8443/a/../b":   {"api.example.test:8443", "/a/../b"},
		"http://api.example.test":                {"api.example.test", "/"},
		"/payments?back=https://elsewhere.test/": {"", "/payments?back=https://elsewhere.test/"},
	} {
		q, err := (&caller{partner: "acme"}).query("GET", target)
		if err != nil || q.Get("host") != want[0] || q.Get("path") != want[1] {
			t.Errorf("%s: host %q, path %q, %v", target, q.Get("host"), q.Get("path"), err)
		}
	}
}
