package field

import (
	"fmt"
	"net/netip"
	"slices"

	"gatehouse/policy"
)

// Prefixes masks each prefix, writes IPv4 in IPv6 as IPv4, and drops doubles.
func Prefixes(list []netip.Prefix) []netip.Prefix {
	var plain []netip.Prefix
	for _, p := range list {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p = p.Masked(); !slices.Contains(plain, p) {
			plain = append(plain, p)
		}
	}
	return plain
}

// Unique drops doubles, and keeps nil and empty apart from nothing else.
func Unique(list []string) []string {
	var kept []string
	for _, v := range list {
		if !slices.Contains(kept, v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// Doors writes a set of doors in one order; nil and empty differ.
func Doors(doors []policy.Door) []policy.Door {
	if doors == nil {
		return nil
	}
	kept := []policy.Door{}
	for _, d := range append(policy.Doors(), doors...) {
		if slices.Contains(doors, d) && !slices.Contains(kept, d) {
			kept = append(kept, d)
		}
	}
	return kept
}

// Sources refuses what cannot be a credential's list of addresses.
func Sources(list []string) error {
	if len(list) > MaxList {
		return &Error{Field: "allowed_ips", Why: fmt.Sprintf("are more than %d", MaxList)}
	}
	if _, err := policy.ParsePrefixes(list); err != nil {
		return &Error{Field: "allowed_ips", Why: err.Error()}
	}
	return nil
}
