package policy_test

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

func TestCanonicalPath(t *testing.T) {
	good := map[string]string{
		"/":                "/",
		"/v1/pay":          "/v1/pay",
		"/v1/pay/":         "/v1/pay/",
		"/v1/pay?":         "/v1/pay",
		"/v1/pay?q=//%zz#": "/v1/pay",
		"/%76%31/pay":      "/v1/pay",
		"/a%20b":           "/a%20b",
		"/a%3ab":           "/a%3Ab",
		"/%e2%82%ac":       "/%E2%82%AC",
		"/%7Euser":         "/~user",
		"/...":             "/...",
		"/.well-known/x":   "/.well-known/x",
		"/a;b=c":           "/a;b=c",
		"/a:b@c!$&'()*+,=": "/a:b@c!$&'()*+,=",
		"/%f0%9f%92%b6":    "/%F0%9F%92%B6",
		"/a%3Fb":           "/a%3Fb",
		"/a%23b":           "/a%23b",
	}
	for raw, want := range good {
		if got, ok := policy.CanonicalPath(raw, nil); !ok || string(got) != want {
			t.Errorf("%q: got %q, %v, want %q", raw, got, ok, want)
		}
	}
	bad := []string{
		"", "*", "v1/pay", "http://evil/v1/pay", "//v1/pay", "/v1//pay", "/v1/pay//", "//",
		"/v1/../admin", "/v1/./pay", "/..", "/.", "/v1/..", "/v1/%2e%2e/admin", "/v1/.%2E/admin", "/%2e", "/v1/..;/admin", "/v1/..;a=b/admin", "/v1/%2e%2e%3bx/admin",
		"/v1%2fpay", "/v1%2Fpay", "/v1%5cpay", "/v1\\pay", "/v1/%252e%252e/admin", "/%25", "/v1/pay%00", "/v1/pay%0a", "/v1/pay%7f", "/v1/pay%1F", "/v1/%c2%80", "/v1/%c2%9f",
		"/v1/pay#x", "/v1/p ay", "/v1/p\tay", "/v1/p\x00ay", "/v1/p\x7fay", "/v1/p\u00e4y", "/v1/\xff",
		"/%", "/%4", "/%zz", "/%4g", "/a%", "/%c0%af", "/%c0%ae%c0%ae/admin", "/%e2%82", "/%e2%82x", "/%ed%a0%80", "/%f5%80%80%80", "/%80", "/%e2%82%2e",
	}
	for _, raw := range bad {
		if got, ok := policy.CanonicalPath(raw, nil); ok {
			t.Errorf("%q: taken as %q", raw, got)
		}
	}
}

func TestCanonicalHost(t *testing.T) {
	for raw, want := range map[string]string{
		"sandbox.api.example.test":       "sandbox.api.example.test",
		"Sandbox.API.Example.test":       "sandbox.api.example.test",
		"sandbox.api.example.test.":      "sandbox.api.example.test",
		"sandbox.api.example.test:8080":  "sandbox.api.example.test",
		"sandbox.api.example.test.:8080": "sandbox.api.example.test",
		"[::1]:8080":                     "[::1]",
		"[::1]":                          "[::1]",
		"127.0.0.1:80":                   "127.0.0.1",
		"":                               "",
		":":                              "",
	} {
		if got := policy.CanonicalHost(raw, nil); string(got) != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

func TestParseKey(t *testing.T) {
	key := keyOf("sandbox", "abc")
	environment, id, ok := policy.ParseKey(key)
	if !ok || environment != "sandbox" || id != "abcaaaaaaaaa" {
		t.Fatalf("%q: %q, %q, %v", key, environment, id, ok)
	}
	long := strings.Repeat("e", policy.MaxName)
	if e, _, ok := policy.ParseKey(keyOf(long, "abc")); !ok || e != long {
		t.Error("an environment of 63 characters is not read")
	}
	bad := []string{"", "pgk_", "pgk_sandbox", key[1:], key + "0", key[:len(key)-1], strings.ToUpper(key), keyOf("", "abc"), keyOf("Sand", "abc"), keyOf(long+"e", "abc"), "xyz_" + key[4:]}
	for i := range key {
		changed := []byte(key)
		changed[i] ^= 1
		bad = append(bad, string(changed))
	}
	for _, k := range bad {
		if _, _, ok := policy.ParseKey(k); ok {
			t.Errorf("%q is taken as a key", k)
		}
	}
}

// A path that is let through is one that any program reads alike.
func FuzzCanonicalPath(f *testing.F) {
	for _, seed := range []string{"/v1/pay", "/a%20b", "/%e2%82%ac?x", "//", "/%2e%2e/", "/%c0%af", "/a;..", "/x%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, ok := policy.CanonicalPath(raw, nil)
		if !ok {
			return
		}
		if len(got) > len(raw) {
			t.Fatalf("%q grew to %q", raw, got)
		}
		again, ok := policy.CanonicalPath(string(got), nil)
		if !ok || string(again) != string(got) {
			t.Fatalf("%q becomes %q, which becomes %q, %v", raw, got, again, ok)
		}
		lower := strings.ToLower(string(got)) + "/"
		for _, banned := range []string{"//", "/../", "/./", "%2e", "%2f", "%5c", "%25", "%00", "\\", "?", "#"} {
			if strings.Contains(strings.TrimSuffix(lower, "/"), banned) || strings.HasPrefix(banned, "/.") && strings.Contains(lower, banned) {
				t.Fatalf("%q becomes %q, which has %q", raw, got, banned)
			}
		}
	})
}
