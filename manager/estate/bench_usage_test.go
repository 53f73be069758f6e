package estate_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// How much is counted and logged in the day that BenchmarkOverview and BenchmarkRareRequests look at.
var (
	usageRows  = flag.Int("usage", 200_000, "rows of usage of a day")
	loggedRows = flag.Int("logged", 100_000, "logged requests of a day")
)

const (
	callers  = 1000 // partners that call
	rareCode = "path_ambiguous"
)

// someUsageKey is one of 15,000 operations that partners call, with an outcome.
func someUsageKey(random *rand.Rand) manager.UsageKey {
	partner := random.IntN(callers)
	outcome := "admitted"
	if n := random.IntN(100); n < 5 {
		outcome = []string{"limit_exceeded", "operation_not_found", "credential_expired", "credential_invalid", "environment_mismatch"}[n]
	}
	return manager.UsageKey{
		Partner: fmt.Sprintf("partner-%04d", partner), Application: "platform", Product: fmt.Sprintf("product-%03d", (7*partner+random.IntN(3))%200),
		Environment: "production", Operation: fmt.Sprintf("operation-%d", random.IntN(5)), Outcome: outcome,
	}
}

// fillUsage counts a day's usage up to now, as many proxies would tell of it.
func fillUsage(b *testing.B, store manager.Store, rows int) {
	b.Helper()
	const batch = 2000
	random, now := rand.New(rand.NewPCG(1, 2)), time.Now().UTC().Truncate(time.Minute)
	for left := rows; left > 0; left -= batch {
		commit := manager.SyncCommit{Proxy: &manager.Proxy{ID: fmt.Sprint("proxy.", left), LastSync: now}}
		minute := now.Add(-time.Duration(float64(left) / float64(rows) * float64(24*time.Hour))).Truncate(time.Minute)
		for range min(left, batch) {
			commit.Usage = append(commit.Usage, manager.UsageRow{Minute: minute.Add(time.Duration(random.IntN(3)) * time.Minute), Key: someUsageKey(random), Requests: 5})
		}
		if err := store.CommitSync(b.Context(), commit); err != nil {
			b.Fatal(err)
		}
	}
}

// fillRequests logs a day's requests, of which one in the middle of the day has a rare outcome, product and partner.
func fillRequests(b *testing.B, store manager.Store, rows int) {
	b.Helper()
	const batch = 2000
	random, now := rand.New(rand.NewPCG(3, 4)), time.Now().UTC()
	for left := rows; left > 0; left -= batch {
		var commit manager.SyncCommit
		for i := range min(left, batch) {
			r := manager.RequestRecord{Time: now.Add(-time.Duration(float64(left-i) / float64(rows) * float64(24*time.Hour))), RequestID: fmt.Sprintf("%032x", random.Uint64()),
				Key: someUsageKey(random), Credential: "k2345abcdefg", Method: "GET", Path: "/payments/v1/accounts/4711", Status: 200, PolicyVersion: 7, Proxy: "node.0123"}
			if left-i == rows/2 {
				r.Key.Product, r.Key.Outcome, r.Key.Partner = "product-rare", rareCode, "partner-0000"
			}
			commit.Requests = append(commit.Requests, r)
		}
		if err := store.CommitSync(b.Context(), commit); err != nil {
			b.Fatal(err)
		}
	}
}

// withUsage is a manager without policy whose store fill has filled.
func withUsage(b *testing.B, fill func(store manager.Store)) *running {
	b.Helper()
	r, err := open(context.Background(), filepath.Join(b.TempDir(), "store.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := r.stop(); err != nil {
			b.Error(err)
		}
	})
	fill(r.store)
	return r
}

// operator is a browser that has signed in to the console.
func (r *running) operator(b *testing.B) *http.Client {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	operator := &http.Client{Jar: jar}
	answer, err := operator.PostForm(r.http.URL+"/admin/login", url.Values{"token": {adminToken}, "next": {"/admin/products"}})
	if err != nil {
		b.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("sign in: status %d, %v", answer.StatusCode, err)
	}
	return operator
}

// BenchmarkOverview asks for the console's overview, and for what it sums, by minutes and by hours.
func BenchmarkOverview(b *testing.B) {
	started := time.Now()
	r := withUsage(b, func(store manager.Store) { fillUsage(b, store, *usageRows) })
	stored := time.Since(started)
	operator := r.operator(b)
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			r.get(b, operator, "/admin")
		}
	})
	now := time.Now()
	by := []manager.UsageDimension{manager.ByProduct, manager.ByOutcome}
	for name, from := range map[string]time.Time{"minutes": now.Add(-24 * time.Hour), "hours": now.Add(-23 * time.Hour).Truncate(time.Hour)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.Usage(b.Context(), manager.UsageQuery{From: from, To: now.Truncate(time.Hour).Add(time.Hour), GroupBy: by}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(stored.Seconds()*1e6/float64(*usageRows), "µs/row-to-store")
		})
	}
}

// BenchmarkRareRequests asks for the one logged request that fits.
func BenchmarkRareRequests(b *testing.B) {
	started := time.Now()
	r := withUsage(b, func(store manager.Store) { fillRequests(b, store, *loggedRows) })
	stored := time.Since(started)
	for name, match := range map[string]manager.UsageKey{
		"outcome": {Outcome: rareCode}, "product": {Product: "product-rare"}, "product-and-outcome": {Product: "product-001", Outcome: rareCode},
		"partner-and-outcome": {Partner: "partner-0000", Outcome: rareCode}, "frequent": {Outcome: "admitted"}, "none": {Product: "product-none"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.Requests(b.Context(), manager.RequestQuery{Match: match, Limit: 50}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(stored.Seconds()*1e6/float64(*loggedRows), "µs/request-to-store")
		})
	}
}
