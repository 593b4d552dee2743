package sftp

import (
	"net/netip"
	"testing"
)

func TestGate(t *testing.T) {
	a := netip.MustParseAddr
	g := newGate(5, 2)
	for i, step := range []struct {
		leave bool
		from  netip.Addr
		want  bool
	}{
		{false, a("192.0.2.1"), true},
		{false, a("192.0.2.1"), true},
		{false, a("192.0.2.1"), false}, // its share
		{false, a("2001:db8::1"), true},
		{false, a("2001:db8::ffff:1"), true},
		{false, a("2001:db8::2"), false}, // the same /64
		{false, a("2001:db8:0:1::2"), true},
		{false, a("192.0.2.2"), false}, // all of it
		{leave: true, from: a("192.0.2.1")},
		{false, a("192.0.2.2"), true},
		{leave: true, from: a("2001:db8::2")},
		{false, a("2001:db8::3"), true},
		{leave: true, from: a("2001:db8::3")},
		{false, netip.Addr{}, true}, // an address nobody knows is one too
	} {
		if step.leave {
			g.leave(step.from)
			continue
		}
		if got := g.enter(step.from); got != step.want {
			t.Errorf("step %d, %v: entered %v, want %v", i, step.from, got, step.want)
		}
	}
	for _, from := range []netip.Addr{a("192.0.2.1"), a("192.0.2.2"), a("2001:db8::1"), a("2001:db8:0:1::2"), {}} {
		g.leave(from)
	}
	if len(g.from) != 0 || g.inside != 0 {
		t.Errorf("when all have left, %d are inside and %d addresses are remembered", g.inside, len(g.from))
	}
}
