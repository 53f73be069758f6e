package envoyexamples

import (
	"net/http"
	"strings"
	"testing"
)

// TestShadowInEnvoy decides, logs and counts, but lets everything through: without the key, and without an identity that the client made up.
func TestShadowInEnvoy(t *testing.T) {
	l := getLab(t)
	poll(t, "no lease comes for lab-shadow", func() bool {
		return l.accessed(t, l.call(t, "shadow", "lab-shadow", "/lab/ping").header.Get("X-Request-Id")).Outcome == "admitted"
	})
	for _, c := range []struct{ name, partner, path, extra, outcome, identity string }{
		{"admitted", "lab-shadow", "/lab/ping", "x-other: 1", "admitted", "lab-shadow"},
		{"no key", "", "/lab/ping", "x-other: 1", "credential_missing", ""},
		{"unknown key", "", "/lab/ping", "x-api-key: " + unissuedKey(), "credential_unknown", ""},
		{"another's operation", "lab-shadow", "/lab/scarce", "x-other: 1", "operation_not_found", "lab-shadow"},
		{"an odd path", "lab-shadow", "/lab//ping", "x-other: 1", "path_not_canonical", ""},
	} {
		a := l.call(t, "shadow", c.partner, c.path, "x-partner-id: forged", "x-partner-tier: gold", "X_Partner_Id: forged", c.extra)
		if a.status != http.StatusOK || strings.Contains(a.body, "forged") || strings.Contains(a.body, "gold") || strings.Contains(a.body, "pgk_") {
			t.Errorf("%s: the upstream got %d %s", c.name, a.status, a.body)
		}
		if got := strings.Contains(a.body, `"X-Partner-Id":["`+c.identity+`"]`); got != (c.identity != "") || c.identity == "" && strings.Contains(a.body, "X-Partner-") {
			t.Errorf("%s: the upstream was told %s, want the partner %q", c.name, a.body, c.identity)
		}
		l.wantLogged(t, a.header.Get("X-Request-Id"), c.outcome)
	}
	newSecond(t)
	entry := l.awaitLogged(t, l.call(t, "shadow", "", "/lab/ping").header.Get("X-Request-Id"))
	if entry.Outcome != "credential_missing" || entry.Status != http.StatusOK {
		t.Errorf("the manager's log has %+v", entry)
	}
	l.shadowLimits(t)
	noReloads(t, l.envoy)
}

func (l *lab) wantLogged(t *testing.T, id, outcome string) {
	t.Helper()
	if entry := l.accessed(t, id); entry.Outcome != outcome || entry.Status != http.StatusOK {
		t.Errorf("the access log has %+v; want the outcome %s", entry, outcome)
	}
}

// accessed is the line of a request in the access log.
func (l *lab) accessed(t *testing.T, id string) Access {
	t.Helper()
	return awaitAccess(t, &l.access, func(a Access) bool { return a.RequestID == id })
}

// shadowLimits spends a quota and goes on: what would be refused is logged and counted so.
func (l *lab) shadowLimits(t *testing.T) {
	t.Helper()
	partner := l.withQuota(t)
	call := func() (id string) {
		a := l.call(t, "shadow", partner, "/lab/ping")
		if a.status != http.StatusOK || a.header.Get("Retry-After") != "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return a.header.Get("X-Request-Id")
	}
	var logged tally
	outcome := func(id string) string {
		o := l.accessed(t, id).Outcome
		logged.add(partner, o)
		return o
	}
	poll(t, "no lease comes for "+partner, func() bool { return outcome(call()) == "admitted" })
	var ids []string
	for range labQuota + 20 {
		ids = append(ids, call())
	}
	for _, id := range ids {
		outcome(id)
	}
	poll(t, "the quota has no end", func() bool { return outcome(call()) == "limit_exceeded" }) // while a lease is waited for, another refusal is noted
	l.awaitUsage(t, &logged, partner)
	if logged.of(partner, "admitted") > labQuota {
		t.Errorf("with a quota of %d there were %v", labQuota, logged.all())
	}
}
