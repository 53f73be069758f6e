package sqlite

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

func benchmarked(b *testing.B) *Store {
	b.Helper()
	s, err := Open(context.Background(), filepath.Join(b.TempDir(), "store.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() }) // the measurement is over
	return s
}

// batchOf is the n-th batch of a proxy: 200 usage rows, 100 requests, 20 buckets.
func batchOf(n int64) manager.SyncCommit {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	c := manager.SyncCommit{Proxy: &manager.Proxy{ID: "node.0123", Node: "node", LastSync: at, Reply: make([]byte, 2000), Revision: n}}
	for i := range 200 {
		key := manager.UsageKey{Partner: fmt.Sprintf("partner-%d", i%20), Application: "checkout", Product: "payments",
			Environment: "sandbox", Operation: fmt.Sprintf("operation-%d", i/20), Outcome: "admitted"}
		c.Usage = append(c.Usage, manager.UsageRow{Minute: at.Truncate(time.Minute), Key: key, Requests: 5})
		if i%2 == 0 {
			c.Requests = append(c.Requests, manager.RequestRecord{Time: at, RequestID: fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, n, i)))[:36],
				Key: key, Credential: "k2345abcdefg", Method: "GET", Path: "/payments/v1/pay", Status: 200, PolicyVersion: 7, Proxy: "node.0123"})
		}
		if i%10 == 0 {
			c.Buckets = append(c.Buckets, manager.Bucket{ID: fmt.Sprintf("partner-%d/payments/monthly", i), State: make([]byte, 200), Revision: n})
		}
	}
	return c
}

func BenchmarkCommitSync(b *testing.B) {
	s := benchmarked(b)
	for n := int64(0); b.Loop(); n++ {
		if err := s.CommitSync(context.Background(), batchOf(n)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadPolicy(b *testing.B) {
	const credentials = 100_000
	s := benchmarked(b)
	changes := make([]manager.Change, credentials)
	for i := range changes {
		c := &manager.Credential{Metadata: manager.Metadata{Name: fmt.Sprintf("key-%08d", i), Partner: fmt.Sprintf("partner-%05d", i%10_000), CreatedAt: time.Unix(1, 0)},
			Application: "checkout", Environment: "sandbox", Digest: sha256.Sum256(fmt.Append(nil, i))}
		changes[i] = manager.Change{Ref: c.Ref(), After: c}
	}
	if _, err := s.CommitPolicy(context.Background(), manager.PolicyCommit{Changes: changes}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		policy, err := s.LoadPolicy(context.Background())
		if err != nil || len(policy.Resources) != credentials {
			b.Fatalf("%d resources: %v", len(policy.Resources), err)
		}
	}
}

func BenchmarkPolicyRevision(b *testing.B) {
	s := benchmarked(b)
	for b.Loop() {
		if _, err := s.PolicyRevision(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
