package httpapi

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		name, peer string
		trusted    []netip.Prefix
		forwarded  []string
		want       string
	}{
		{"nobody is trusted", "10.0.0.1:4000", nil, []string{"203.0.113.9"}, "10.0.0.1"},
		{"a stranger's header", "203.0.113.1:4000", trusted, []string{"198.51.100.1"}, "203.0.113.1"},
		{"one proxy", "10.0.0.1:4000", trusted, []string{"203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.1:4000", trusted, []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"what the client put before", "10.0.0.1:4000", trusted, []string{"1.1.1.1, 2.2.2.2", "203.0.113.9"}, "203.0.113.9"},
		{"no header", "10.0.0.1:4000", trusted, nil, "10.0.0.1"},
		{"nonsense", "10.0.0.1:4000", trusted, []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		{"IPv6", "[2001:db8::1]:4000", trusted, []string{"2a00::1"}, "2a00::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:4000", trusted, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"only proxies", "10.0.0.1:4000", trusted, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := clientAddress(r, c.trusted); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
