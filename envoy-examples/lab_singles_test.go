package envoyexamples

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/corpus"
)

// TestSinglesDecideAlike sends the corpus through the three modules, each in VMs of its own: their code differs, their vm_id does not.
func TestSinglesDecideAlike(t *testing.T) {
	l := getLab(t)
	keys, version := corpusKeys(t, l.backend)
	l.version = max(l.version, version)
	l.settle(t, "singles")
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

// TestSinglesKeepTheContract spends a quota of 50 from many connections at once, counts, and revokes a key.
func TestSinglesKeepTheContract(t *testing.T) {
	l := getLab(t)
	version := l.apply(t, l.quotaPartner(t, "lab-singles-quota")...)
	key := l.key(t, "lab-singles-quota", "app", "sandbox")
	l.version = max(l.version, version, key.PolicyVersion)
	l.settle(t, "singles")
	q := request{method: http.MethodGet, target: "/lab/ping", host: labHost, headers: []string{"x-api-key: " + key.Key}}
	var group sync.WaitGroup
	var c tally
	for range 6 {
		group.Go(func() {
			for range 20 {
				a, err := ask(l.listeners["singles"], q)
				if err != nil {
					t.Error(err)
					return
				}
				c.add("lab-singles-quota", a.outcome())
			}
		})
	}
	group.Wait()
	if admitted, refused := c.of("lab-singles-quota", "admitted"), c.of("lab-singles-quota", "limit_exceeded"); admitted != 50 || refused != 70 {
		t.Errorf("%v, want 50 admitted and 70 refused", c.all())
	}
	poll(t, "usage differs from what was answered", 15*time.Second, func() bool {
		usage := l.usage(t)
		for at, n := range c.all() {
			if usage[at] != n {
				return false
			}
		}
		return true
	})
	if _, err := l.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	poll(t, "a revoked key is still let through", 2*time.Second, func() bool {
		for range refusedInARow {
			if a, err := ask(l.listeners["singles"], q); err != nil || a.outcome() != "credential_revoked" {
				return false
			}
		}
		return true
	})
	noReloads(t, l.envoy)
}
