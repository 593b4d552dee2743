package sftp

import (
	"net"
	"net/netip"
	"sync"
)

// A gate bounds how many connections are logging in, so that strangers cannot
// take what accounts need. Safe for concurrent use.
type gate struct {
	all, each int

	mu     sync.Mutex // guards what follows
	inside int
	from   map[netip.Prefix]int
}

func newGate(all, each int) *gate {
	return &gate{all: all, each: each, from: map[netip.Prefix]int{}}
}

// enter reports whether there is room; leave must follow then, once.
func (g *gate) enter(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := network(a)
	if g.inside >= g.all || g.from[n] >= g.each {
		return false
	}
	g.inside++
	g.from[n]++
	return true
}

func (g *gate) leave(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := network(a)
	g.inside--
	if g.from[n]--; g.from[n] == 0 {
		delete(g.from, n)
	}
}

// network is what one client has to itself: an IPv4 address, an IPv6 /64.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // the zero address: all unknown ones together
	}
	return p
}

// addressOf is the peer's address; zero, which no policy admits, where the
// connection does not tell one.
func addressOf(c net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
