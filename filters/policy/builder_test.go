package policy_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/partnergate/partnergate/filters/policy"
)

// TestBuilderIsBuild changes a policy step by step. What a Builder makes of each step, remembering those before, is what Build makes of
// it alone.
func TestBuilderIsBuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := drawSource(t)
		for i := range rapid.SampledFrom([]int{0, 50, 1500}).Draw(t, "keys") {
			addRandomKey(src, i)
		}
		var b policy.Builder
		var held *policy.Snapshot
		for step := range rapid.IntRange(1, 8).Draw(t, "steps") {
			src.Version++
			changePolicy(t, src, step)
			want, wrong := policy.Build(src, held)
			got, err := b.Build(src, held)
			if !errors.Is(err, wrong) && (err == nil || wrong == nil || err.Error() != wrong.Error()) {
				t.Fatalf("the builder says %v, Build says %v", err, wrong)
			}
			if err != nil {
				continue
			}
			if got.Manifest != want.Manifest || !maps.Equal(got.Parts, want.Parts) {
				t.Fatal("the builder makes other bytes than Build")
			}
			if rapid.Bool().Draw(t, "taken over") {
				if held, err = got.Load(held); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func addRandomKey(src *policy.Source, i int) {
	src.Credentials = append(src.Credentials, policy.SourceCredential{
		Kind: policy.APIKey, Digest: sha256.Sum256(fmt.Append(nil, i)), ID: fmt.Sprint("key", i), Partner: "partner-0", Application: "first", Environment: "sandbox",
	})
}

// changePolicy makes one change that a policy may see, or that must be refused.
func changePolicy(t *rapid.T, src *policy.Source, step int) {
	at := func(n int, of string) int { return rapid.IntRange(0, max(n-1, 0)).Draw(t, of) }
	credential := at(len(src.Credentials), "credential")
	switch rapid.IntRange(0, 10).Draw(t, "change") {
	case 0: // nothing
	case 1:
		src.Credentials[credential].RevokedAt = int64(step)
	case 2:
		addRandomKey(src, 100_000+step)
	case 3:
		fresh := src.Credentials[credential]
		fresh.Digest = sha256.Sum256(fmt.Append(nil, "inserted", step))
		src.Credentials = slices.Insert(src.Credentials, credential, fresh)
	case 4:
		src.Credentials = slices.Delete(src.Credentials, credential, credential+1)
	case 5:
		from := at(len(src.Credentials)-100, "from")
		src.Credentials = slices.Delete(src.Credentials, from, min(from+100, len(src.Credentials)))
	case 6:
		src.Credentials = append(src.Credentials, src.Credentials[credential]) // refused: a duplicate
	case 7:
		slices.Reverse(src.Credentials)
	case 8:
		src.Plans[0].Weight++
	case 9:
		operations := &src.Products[at(len(src.Products), "product")].Operations
		*operations = append(*operations, policy.SourceOperation{ID: fmt.Sprint("op-", step), Method: "PUT", Path: "/added"})
	case 10:
		slices.Reverse(src.Grants)
		if len(src.Grants) > 0 {
			src.Grants = src.Grants[1:]
		}
	}
	if len(src.Credentials) == 0 {
		addRandomKey(src, step)
	}
}

// BenchmarkOneChange is one revoked key among a hundred thousand: with what the compiler remembers, and without.
func BenchmarkOneChange(b *testing.B) {
	src := large(100_000)
	var builder policy.Builder
	for name, build := range map[string]func(*policy.Source, *policy.Snapshot) (*policy.Built, error){"remembered": builder.Build, "anew": policy.Build} {
		b.Run(name, func(b *testing.B) {
			built, err := build(src, nil)
			if err != nil {
				b.Fatal(err)
			}
			held, err := built.Load(nil)
			if err != nil {
				b.Fatal(err)
			}
			at := 0
			for b.Loop() {
				src.Version++
				at = (at + 7919) % 100_000
				src.Credentials[at].RevokedAt = int64(src.Version)
				if _, err := build(src, held); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
