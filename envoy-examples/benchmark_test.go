package envoyexamples

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkRevocation measures the time from the manager's answer to a revocation to the end of the last request that the key still got
// through, in an Envoy with two workers and the sample estate: 0 where none did. Repeat docs/performance.md with
//
//	go test -run '^$' -bench Revocation -benchtime 100x ./envoy-examples
func BenchmarkRevocation(b *testing.B) {
	module(b)
	back := sharedBackend.get(b)
	back.awaitPolicy(b, back.applySample(b), sharedEdges["quickstart"].get(b).Address())
	var took []time.Duration
	for b.Loop() {
		took = append(took, revocation(b, back, sharedEdges["quickstart"].get(b).Address()))
	}
	slices.Sort(took)
	milliseconds := func(percent int) float64 {
		return float64(took[(len(took)-1)*percent/100].Microseconds()) / 1000
	}
	b.ReportMetric(milliseconds(50), "p50-ms")
	b.ReportMetric(milliseconds(99), "p99-ms")
	b.ReportMetric(milliseconds(100), "worst-ms")
}

func revocation(b *testing.B, back *backend, address string) time.Duration {
	b.Helper()
	key := back.key(b, "delta", "ledger", "production")
	back.awaitAcknowledged(b, key.PolicyVersion)
	use := func() string {
		a, err := ask(address, request{method: http.MethodGet, target: "/no/such/thing", host: productionHost, headers: []string{"x-api-key: " + key.Key}})
		if err != nil {
			b.Fatal(err)
		}
		return a.outcome()
	}
	// An operation that is not there needs no lease, and still tells whether the key is known. An Envoy that has just begun may
	// not have told the manager of itself, which then waits for nobody.
	poll(b, "a new key is not known", func() bool { return use() == "operation_not_found" })
	if _, err := back.RevokeKey(b.Context(), key.ID); err != nil {
		b.Fatal(err)
	}
	revoked := time.Now()
	last := revoked
	for refused := 0; refused < inARow; {
		if use() == "credential_revoked" {
			refused++
		} else {
			refused, last = 0, time.Now()
		}
	}
	return last.Sub(revoked)
}
