package policy_test

import (
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

// BenchmarkLoad measures the steps by which a snapshot of 100,000 keys is taken over: reading the manifest, beginning with all parts held
// but one, and checking one part. In wasm, as the filters do it:
//
//	GOOS=wasip1 GOARCH=wasm go test -run '^$' -bench Load -exec 'go run github.com/tetratelabs/wazero/cmd/wazero run' ./filters/policy
func BenchmarkLoad(b *testing.B) {
	src := large(100_000)
	held := build(b, src)
	src.Version++
	src.Credentials[7].RevokedAt = start
	built, err := policy.Build(src, held)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("manifest", func(b *testing.B) {
		for b.Loop() {
			if _, err := policy.ParseManifest(built.Manifest); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(built.Manifest)))
	})
	m, err := policy.ParseManifest(built.Manifest)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("begin", func(b *testing.B) {
		for b.Loop() {
			policy.NewLoader(m, held)
		}
	})
	missing := policy.NewLoader(m, held).Missing()[0]
	b.Run("part", func(b *testing.B) {
		b.SetBytes(int64(missing.Size))
		for b.Loop() {
			if err := policy.NewLoader(m, held).Add(missing.PartID, built.Parts[missing.Digest]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("digest", func(b *testing.B) {
		part := built.Parts[missing.Digest]
		b.SetBytes(int64(len(part)))
		for b.Loop() {
			policy.Digest(part)
		}
	})
}
