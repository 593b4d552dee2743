package server

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// bounds are how many connections a listener takes at once: of all, more wait in
// the kernel, and of one address, which loses what is more, so that it cannot
// have the place of all others. Those who are exempt speak for many.
type bounds struct {
	all, each int
	exempt    func(netip.Addr) bool
}

func bounded(l net.Listener, b bounds) net.Listener {
	return &boundedListener{
		Listener: l, bounds: b, slots: make(chan struct{}, b.all), closed: make(chan struct{}), from: make(map[netip.Prefix]int),
	}
}

type boundedListener struct {
	net.Listener
	bounds bounds
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}

	mu   sync.Mutex // guards from
	from map[netip.Prefix]int
}

// Accept waits for a free slot, then for a connection.
func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		leave, ok := l.enter(c.RemoteAddr())
		if !ok {
			_ = c.Close()
			continue
		}
		return l.hold(c, sync.OnceFunc(func() { leave(); <-l.slots })), nil
	}
}

// enter counts a connection of an address, if it has not too many.
func (l *boundedListener) enter(remote net.Addr) (leave func(), ok bool) {
	at, err := netip.ParseAddrPort(remote.String())
	if err != nil || at.Addr().IsLoopback() || l.bounds.exempt(at.Addr().Unmap()) {
		return func() {}, true
	}
	a := at.Addr().Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	network, err := a.Prefix(bits)
	if err != nil {
		return func() {}, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from[network] >= l.bounds.each {
		return nil, false
	}
	l.from[network]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.from[network]--; l.from[network] == 0 {
			delete(l.from, network)
		}
	}, true
}

func (l *boundedListener) hold(c net.Conn, release func()) net.Conn {
	if tcp, ok := c.(tcp); ok {
		return &boundedTCP{tcp: tcp, release: release}
	}
	return &boundedConn{Conn: c, release: release}
}

// Close ends Accept.
func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// tcp is what net/http uses of a TCP connection, through a proxy or not: ReadFrom
// lets the kernel send files.
type tcp interface {
	net.Conn
	io.ReaderFrom
	CloseWrite() error
}

// boundedTCP gives its slot back.
type boundedTCP struct {
	tcp
	release func()
}

// Close closes the connection and frees its slot.
func (c *boundedTCP) Close() error {
	defer c.release()
	return c.tcp.Close()
}

// boundedConn is boundedTCP for other connections.
type boundedConn struct {
	net.Conn
	release func()
}

// Close closes the connection and frees its slot.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
