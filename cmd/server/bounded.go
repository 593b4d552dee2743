package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"

	"gatehouse/protocols/places"
	"gatehouse/protocols/webdav/wire"
)

// bounds are how many connections a listener takes at once, in all and of one
// address, which loses what is more. Those who are exempt speak for many.
type bounds struct {
	all, each int
	exempt    func(netip.Addr) bool
}

// bounded bounds a listener. Where all places are taken, connections without a
// known account's request make room for those of networks that have fewer; where
// there are none, more connections wait.
func bounded(l net.Listener, b bounds) *boundedListener {
	return &boundedListener{
		Listener: l, exempt: b.exempt, table: places.New(b.all, b.each),
		stirred: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

type boundedListener struct {
	net.Listener
	exempt  func(netip.Addr) bool
	table   *places.Table
	stirred chan struct{} // has one where a place may have become free
	once    sync.Once
	closed  chan struct{}
}

// Accept waits for a connection, and for a place for it.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		held, err := l.place(c)
		switch {
		case err == nil:
			return held, nil
		case errors.Is(err, net.ErrClosed):
			_ = c.Close()
			return nil, err
		}
		_ = c.Close()
	}
}

// place finds a connection a place, and waits where all are busy.
func (l *boundedListener) place(c net.Conn) (net.Conn, error) {
	for {
		p, err := l.enter(c)
		if err == nil {
			return hold(c, held{p, l.stir}), nil
		}
		if !errors.Is(err, places.ErrFull) {
			return nil, err
		}
		select {
		case <-l.stirred:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

func (l *boundedListener) enter(c net.Conn) (*places.Place, error) {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if a := at.Addr().Unmap(); err != nil || a.IsLoopback() || l.exempt(a) {
		return l.table.EnterForMany()
	}
	return l.table.Enter(at.Addr(), func() { _ = c.Close() })
}

// stir has who waits for a place look again.
func (l *boundedListener) stir() {
	select {
	case l.stirred <- struct{}{}:
	default:
	}
}

// Close ends Accept.
func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// held is a connection's place.
type held struct {
	*places.Place
	stir func()
}

// place is what who is known keeps while a request is carried out.
func (h held) place() *places.Place { return h.Place }

// idle has the place to be had until then.
func (h held) idle() {
	h.Yield()
	h.stir()
}

func (h held) leave() {
	h.Leave()
	h.stir()
}

func hold(c net.Conn, h held) net.Conn {
	if tcp, ok := c.(tcp); ok {
		return &boundedTCP{tcp: tcp, held: h}
	}
	return &boundedConn{Conn: c, held: h}
}

// tcp is what net/http uses of a TCP connection, through a proxy or not: ReadFrom
// lets the kernel send files.
type tcp interface {
	net.Conn
	io.ReaderFrom
	syscall.Conn
	CloseWrite() error
}

// boundedTCP gives its place back.
type boundedTCP struct {
	tcp
	held
}

// Close closes the connection and frees its place.
func (c *boundedTCP) Close() error {
	defer c.leave()
	return c.tcp.Close()
}

// boundedConn is boundedTCP for other connections.
type boundedConn struct {
	net.Conn
	held
}

// Close closes the connection and frees its place.
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// holder is a connection that has a place.
type holder interface {
	place() *places.Place
	idle()
}

// holderOf is the holder below a connection, nil where there is none.
func holderOf(c net.Conn) holder {
	for {
		if h, ok := c.(holder); ok {
			return h
		}
		above, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = above.NetConn()
	}
}

// yielding has requests know their connection's place. Those of known accounts
// keep it to their end: no handshake does, and nothing that a stranger may ask.
func yielding(s *http.Server) {
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if h := holderOf(c); h != nil {
			ctx = places.Context(ctx, h.place())
		}
		return wire.Context(ctx, c)
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if h := holderOf(c); h != nil && state == http.StateIdle {
			h.idle()
		}
	}
}
