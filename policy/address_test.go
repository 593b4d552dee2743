package policy_test

import (
	"net/netip"
	"testing"

	"gatehouse/policy"
)

// The table of section 4 of the specification, line by line.
func TestAddressTruthTable(t *testing.T) {
	inSite := netip.MustParseAddr("10.0.0.1")
	inAccount := netip.MustParseAddr("192.0.2.1")
	elsewhere := netip.MustParseAddr("203.0.113.7")
	const none, only = false, true
	tests := []struct {
		site, account, bypass           bool
		fromSite, fromAccount, fromElse bool
		from                            string
	}{
		{none, none, false, true, true, true, "anywhere"},
		{none, none, true, true, true, true, "anywhere"},
		{none, only, false, false, true, false, "account"},
		{none, only, true, false, true, false, "account"},
		{only, none, false, true, false, false, "site"},
		{only, none, true, true, true, true, "anywhere"},
		{only, only, false, true, true, false, "site or account"},
		{only, only, true, false, true, false, "account"},
	}
	for _, tt := range tests {
		site, own := policy.DefaultSite(), bob()
		if tt.site {
			site.AllowedIPs = prefixes(t, "10.0.0.0/8")
		}
		if tt.account {
			own.AllowedIPs = prefixes(t, "192.0.2.1")
		}
		own.Bypass = tt.bypass
		e := policy.Resolve(site, nil, own)
		for addr, want := range map[netip.Addr]bool{inSite: tt.fromSite, inAccount: tt.fromAccount, elsewhere: tt.fromElse} {
			for _, form := range []netip.Addr{addr, netip.AddrFrom16(addr.As16())} {
				a := attempt()
				a.Address = form
				got := e.Admit(a)
				if got.Allowed != want || !want && got.Rule != policy.RuleAddress {
					t.Errorf("site %v, account %v, bypass %v: from %s %+v, want allowed %v", tt.site, tt.account, tt.bypass, form, got, want)
				}
			}
		}
		if got := e.Access().Addresses.From; got != tt.from {
			t.Errorf("site %v, account %v, bypass %v: from %q, want %q", tt.site, tt.account, tt.bypass, got, tt.from)
		}
	}
}

func TestAddressForms(t *testing.T) {
	tests := []struct {
		list, from string
		want       bool
	}{
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "::ffff:192.0.2.9", true},
		{"::ffff:192.0.2.0/120", "192.0.2.9", true},
		{"::ffff:192.0.2.9", "192.0.2.9", true},
		{"::ffff:0:0/96", "192.0.2.9", true},
		{"::ffff:0:0/96", "2001:db8::1", false},
		{"192.0.2.77/24", "192.0.2.1", true},
		{"2001:db8::/32", "2001:db8::1", true},
		{"2001:db8::/32", "2001:db9::1", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"::/0", "192.0.2.9", false},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"0.0.0.0/0", "::ffff:192.0.2.9", true},
	}
	for _, tt := range tests {
		own := bob()
		own.AllowedIPs = prefixes(t, tt.list)
		a := attempt()
		a.Address = netip.MustParseAddr(tt.from)
		if got := policy.Resolve(policy.DefaultSite(), nil, own).Admit(a); got.Allowed != tt.want {
			t.Errorf("%s from %s: %+v, want %v", tt.list, tt.from, got, tt.want)
		}
	}
}

func TestParsePrefixesRefuses(t *testing.T) {
	for _, s := range []string{"", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0", "fe80::1%eth0", "::ffff:0:0/90", "10.0.0.1 10.0.0.2"} {
		if p, err := policy.ParsePrefixes([]string{s}); err == nil {
			t.Errorf("ParsePrefixes(%q) = %v", s, p)
		}
	}
}
