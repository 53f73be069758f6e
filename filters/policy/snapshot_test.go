package policy_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

func TestBuildIsDeterministic(t *testing.T) {
	first, err := policy.Build(estate(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		src := estate()
		rand.Shuffle(len(src.Grants), func(i, j int) { src.Grants[i], src.Grants[j] = src.Grants[j], src.Grants[i] })
		rand.Shuffle(len(src.Credentials), func(i, j int) { src.Credentials[i], src.Credentials[j] = src.Credentials[j], src.Credentials[i] })
		again, err := policy.Build(src, nil)
		if err != nil {
			t.Fatal(err)
		}
		if again.Manifest != first.Manifest {
			t.Fatal("equal sources give other bytes")
		}
	}
}

// large is an estate with so many keys that their table has many shards.
func large(keys int) *policy.Source {
	src := estate()
	for i := range keys {
		c := *addKey(src, "c", "acme", "sandbox")
		c.Digest, c.ID = sha256.Sum256(fmt.Append(nil, i)), fmt.Sprint(i)
		src.Credentials[len(src.Credentials)-1] = c
	}
	src.Credentials = slices.DeleteFunc(src.Credentials, func(c policy.SourceCredential) bool { return c.ID == "c" })
	addKey(src, "c", "acme", "sandbox")
	return src
}

func TestOneChangedKeyMovesOnePart(t *testing.T) {
	src := large(20_000)
	before, err := policy.Build(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	held, err := before.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	src.Version++
	src.Credentials[100].RevokedAt = start
	after, err := policy.Build(src, held)
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for digest, part := range after.Parts {
		if _, had := before.Parts[digest]; !had {
			moved += len(part)
		}
	}
	m, err := policy.ParseManifest(after.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(policy.NewLoader(m, held).Missing()); n != 1 {
		t.Errorf("%d parts changed, want 1", n)
	}
	if total := moved + len(after.Manifest); total > 64<<10 {
		t.Errorf("one changed key moves %d bytes", total)
	}
	s, err := after.Load(held)
	if err != nil {
		t.Fatal(err)
	}
	q := ask()
	if d := s.Decide(&q); d.Code != policy.Undecided || d.PolicyVersion != 8 {
		t.Errorf("after the change: %+v", d)
	}
}

func TestTwoPartnersWithOneKeyAreRefused(t *testing.T) {
	src := estate()
	c := src.Credentials[0]
	c.Partner = "globex"
	src.Credentials = append(src.Credentials, c)
	if _, err := policy.Build(src, nil); !errors.Is(err, policy.ErrDuplicate) {
		t.Errorf("got %v", err)
	}
}

func TestLimitsOutOfBoundsAreRefused(t *testing.T) {
	for _, requests := range []uint64{0, ^uint64(0), 1 << 63, policy.MaxQuota + 1} {
		src := estate()
		src.Plans[0].Limits[1].Requests = requests
		built, err := policy.Build(src, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := built.Load(nil); !errors.Is(err, policy.ErrMalformed) {
			t.Errorf("quota of %d: %v", requests, err)
		}
	}
}

func TestManifestFollows(t *testing.T) {
	manifest := func(change func(*policy.Source)) *policy.Manifest {
		src := estate()
		change(src)
		return build(t, src).Manifest()
	}
	held := manifest(func(*policy.Source) {})
	empty := func(src *policy.Source) { *src = policy.Source{Lineage: src.Lineage, Version: 8, Time: start} }
	cases := []struct {
		name string
		next *policy.Manifest
		want error
	}{
		{"newer", manifest(func(s *policy.Source) { s.Version++ }), nil},
		{"same", held, nil},
		{"older", manifest(func(s *policy.Source) { s.Version-- }), policy.ErrOlder},
		{"older of a restored store", manifest(func(s *policy.Source) { s.Version, s.Lineage = 1, [16]byte{2} }), nil},
		{"from the future", manifest(func(s *policy.Source) { s.Time += policy.MaxClockAhead + 1 }), policy.ErrFuture},
		{"empty", manifest(empty), policy.ErrEmpty},
		{"emptied on purpose", manifest(func(s *policy.Source) { empty(s); s.Emptied = true }), nil},
	}
	for _, c := range cases {
		if err := c.next.Follows(held, start); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if err := cases[5].next.Follows(nil, start); err != nil {
		t.Errorf("empty, as the first: %v", err)
	}
}

func TestEveryDamagedByteIsSeen(t *testing.T) {
	built, err := policy.Build(estate(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range built.Manifest {
		damaged := []byte(built.Manifest)
		damaged[i] ^= 0x40
		if _, err := policy.ParseManifest(string(damaged)); err == nil {
			t.Fatalf("byte %d of the manifest", i)
		}
	}
	for cut := range built.Manifest {
		if _, err := policy.ParseManifest(built.Manifest[:cut]); err == nil {
			t.Fatalf("manifest cut at %d", cut)
		}
	}
	m, err := policy.ParseManifest(built.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Len() {
		e := m.Entry(i)
		damaged := []byte(built.Parts[e.Digest])
		damaged[len(damaged)/2] ^= 1
		if err := policy.NewLoader(m, nil).Add(e.PartID, string(damaged)); !errors.Is(err, policy.ErrDigest) {
			t.Errorf("part %v: %v", e.PartID, err)
		}
	}
}

// Whatever bytes a part has, under a digest that fits, it is refused or can be used.
func FuzzPart(f *testing.F) {
	built, err := policy.Build(estate(), nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, digest := range slices.SortedFunc(maps.Keys(built.Parts), func(a, b [32]byte) int { return strings.Compare(string(a[:]), string(b[:])) }) {
		f.Add(built.Parts[digest])
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if len(raw) < 8 {
			return
		}
		forged := &policy.Built{Manifest: policy.ForgeManifest(raw), Parts: map[[32]byte]string{policy.Digest(raw): raw}}
		s, err := forged.Load(nil)
		if err != nil {
			return
		}
		q := ask()
		d := s.Decide(&q)
		s.Limits(&d, q.Now, nil)
		s.Surface("acme", "sandbox", "", start)
	})
}

func FuzzManifest(f *testing.F) {
	built, err := policy.Build(estate(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(built.Manifest)
	f.Fuzz(func(t *testing.T, raw string) {
		m, err := policy.ParseManifest(policy.Reseal(raw))
		if err != nil {
			return
		}
		m.Empty()
		policy.NewLoader(m, nil)
	})
}

func FuzzDecision(f *testing.F) {
	d := policy.Decision{Code: policy.LimitExceeded, Partner: "acme", Limit: "monthly"}
	f.Add(string(d.Append(nil)))
	f.Fuzz(func(t *testing.T, raw string) {
		if d, ok := policy.ParseDecision(raw); ok && string(d.Append(nil)) != raw {
			t.Errorf("%q does not come back", raw)
		}
	})
}
