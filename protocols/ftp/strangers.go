package ftp

import "net/netip"

// strangers counts connections that have not logged in, in all and by network,
// so that nobody can keep others from logging in by holding connections open.
type strangers struct {
	all, perNetwork int
	total           int
	networks        map[netip.Prefix]int
}

func newStrangers(l Limits) strangers {
	return strangers{all: l.Strangers, perNetwork: l.StrangersPerAddress, networks: make(map[netip.Prefix]int)}
}

func (s *strangers) arrive(a netip.Addr) bool {
	n := network(a)
	if s.total >= s.all || s.networks[n] >= s.perNetwork {
		return false
	}
	s.total++
	s.networks[n]++
	return true
}

func (s *strangers) leave(a netip.Addr) {
	n := network(a)
	s.total--
	if s.networks[n]--; s.networks[n] <= 0 {
		delete(s.networks, n)
	}
}

// network is what one client can easily have of addresses: an IPv6 /64.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
