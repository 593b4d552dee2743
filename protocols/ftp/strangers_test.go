package ftp

import (
	"net/netip"
	"testing"
)

func TestStrangers(t *testing.T) {
	s := newStrangers(Limits{Strangers: 5, StrangersPerAddress: 2})
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	c, d := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	e := netip.MustParseAddr("2001:db8:0:1::1")
	for i, step := range []struct {
		from netip.Addr
		want bool
	}{
		{a, true}, {a, true}, {a, false}, // two of one address
		{c, true}, {d, true}, {d, false}, // an IPv6 client has its whole /64
		{b, true}, {e, false}, // five in all
	} {
		if got := s.arrive(step.from); got != step.want {
			t.Errorf("step %d: %v from %v", i, got, step.from)
		}
	}
	s.leave(d)
	if !s.arrive(e) || s.arrive(e) {
		t.Error("a place that was left is not free, or not once")
	}
	for _, from := range []netip.Addr{a, a, b, c, e} {
		s.leave(from)
	}
	if s.total != 0 || len(s.networks) != 0 {
		t.Errorf("%d places and %d networks are left over", s.total, len(s.networks))
	}
}
