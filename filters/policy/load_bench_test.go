package policy_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// BenchmarkLoad measures the steps by which a snapshot of 100,000 keys is taken over, and a collection of all garbage beside such a snapshot.
// The best time is that of a machine that does nothing else. In wasm, as the filters do it:
//
//	go build -o build/wazero github.com/tetratelabs/wazero/cmd/wazero
//	GOOS=wasip1 GOARCH=wasm go test -run '^$' -bench Load -exec "$PWD/build/wazero run" ./filters/policy
func BenchmarkLoad(b *testing.B) {
	src := large(100_000)
	held := build(b, src)
	src.Version++
	src.Credentials[7].RevokedAt = start
	built, err := policy.Build(src, held)
	if err != nil {
		b.Fatal(err)
	}
	m, err := policy.ParseManifest(built.Manifest)
	if err != nil {
		b.Fatal(err)
	}
	missing := policy.NewLoader(m, held).Missing()[0]
	part := built.Parts[missing.Digest]
	atBest(b, "manifest", len(built.Manifest), func() error {
		_, err := policy.ParseManifest(built.Manifest)
		return err
	})
	atBest(b, "begin", 0, func() error {
		policy.NewLoader(m, held)
		return nil
	})
	atBest(b, "begin and one part", len(part), func() error { return policy.NewLoader(m, held).Add(missing.PartID, part) })
	atBest(b, "digest of a part", len(part), func() error {
		policy.Digest(part)
		return nil
	})
	atBest(b, "collect", 0, func() error {
		runtime.GC()
		return nil
	})
	runtime.KeepAlive(held)
}

// atBest measures what works on so many bytes.
func atBest(b *testing.B, name string, bytes int, work func() error) {
	b.Run(name, func(b *testing.B) {
		shortest := time.Hour
		for b.Loop() {
			began := time.Now()
			if err := work(); err != nil {
				b.Fatal(err)
			}
			shortest = min(shortest, time.Since(began))
		}
		b.ReportMetric(float64(shortest.Nanoseconds())/1000, "best-µs")
		if bytes > 0 {
			b.ReportMetric(float64(bytes)/1000, "kB")
		}
	})
}
