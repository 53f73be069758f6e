package envoyexamples

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
)

// TestTwoManagersOneOfThemKilled has Envoy speak to two managers on one MongoDB. Either may be killed while calls go on: no decision
// changes, the other takes changes, and usage is exact.
func TestTwoManagersOneOfThemKilled(t *testing.T) {
	module(t)
	set := started(t, func() (*mongod.Set, error) { return mongod.Start(context.WithoutCancel(t.Context()), mongod.Options{}) }, (*mongod.Set).Stop)
	start := func() (*managerProcess, error) { return startManagerOn(set.URL("envoy")) }
	one, two := started(t, start, (*managerProcess).stop), started(t, start, (*managerProcess).stop)
	b := &backend{managerProcess: one, payments: started(t, startUpstream, (*upstream).stop), risk: started(t, startUpstream, (*upstream).stop)}
	keys, version := corpusKeys(t, b)
	places := b.places()
	places.Second = two.port()
	envoy := startEnvoy(t, Options{EdgeToken: edgeToken, Places: places})
	b.awaitPolicy(t, version, envoy.Address())
	var counts tally
	outcome := func(key string) string {
		a, err := ask(envoy.Address(), request{method: http.MethodGet, target: "/v1/pay", host: corpus.SandboxHost, headers: []string{"x-api-key: " + key}})
		if err != nil {
			t.Fatal(err)
		}
		if a.outcome() == "credential_unknown" { // nobody's key, until this Envoy has heard of it
			return a.outcome()
		}
		counts.add("acme", a.outcome())
		return a.outcome()
	}
	// A key made at either works; revoked at the other, while the first is dead, it does not.
	for _, turn := range []struct{ dies, stays *managerProcess }{{one, two}, {two, one}} {
		made := turn.dies.key(t, "acme", "app", "sandbox")
		poll(t, "the new key is not admitted", func() bool { return outcome(made.Key) == "admitted" })
		if err := turn.dies.kill(); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if got := outcome(keys["acme"]); got != "admitted" {
				t.Errorf("with one manager dead: %s", got)
			}
		}
		if _, err := turn.stays.RevokeKey(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		poll(t, "the revoked key is admitted", func() bool { return outcome(made.Key) == "credential_revoked" })
		t.Logf("revoked everywhere after %s", time.Since(begun))
		if err := turn.dies.start(); err != nil {
			t.Fatal(err)
		}
	}
	b.awaitUsage(t, &counts, "acme")
	reliability.Record(t, reliability.Row{
		Fault:    "Envoy: either of two managers is killed",
		Done:     "SIGKILL of one, then of the other; a key made at the one is revoked at the other while the first is dead",
		Promised: "no decision changes; the other takes changes; usage is exact",
		Seen:     "100 of 100 calls admitted with one dead; both keys refused; usage equal to the calls",
	})
}
