package manager

import "net/netip"

// metadataAddresses are where clouds tell a machine its own secrets. What of
// them is link-local is not named here.
var metadataAddresses = map[netip.Addr]bool{
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("fd20:ce::254"):    true,
	netip.MustParseAddr("100.100.100.200"): true,
	netip.MustParseAddr("168.63.129.16"):   true, // Azure's, beside the link-local one
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle's
}

// embedding is the prefix under which networks reach IPv4 from IPv6 (RFC 6052).
var embedding = netip.MustParsePrefix("64:ff9b::/96")

// NoGatewayAddress says in a few words what kind of address it is at which no
// gateway may be, "" for all others. Loopback and private addresses are
// others: an operator named the gateway, and it may well stand there.
func NoGatewayAddress(address netip.Addr) string {
	address = address.Unmap().WithZone("")
	if embedding.Contains(address) {
		bytes := address.As16()
		address = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	switch {
	case address.IsUnspecified():
		return "the unspecified address"
	case address.IsMulticast():
		return "a multicast address"
	case address.IsLinkLocalUnicast():
		return "a link-local address"
	case metadataAddresses[address]:
		return "the address of a cloud's metadata"
	}
	return ""
}
