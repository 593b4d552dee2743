package sender

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// An AddressError says that a name leads to an address that no webhook may reach.
type AddressError struct{ Address netip.Addr }

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is no address for webhooks: add it to webhooks.allow in the configuration file", e.Address)
}

// worldwide is what IPv6 has given out (RFC 4291, 2.4). All else is this network's,
// or carries IPv4: mapped, compatible and translated addresses, NAT64.
var worldwide = netip.MustParsePrefix("2000::/3")

// Networks that the standard library does not tell from public ones: shared
// (RFC 6598), protocol assignments and documentation, benchmarks, reserved, 6to4
// relays; of IPv6 those for protocols (with Teredo), 6to4 and documentation.
var unreachable = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
}

// A reach says which addresses may be connected to.
type reach struct {
	allow []netip.Prefix
	// own lists the addresses of this machine. What listens there believes that
	// nobody but this machine comes past the firewall.
	own func() ([]net.Addr, error)
}

// connect judges an address with its port, as a connection has it.
func (r reach) connect(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %q cannot be read", address)
	}
	return r.judge(to.Addr())
}

// judge refuses, as an *AddressError, an address that is not the whole world's, or
// is this machine's, unless it is allowed by name.
func (r reach) judge(ip netip.Addr) error {
	ip = ip.WithZone("").Unmap()
	switch {
	case within(ip, r.allow):
		return nil
	case !public(ip):
		return &AddressError{ip}
	}
	own, err := r.own()
	if err != nil {
		return fmt.Errorf("read the addresses of this machine: %w", err)
	}
	if slices.ContainsFunc(own, func(a net.Addr) bool { return of(a) == ip }) {
		return &AddressError{ip}
	}
	return nil
}

func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !within(ip, unreachable) && (ip.Is4() || worldwide.Contains(ip))
}

// of is the address of an interface.
func of(a net.Addr) netip.Addr {
	p, err := netip.ParsePrefix(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().WithZone("").Unmap()
}

func within(ip netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}
