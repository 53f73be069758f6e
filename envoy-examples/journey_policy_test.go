package envoyexamples

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/manager"
)

// promise is how soon every edge in contact refuses what was revoked, suspended or removed.
const promise = 2 * time.Second

func (j *journey) revoke(t *testing.T) {
	took := promised(t, "a revoked key is refused", promise, func() time.Duration { return j.revokeOne(t) })
	t.Logf("refused %s after it was revoked", took.Round(time.Millisecond))
	reliability.Record(t, reliability.Row{
		Fault:    "Envoy: a key is revoked while it is used",
		Done:     "revoked through the API, called in a loop",
		Promised: "401 `credential_revoked` within 2 s",
		Seen:     "refused after " + took.Round(time.Millisecond).String(),
	})
}

// revokeOne makes a key, revokes it, and returns how long it was served all the same.
func (j *journey) revokeOne(t *testing.T) time.Duration {
	t.Helper()
	doomed := j.key(t, "delta", "screening", "production")
	j.awaitAcknowledged(t, doomed.PolicyVersion)
	expect(t, j.call(t, "delta", doomed.Key, productionHost, http.MethodGet, "/risk/feeds"), 200, "admitted")
	if _, err := j.RevokeKey(t.Context(), doomed.ID); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	var a answer
	poll(t, "a revoked key is still served", func() bool {
		a = j.call(t, "delta", doomed.Key, productionHost, http.MethodGet, "/risk/feeds")
		return a.status != http.StatusOK
	})
	took := time.Since(revoked)
	expect(t, a, 401, "credential_revoked")
	return took
}

func (j *journey) rotate(t *testing.T) {
	old := j.key(t, "delta", "screening", "production")
	next, err := j.RotateKey(t.Context(), old.ID, "1s")
	if err != nil {
		t.Fatal(err)
	}
	longer := j.key(t, "delta", "screening", "production")
	longest, err := j.RotateKey(t.Context(), longer.ID, "1h")
	if err != nil {
		t.Fatal(err)
	}
	j.awaitAcknowledged(t, longest.PolicyVersion)
	for _, key := range []string{next.Key, longer.Key, longest.Key} {
		expect(t, j.call(t, "delta", key, productionHost, http.MethodGet, "/risk/feeds"), 200, "admitted")
	}
	poll(t, "a rotated key is served after its overlap", func() bool {
		return j.call(t, "delta", old.Key, productionHost, http.MethodGet, "/risk/feeds").outcome() == "credential_expired"
	})
	expect(t, j.call(t, "delta", next.Key, productionHost, http.MethodGet, "/risk/feeds"), 200, "admitted")
}

// change applies changed resources and returns when every worker decides by them.
func (j *journey) change(t testing.TB, resources ...manager.Resource) {
	t.Helper()
	j.awaitAcknowledged(t, j.apply(t, resources...))
}

func (j *journey) suspend(t *testing.T) {
	cobalt := resource[*manager.Partner](t, j.managerProcess, manager.Ref{Kind: manager.KindPartner, Name: "cobalt"})
	cobalt.Spec.State = manager.StateSuspended
	j.change(t, cobalt)
	expect(t, j.get(t, "cobalt", "production", "/payments/charges"), 403, "partner_suspended")
	j.expectListed(t, "production", "", j.cobalt)
	cobalt.Spec.State = manager.StateActive
	j.change(t, cobalt)

	subscription := resource[*manager.Subscription](t, j.managerProcess,
		manager.Ref{Kind: manager.KindSubscription, Partner: "cobalt", Name: "payments-production"})
	subscription.Spec.State = manager.StateSuspended
	j.change(t, subscription)
	expect(t, j.get(t, "cobalt", "production", "/payments/charges"), 403, "subscription_suspended")
	expect(t, j.get(t, "cobalt", "production", "/risk/feeds"), 404, "operation_not_found")
	j.expectListed(t, "production", "", j.cobalt)
	j.expectListed(t, "sandbox", "payments", j.cobalt)
	subscription.Spec.State = manager.StateActive
	j.change(t, subscription)
	expect(t, j.get(t, "cobalt", "production", "/payments/charges"), 200, "admitted")
	j.expectListed(t, "production", "payments", j.cobalt)
}

func (j *journey) expectListed(t testing.TB, environment, want string, s *portalSession) {
	t.Helper()
	if got := products(s.catalog(t, environment)); got != want {
		t.Errorf("the catalog of %s shows %q, want %q", environment, got, want)
	}
}

func (j *journey) retire(t *testing.T) {
	risk := resource[*manager.Product](t, j.managerProcess, manager.Ref{Kind: manager.KindProduct, Name: "risk"})
	for _, stage := range []struct {
		lifecycle manager.Lifecycle
		status    int
		outcome   string
		listed    string
	}{
		{manager.LifecycleDeprecated, 200, "admitted", "payments risk"},
		{manager.LifecycleRetired, 404, "operation_not_found", "payments"},
		{manager.LifecycleDraft, 404, "operation_not_found", "payments"},
		{manager.LifecyclePublished, 200, "admitted", "payments risk"},
	} {
		risk.Spec.Lifecycle = stage.lifecycle
		j.change(t, risk)
		expect(t, j.get(t, "delta", "production", "/risk/feeds"), stage.status, stage.outcome)
		j.expectListed(t, "production", stage.listed, j.delta)
	}
}

// killManager ends the manager as a crash does, and starts it again, while four clients go on calling: none of them may notice, and
// afterwards every call is counted once.
func (j *journey) killManager(t *testing.T) {
	call := func(name, partner, key, path, want string) *lane {
		r := request{method: http.MethodGet, target: path, host: productionHost}
		if key != "" {
			r.headers = []string{"x-api-key: " + key}
		}
		return &lane{name: name, partner: partner, request: r, want: want}
	}
	cobalt, delta := j.keys["cobalt/production"].Key, j.keys["delta/production"].Key
	under := startTraffic(j.edge.Address(), &j.tally,
		call("Cobalt at its product", "cobalt", cobalt, "/payments/charges", "admitted"),
		call("Cobalt at another's product", "cobalt", cobalt, "/risk/feeds", "operation_not_found"),
		call("Delta", "delta", delta, "/risk/feeds", "admitted"),
		call("somebody without a key", "", "", "/payments/charges", "credential_missing"))
	under.more(t, 50)
	if err := j.kill(); err != nil {
		t.Fatal(err)
	}
	under.more(t, 150)
	if err := j.start(); err != nil {
		t.Fatal(err)
	}
	under.more(t, 150)
	under.stop(t)
	j.awaitUsage(t, &j.tally)
	j.expectListed(t, "production", "payments risk", j.delta) // the login outlived the manager
	reliability.Record(t, reliability.Row{
		Fault:    "Envoy: the only manager is killed",
		Done:     "SIGKILL under four kinds of calls, restarted 150 calls of each later",
		Promised: "no decision changes; usage is kept and counted once; logins outlive it",
		Seen:     "every call got what it got before; usage equal to the calls",
	})
}

// restartEdge starts the gateway anew: what it has spent of a quota stays spent.
func (j *journey) restartEdge(t *testing.T) {
	j.awaitUsage(t, &j.tally) // a gateway may lose what it counts in its last second
	before := j.tally.of("echo", "admitted")
	if err := j.edge.Stop(); err != nil {
		t.Fatal(err)
	}
	j.startEdge(t, 1)
	started := time.Now()
	poll(t, "nobody is served after the restart", func() bool {
		return j.get(t, "delta", "production", "/payments/charges").status == http.StatusOK
	})
	t.Logf("a partner with a rate is served again after %s", time.Since(started).Round(time.Millisecond))
	var last answer
	poll(t, "the quota has no end", func() bool {
		last = j.call(t, "echo", j.echoKey, sandboxHost, http.MethodGet, "/payments/charges")
		return last.outcome() == "limit_exceeded"
	})
	p, _ := last.problem()
	admitted := j.tally.of("echo", "admitted")
	t.Logf("%d calls of a quota of %d were admitted before the restart, %d in all", before, trialQuota, admitted)
	if p.Limit != "trial" || admitted > trialQuota || admitted <= before {
		t.Errorf("%d calls were admitted before the restart and %d in all; the quota is %d, and %s refused", before, admitted, trialQuota, last.body)
	}
	for outcome := range outcomesOf(&j.tally, "echo") {
		if !slices.Contains([]string{"admitted", "operation_not_found", "limit_exceeded", "limit_unavailable"}, outcome) {
			t.Errorf("a call got %s", outcome)
		}
	}
	reliability.Record(t, reliability.Row{
		Fault:    "Envoy: a gateway ends with a quota half spent",
		Done:     "stopped and started anew, then called until the quota refuses",
		Promised: "what it spent stays spent: never more than the quota in all",
		Seen:     fmt.Sprintf("%d of %d admitted, %d of them before", admitted, trialQuota, before),
	})
}

func outcomesOf(c *tally, partner string) map[string]int64 {
	of := map[string]int64{}
	for key, n := range c.all() {
		if key.partner == partner {
			of[key.outcome] = n
		}
	}
	return of
}
