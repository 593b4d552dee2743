package places

import "net/netip"

// Client is what one client has to itself: an IPv4 address, an IPv6 /64.
func Client(a netip.Addr) netip.Prefix { return prefix(a, 32, 64) }

// Network is what somebody with many addresses has them in: an IPv4 /24, an IPv6
// /48.
func Network(a netip.Addr) netip.Prefix { return prefix(a, 24, 48) }

// prefix is the zero one for what is no address: those are all one.
func prefix(a netip.Addr, of4, of6 int) netip.Prefix {
	bits := of6
	if a = a.Unmap(); a.Is4() {
		bits = of4
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// A group counts the places that an address or a network has.
type group struct {
	of    netip.Prefix
	taken int
}

// groups are those that have any.
type groups map[netip.Prefix]*group

func (g groups) taken(p netip.Prefix) int {
	if one := g[p]; one != nil {
		return one.taken
	}
	return 0
}

func (g groups) add(p netip.Prefix) *group {
	one := g[p]
	if one == nil {
		one = &group{of: p}
		g[p] = one
	}
	one.taken++
	return one
}

func (g groups) remove(one *group) {
	if one == nil {
		return
	}
	if one.taken--; one.taken == 0 {
		delete(g, one.of)
	}
}
