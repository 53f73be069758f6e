package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/partnergate/partnergate/filters/policy"
)

// TestDeltasGiveTheManifest changes a policy, and reads the manifest that follows as a delta.
func TestDeltasGiveTheManifest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := drawSource(t)
		for i := range rapid.SampledFrom([]int{0, 1500}).Draw(t, "keys") {
			addRandomKey(src, i)
		}
		held := manifestOf(t, src, nil)
		for step := range rapid.IntRange(1, 4).Draw(t, "steps") {
			src.Version++
			changePolicy(t, src, step)
			built, err := policy.Build(src, nil)
			if err != nil {
				continue // a duplicate
			}
			next, err := policy.ParseManifest(built.Manifest)
			if err != nil {
				t.Fatal(err)
			}
			delta := policy.Delta(held, next)
			got, err := policy.ReadManifest(delta, held)
			if err != nil {
				t.Fatal(err)
			}
			if got.Raw() != next.Raw() || len(delta) > len(next.Raw()) {
				t.Fatalf("a delta of %d bytes gives another manifest", len(delta))
			}
			held = next
		}
	})
}

func manifestOf(t interface{ Fatal(...any) }, src *policy.Source, held *policy.Snapshot) *policy.Manifest {
	built, err := policy.Build(src, held)
	if err != nil {
		t.Fatal(err)
	}
	m, err := policy.ParseManifest(built.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOneChangedKeyMakesASmallDelta(t *testing.T) {
	src := large(20_000)
	held := manifestOf(t, src, nil)
	src.Version++
	src.Credentials[100].RevokedAt = start
	next := manifestOf(t, src, nil)
	if delta := policy.Delta(held, next); len(delta) > 300 || len(next.Raw()) < 3000 {
		t.Errorf("the delta has %d bytes, the manifest %d", len(delta), len(next.Raw()))
	}
}

func TestWrongDeltasAreRefused(t *testing.T) {
	src := large(2_000)
	held := manifestOf(t, src, nil)
	src.Version++
	src.Credentials[100].RevokedAt = start
	next := manifestOf(t, src, nil)
	delta := policy.Delta(held, next)
	if _, err := policy.ReadManifest(delta, nil); err == nil {
		t.Error("a delta from nothing was read")
	}
	if _, err := policy.ReadManifest(delta, manifestOf(t, large(100), nil)); err == nil {
		t.Error("a delta from another manifest was read")
	}
	for i := range delta {
		if m, err := policy.ReadManifest(delta[:i], held); err == nil {
			t.Fatalf("%d bytes of a delta gave %v", i, m)
		}
		if m, err := policy.ReadManifest(delta[:i]+string(delta[i]^1)+delta[i+1:], held); err == nil && m.Raw() != next.Raw() {
			t.Fatalf("a delta with another byte %d gave another manifest", i)
		}
	}
}

func FuzzDelta(f *testing.F) {
	src := large(2_000)
	held := manifestOf(f, src, nil)
	src.Version++
	f.Add(policy.Delta(held, manifestOf(f, src, nil)))
	f.Fuzz(func(_ *testing.T, raw string) {
		_, _ = policy.ReadManifest("PGMD\x01"+raw, held) // any bytes are survived
	})
}
