package envoyexamples

import (
	"net/http"
	"sync"
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
)

// TestSinglesDecideAlike sends the corpus through the three modules, each in VMs of its own: their code differs, their vm_id does not.
func TestSinglesDecideAlike(t *testing.T) {
	l := getLab(t)
	keys, version := corpusKeys(t, l.backend)
	l.awaitPolicy(t, version, l.listeners["singles"])
	run := oddRun{backend: l.backend, address: l.listeners["singles"], keys: keys}
	run.awaitExpired(t)
	for _, c := range corpus.Cases() {
		q := request{method: orDefault(c.Method, http.MethodGet), target: corpus.Fill(c.Target, keys), host: orDefault(c.Host, corpus.SandboxHost)}
		for _, h := range c.Headers {
			q.headers = append(q.headers, h.Name+": "+corpus.Fill(h.Value, keys))
		}
		a, err := ask(l.listeners["singles"], q)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if p, _ := a.problem(); a.status != c.Raw.Status || !c.Raw.Listener && p.Code != c.Raw.Code {
			t.Errorf("%s: %d %q, want %d %q", c.Name, a.status, p.Code, c.Raw.Status, c.Raw.Code)
		}
	}
	noReloads(t, l.envoy)
}

// TestSinglesKeepTheContract spends a quota from many connections at once, counts, and revokes the key.
func TestSinglesKeepTheContract(t *testing.T) {
	l := getLab(t)
	partner := l.withQuota(t)
	q := request{method: http.MethodGet, target: "/lab/ping", host: labHost, headers: []string{"x-api-key: " + l.keys[partner]}}
	var group sync.WaitGroup
	var c tally
	const lanes, calls = 6, 20
	for range lanes {
		group.Go(func() {
			for range calls {
				if _, err := askPatiently(l.listeners["singles"], q, func(a answer) { c.add(partner, a.outcome()) }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if admitted, refused := c.of(partner, "admitted"), c.of(partner, "limit_exceeded"); admitted != labQuota || refused != lanes*calls-labQuota {
		t.Errorf("%v, want %d admitted and the others refused", c.all(), labQuota)
	}
	l.awaitUsage(t, &c, partner)
	_, id, _ := policy.ParseKey(l.keys[partner])
	if _, err := l.RevokeKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	poll(t, "a revoked key is still let through", func() bool {
		for range inARow {
			if a, err := ask(l.listeners["singles"], q); err != nil || a.outcome() != "credential_revoked" {
				return false
			}
		}
		return true
	})
	noReloads(t, l.envoy)
}
