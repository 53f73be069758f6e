package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress is the IP address that a request comes from. X-Forwarded-For
// counts only as far as trusted proxies wrote it: read from its end, the first
// address that is none of them is the client's. What stands before it the
// client may have made up.
func clientAddress(r *http.Request, trusted []netip.Prefix) string {
	peer := hostOf(r.RemoteAddr)
	at, err := netip.ParseAddr(peer)
	if err != nil || !inside(trusted, at) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		if at = next.Unmap(); !inside(trusted, at) {
			break
		}
	}
	return at.Unmap().String()
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

func inside(prefixes []netip.Prefix, at netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(at.Unmap()) })
}
