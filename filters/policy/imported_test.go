package policy_test

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

const importedKey = "sk_live_51Hx.other/form+of=key"

// withImported is the estate with a key of another form.
func withImported() *policy.Source {
	src := estate()
	c := addKey(src, "imported-1", "acme", "sandbox")
	c.Digest, c.Imported = policy.KeyDigest(importedKey), true
	return src
}

func TestImportedKeys(t *testing.T) {
	longest := strings.Repeat("k", policy.MaxImportedKey)
	malformed := keyOf("sandbox", "c")[:len(keyOf("sandbox", "c"))-1]
	src := withImported()
	for i, key := range []string{longest, longest + "k", "short12", "", "pgk_", "pgk_foreign", malformed} {
		c := addKey(src, "imported-2"+string(rune('a'+i)), "acme", "sandbox")
		c.Digest, c.Imported = policy.KeyDigest(key), true
	}
	with, without := build(t, src), build(t, estate())
	for _, c := range []struct {
		name, key     string
		with, without policy.Code
	}{
		{"an imported key", importedKey, policy.Undecided, policy.CredentialUnknown},
		{"a key of ours", keyOf("sandbox", "c"), policy.Undecided, policy.Undecided},
		{"another's case", strings.ToUpper(importedKey), policy.CredentialUnknown, policy.CredentialUnknown},
		{"with a space", importedKey + " ", policy.CredentialUnknown, policy.CredentialUnknown},
		{"as long as allowed", longest, policy.Undecided, policy.CredentialUnknown},
		{"too long, though its digest is there", longest + "k", policy.CredentialUnknown, policy.CredentialUnknown},
		{"too short, though its digest is there", "short12", policy.CredentialUnknown, policy.CredentialUnknown},
		{"only the prefix of ours", "pgk_", policy.CredentialUnknown, policy.CredentialUnknown},
		{"a malformed key of ours, though its digest is there", malformed, policy.CredentialUnknown, policy.CredentialUnknown},
		{"with the prefix of ours, though its digest is there", "pgk_foreign", policy.CredentialUnknown, policy.CredentialUnknown},
		{"none", "", policy.CredentialMissing, policy.CredentialMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := ask()
			q.Key = c.key
			if d := with.Decide(&q); d.Code != c.with {
				t.Errorf("with imported keys: %v, want %v", d.Code, c.with)
			}
			if d := without.Decide(&q); d.Code != c.without {
				t.Errorf("without: %v, want %v", d.Code, c.without)
			}
		})
	}
}

func TestImportedKeysAllocateNothing(t *testing.T) {
	s := build(t, withImported())
	for _, key := range []string{importedKey, strings.Repeat("x", 60_000), "pgk_x", strings.Repeat("k", policy.MaxImportedKey)} {
		q := ask()
		q.Key = key
		if n := testing.AllocsPerRun(200, func() { s.Decide(&q) }); n != 0 {
			t.Errorf("%v allocations for %.20q", n, key)
		}
	}
}

// FuzzImportedKeys: whatever the value, only the keys that were made or imported are known.
func FuzzImportedKeys(f *testing.F) {
	s := build(f, withImported())
	known := map[string]bool{importedKey: true}
	for _, id := range []string{"c", "d", "u"} {
		known[keyOf("sandbox", id)] = true
	}
	known[keyOf("production", "p")] = true
	for _, seed := range []string{importedKey, keyOf("sandbox", "c"), "pgk_", "pg", "", "\x00", strings.Repeat("a", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		q := ask()
		q.Key = key
		unknown := key != "" && !known[key]
		if d := s.Decide(&q); (d.Code == policy.CredentialUnknown) != unknown && key != "" {
			t.Errorf("%q is %v", key, d.Code)
		}
	})
}

func TestTrace(t *testing.T) {
	s := build(t, estate())
	q := ask()
	q.Method, q.Host, q.Path = "POST", "Sandbox.API.example.test:8080", "/v1/payments/%34%32/refunds?x=1"
	got := s.Trace(&q)
	if got.Path != "/v1/payments/42/refunds" || got.Host != sandboxHost || got.Environment != "sandbox" || got.Template != "/v1/payments/{id}/refunds" ||
		len(got.Methods) != 1 || len(got.Holders) != 1 || got.Holders[0] != (policy.Holder{Product: "payments", Operation: "refund"}) {
		t.Errorf("got %+v", got)
	}
	q.Method = "GET"
	if got := s.Trace(&q); got.Template != "/v1/payments/{id}/refunds" || len(got.Holders) != 0 {
		t.Errorf("another method: %+v", got)
	}
	q.Path = "//"
	if got := s.Trace(&q); got.Canonical {
		t.Errorf("a bad path: %+v", got)
	}
	q.Path, q.Host = "/nothing", "elsewhere.test"
	if got := s.Trace(&q); !got.Canonical || got.Environment != "" || got.Template != "" {
		t.Errorf("nothing: %+v", got)
	}
}

// TestDecideAs: a caller who is known gets what its key would.
func TestDecideAs(t *testing.T) {
	s := build(t, estate())
	keys := map[policy.Caller]string{
		{Partner: "acme", Application: "checkout", Environment: "sandbox"}:    keyOf("sandbox", "c"),
		{Partner: "acme", Application: "checkout", Environment: "production"}: keyOf("production", "p"),
		{Partner: "globex", Application: "checkout", Environment: "sandbox"}:  keyOf("sandbox", "d"),
		{Partner: "umbra", Application: "checkout", Environment: "sandbox"}:   keyOf("sandbox", "u"),
	}
	for caller, key := range keys {
		for _, path := range []string{"/", "/v1/pay", "/v1/payments/export", "/v1/payments/1", "/admin", "/none", "//"} {
			for _, host := range []string{sandboxHost, productionHost, "evil"} {
				q := ask()
				q.Key, q.Path, q.Host = key, path, host
				want, got := s.Decide(&q), s.DecideAs(caller, &q)
				if want.Code != got.Code || want.Product != got.Product || want.Subscription != got.Subscription {
					t.Errorf("%v %s%s: %v, by its key %v", caller, host, path, got, want)
				}
			}
		}
	}
	if path := policy.Instance("/v1/{a}/b/{c}"); path != "/v1/partnergate-probe/b/partnergate-probe" {
		t.Errorf("an instance is %s", path)
	}
}
