package envoyexamples

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestShadowInEnvoy decides, logs and counts, but lets everything through: without the key, and without an identity that the client made up.
func TestShadowInEnvoy(t *testing.T) {
	l := getLab(t)
	l.settleShadow(t)
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
	entry := l.awaitLogged(t, l.call(t, "shadow", "", "/lab/ping").header.Get("X-Request-Id"))
	if entry.Outcome != "credential_missing" || entry.Status != http.StatusOK {
		t.Errorf("the manager's log has %+v", entry)
	}
	l.shadowLimits(t)
	noReloads(t, l.envoy)
}

// settleShadow waits for the policy: until it is there, everything passes without an identity.
func (l *lab) settleShadow(t *testing.T) {
	t.Helper()
	poll(t, "the listener in shadow has no policy", time.Minute, func() bool {
		for range 20 {
			if !strings.Contains(l.call(t, "shadow", "lab-shadow", "/lab/ping").body, "X-Partner-Id") {
				return false
			}
		}
		return true
	})
}

func (l *lab) wantLogged(t *testing.T, id, outcome string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wireTimeout)
	defer cancel()
	entry, err := l.access.Await(ctx, func(a Access) bool { return a.RequestID == id })
	if err != nil || entry.Outcome != outcome || entry.Status != http.StatusOK {
		t.Errorf("the access log has %+v, %v; want the outcome %s", entry, err, outcome)
	}
}

// shadowLimits spends a quota of 50 and goes on: what would be refused is counted so.
func (l *lab) shadowLimits(t *testing.T) {
	t.Helper()
	before := l.usage(t)
	const sent = 70
	for range sent {
		if a := l.call(t, "shadow", "lab-shadow-quota", "/lab/ping"); a.status != http.StatusOK || a.header.Get("Retry-After") != "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	count := func(outcome string) int64 {
		at := counted{"lab-shadow-quota", outcome}
		return l.usage(t)[at] - before[at]
	}
	poll(t, "usage does not have all requests", 15*time.Second, func() bool { return count("admitted")+count("limit_exceeded") == sent })
	if count("admitted") > 50 || count("admitted") == 0 {
		t.Errorf("%d would be admitted of a quota of 50", count("admitted"))
	}
}
