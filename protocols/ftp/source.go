package ftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// lowestPort is the lowest that PORT and EPRT may name: below it are services
// that a client could speak to in the gateway's name.
const lowestPort = 1024

// A source is where one data connection comes from: a passive listener, at the
// address the client reached us at, or the client's own port. To the library
// each is a listener.
type source struct {
	c        *conn
	dialling netip.AddrPort   // active mode
	listener *net.TCPListener // passive mode
	release  func()           // gives the passive port back
	ctx      context.Context
	cancel   context.CancelFunc

	mu      sync.Mutex // guards what follows
	made    *dataConn
	library net.Listener // the library's own, hushed
	closed  bool
}

// own takes the library's listener, which it sets deadlines on.
func (s *source) own(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.library = l
}

// passive opens a listener for the next data connection, in place of one that
// was not used.
func (c *conn) passive() (*source, error) {
	l, release, err := c.server.config.Ports.listen(c.local.Addr())
	if err != nil {
		return nil, err
	}
	return c.expect(&source{c: c, listener: l, release: release}), nil
}

// active takes the client's own port for the next data connection.
func (c *conn) active(to netip.AddrPort) *source {
	return c.expect(&source{c: c, dialling: to, release: func() {}})
}

func (c *conn) expect(s *source) *source {
	s.ctx, s.cancel = context.WithCancel(c.ctx)
	c.mu.Lock()
	last := c.pending
	c.pending = s
	c.mu.Unlock()
	if last != nil {
		last.cut()
	}
	if c.ctx.Err() != nil { // cut meanwhile
		s.cut()
	}
	return s
}

// Accept returns the data connection.
func (s *source) Accept() (net.Conn, error) {
	d, err := s.connect()
	if err != nil {
		return nil, err
	}
	return d, nil
}

// connect makes the data connection, once; its transfer has been set.
func (s *source) connect() (*dataConn, error) {
	if d := s.connection(); d != nil {
		return d, nil
	}
	raw, err := s.raw()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoData, err)
	}
	s.closeListener()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = raw.Close()
		return nil, errNoData
	}
	s.made = newDataConn(s.c.running(), raw)
	return s.made, nil
}

func (s *source) raw() (*net.TCPConn, error) {
	if s.listener == nil {
		return s.dial()
	}
	if err := s.listener.SetDeadline(time.Now().Add(s.c.server.config.Limits.Accept)); err != nil {
		return nil, err
	}
	for {
		raw, err := s.listener.AcceptTCP()
		if err != nil {
			return nil, err
		}
		from, err := s.c.server.config.Sender(s.ctx, raw)
		if err == nil && from.IsValid() && from == s.c.peer.Addr() {
			return raw, nil
		}
		s.c.log.Warn("a stranger at a passive port", "connection", raw.RemoteAddr().String(), "from", from.String(), "err", err)
		_ = raw.Close()
	}
}

func (s *source) dial() (*net.TCPConn, error) {
	d := net.Dialer{
		Timeout:   s.c.server.config.Limits.Accept,
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.c.local.Addr(), 0)),
	}
	raw, err := d.DialContext(s.ctx, "tcp", s.dialling.String())
	if err != nil {
		return nil, err
	}
	return raw.(*net.TCPConn), nil
}

func (s *source) closeListener() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	s.release()
}

// Close ends the waiting; the library closes the connection itself.
func (s *source) Close() error {
	s.mu.Lock()
	s.closed = true
	library := s.library
	s.mu.Unlock()
	if library != nil {
		_ = library.Close()
	}
	s.cancel()
	s.closeListener()
	return nil
}

// finish closes what is left of a transfer: of one that was refused the library
// never asked for the connection.
func (s *source) finish() {
	_ = s.Close()
	if d := s.connection(); d != nil {
		_ = d.Close()
	}
}

// cut ends the waiting and breaks the connection.
func (s *source) cut() {
	_ = s.Close()
	if d := s.connection(); d != nil {
		d.cut()
	}
}

func (s *source) connection() *dataConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

// Addr is where the client may connect to.
func (s *source) Addr() net.Addr {
	if s.listener == nil {
		return &net.TCPAddr{}
	}
	return s.listener.Addr()
}

func (s *source) port() uint16 { return addrPort(s.Addr()).Port() }

// doPASV answers with an IPv4 address and a port.
func (c *conn) doPASV(string) string {
	if c.extendedOnly {
		c.send(replyTo(errOrder))
		return ""
	}
	a, err := c.server.public.of(c.ctx, c.peer.Addr(), c.reached)
	if errors.Is(err, errNotIPv4) {
		c.send(reply{501, "PASV knows IPv4 only: use EPSV"})
		return ""
	}
	if err != nil {
		c.log.Warn("the public address", "err", err)
		c.send(reply{425, "No public address is known now"})
		return ""
	}
	return c.passSource(c.passive, func(s *source) reply {
		ip, port := a.As4(), s.port()
		return reply{227, fmt.Sprintf("Entering Passive Mode (%d,%d,%d,%d,%d,%d)", ip[0], ip[1], ip[2], ip[3], port>>8, port&0xff)}
	})
}

// doEPSV answers with a port (RFC 2428, 3).
func (c *conn) doEPSV(arg string) string {
	family, other := "1", "2"
	if c.reached.Is6() {
		family, other = "2", "1"
	}
	switch {
	case len(arg) == 3 && (arg[0]|0x20) == 'a' && (arg[1]|0x20) == 'l' && (arg[2]|0x20) == 'l':
		c.extendedOnly = true
		c.send(plain(200))
		return ""
	case arg == other:
		c.send(reply{522, "Network protocol not supported, use (" + family + ")"})
		return ""
	case arg != "" && arg != family:
		c.send(plain(501))
		return ""
	}
	return c.passSource(c.passive, func(s *source) reply {
		return reply{229, fmt.Sprintf("Entering Extended Passive Mode (|||%d|)", s.port())}
	})
}

// doPORT and doEPRT take the client's address, where active mode is on.
func (c *conn) doPORT(arg string) string { return c.takePort(arg, parsePORT) }

func (c *conn) doEPRT(arg string) string { return c.takePort(arg, parseEPRT) }

// takePort refuses any address but the client's own, and services' ports: the
// gateway connects nowhere for others (RFC 2577).
func (c *conn) takePort(arg string, parse func(string) (netip.AddrPort, error)) string {
	if !c.server.config.Active {
		c.send(reply{502, "Active mode is off: use PASV or EPSV"})
		return ""
	}
	to, err := parse(arg)
	switch {
	case c.extendedOnly:
		c.send(replyTo(errOrder))
	case errors.Is(err, errPortProtocol):
		c.send(reply{522, "Network protocol not supported, use (1,2)"})
	case err != nil:
		c.send(plain(501))
	case to.Addr() != c.peer.Addr().WithZone("") || to.Port() < lowestPort:
		c.log.Warn("a port that is not the client's", "to", to)
		c.send(reply{501, "Only ports of your own address, 1024 and above"})
	default:
		to = netip.AddrPortFrom(c.peer.Addr(), to.Port())
		return c.passSource(func() (*source, error) { return c.active(to), nil }, func(*source) reply { return plain(200) })
	}
	return ""
}

// passSource has the library take the source as its passive listener.
func (c *conn) passSource(make func() (*source, error), answer func(*source) reply) string {
	s, err := make()
	if err != nil {
		c.log.Warn("a data connection", "err", err)
		c.send(reply{425, "No port is free now"})
		return ""
	}
	line := c.pass("EPSV", "")
	c.answered = answer(s)
	return line
}
