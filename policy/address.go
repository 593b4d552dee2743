package policy

import (
	"fmt"
	"net/netip"
	"strings"
)

// addressList is a list of allowed addresses, with IPv4-mapped IPv6 made IPv4.
type addressList []netip.Prefix

func newAddressList(list []netip.Prefix) addressList {
	plain := make(addressList, 0, len(list))
	for _, p := range list {
		plain = append(plain, plainPrefix(p))
	}
	return plain
}

// set reports whether the list says anything at all.
func (l addressList) set() bool { return len(l) > 0 }

// holds reports whether a plain address is in the list.
func (l addressList) holds(a netip.Addr) bool {
	for _, p := range l {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// PlainAddress makes an IPv4-mapped IPv6 address IPv4, and drops a zone.
func PlainAddress(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func plainPrefix(p netip.Prefix) netip.Prefix {
	if p.IsValid() && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// ParsePrefixes is ParsePrefix for each of a list.
func ParsePrefixes(list []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, 0, len(list))
	for _, s := range list {
		p, err := ParsePrefix(s)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

// ParsePrefix reads an address or a CIDR network. An address is the network of
// itself alone; IPv4-mapped IPv6 is IPv4; bits beyond a network's mask are dropped.
func ParsePrefix(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network such as 192.0.2.0/24", s)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network such as 192.0.2.0/24", s)
	}
	if p.Addr().Is4In6() && p.Bits() < 96 {
		return netip.Prefix{}, fmt.Errorf("%q spans IPv4 and IPv6: write it as two networks", s)
	}
	return plainPrefix(p), nil
}

// allowsAddress is the truth table of site list, account list and bypass.
func (r *resolved) allowsAddress(a netip.Addr) answer {
	if !a.IsValid() {
		return refuse("the address is not known")
	}
	a = PlainAddress(a)
	site, own, bypass := r.siteIPs.set(), r.accountIPs.set(), r.account.Bypass
	switch {
	case !site && !own:
		return allow("neither site nor account has a list of addresses")
	case own && r.accountIPs.holds(a):
		return allow("the account's allowed_ips hold the address")
	case own && bypass && site:
		return refuse("the account's allowed_ips do not hold the address, and it bypasses the site's")
	case own && !site:
		return refuse("the account's allowed_ips do not hold the address")
	case !own && bypass:
		return allow("the account bypasses the site's allowed_ips")
	case r.siteIPs.holds(a):
		return allow("the site's allowed_ips hold the address")
	case own:
		return refuse("neither the site's nor the account's allowed_ips hold the address")
	}
	return refuse("the site's allowed_ips do not hold the address")
}
