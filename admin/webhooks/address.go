package webhooks

import (
	"fmt"
	"net/netip"
)

// An AddressError says that a name leads to an address that no webhook may reach.
type AddressError struct{ Address netip.Addr }

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is no address for webhooks: add it to webhooks.allow in the configuration file", e.Address)
}

// Networks that the standard library does not tell from public ones: shared
// (RFC 6598), protocol assignments and documentation, benchmarks, reserved, 6to4
// relays, and IPv6 that carries IPv4 (NAT64, 6to4, Teredo).
var unreachable = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("fec0::/10"),
}

// mayReach is judge for an address with its port, as a connection has it.
func mayReach(address string, allow []netip.Prefix) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %q cannot be read", address)
	}
	return judge(to.Addr(), allow)
}

// judge refuses, as an *AddressError, an address that is not the whole world's,
// unless it is allowed by name.
func judge(ip netip.Addr, allow []netip.Prefix) error {
	ip = ip.WithZone("").Unmap()
	if within(ip, allow) || ip.IsGlobalUnicast() && !ip.IsPrivate() && !within(ip, unreachable) {
		return nil
	}
	return &AddressError{ip}
}

func within(ip netip.Addr, networks []netip.Prefix) bool {
	for _, p := range networks {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
