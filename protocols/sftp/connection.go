package sftp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth/session"
	"gatehouse/protocols/places"
	"gatehouse/protocols/sftp/buffered"
	"gatehouse/protocols/sftp/subsystem"
)

// A connection is one SSH connection, from its first byte to its end.
type connection struct {
	server  *Server
	raw     net.Conn
	address netip.Addr
	place   *places.Place // among the strangers, until the login
	log     *slog.Logger
	// ctx ends when the connection does; logins run under it.
	ctx context.Context
	end context.CancelCauseFunc

	net      *buffered.Conn
	ssh      *ssh.ServerConn
	session  *session.Session
	handles  *subsystem.Handles
	channels sync.WaitGroup
	inUse    atomic.Int64 // channels
	active   atomic.Int64 // the time of the last request, in Unix nanoseconds
	leaving  atomic.Bool
}

func newConnection(s *Server, raw net.Conn, from netip.Addr) *connection {
	c := &connection{
		server: s, raw: raw, address: from,
		log:     s.config.Log.With("address", from.String()),
		handles: subsystem.NewHandles(s.config.Limits.Handles),
	}
	c.ctx, c.end = context.WithCancelCause(s.ctx)
	c.net = buffered.New(raw, s.buffers)
	return c
}

// cut ends the connection at once, whatever it is doing. It never blocks.
func (c *connection) cut(cause error) {
	c.end(cause)
	c.raw.Close()
}

// drop ends a connection that is not served.
func (c *connection) drop(cause error) {
	c.cut(cause)
	c.net.Close()
}

// leave ends the connection as soon as it has no open files, and lets it open
// none from now on. One that is still logging in has none.
func (c *connection) leave() {
	c.handles.Refuse()
	c.leaving.Store(true)
	c.leaveIfIdle()
}

func (c *connection) leaveIfIdle() {
	if c.leaving.Load() && c.handles.InUse() == 0 {
		c.net.Close()
	}
}

// serve does all of it: the login, the session, the channels.
func (c *connection) serve() {
	defer c.net.Wait()
	defer c.finish()
	channels, requests := c.login()
	if c.session == nil {
		return
	}
	defer c.session.Close()
	defer c.channels.Wait()
	defer c.finish()
	stop := context.AfterFunc(c.session.Context(), func() { c.cut(context.Cause(c.session.Context())) })
	defer stop()

	c.touch()
	c.beside(func() { c.answer(requests) })
	c.beside(c.watch)
	if err := c.announce(); err != nil {
		c.log.Debug("announce the host keys", "error", err)
	}
	// To their end, whatever else has failed: nothing else lets the transport end.
	for ch := range channels {
		c.take(ch)
	}
}

// finish lets what was written still go out, for a moment.
func (c *connection) finish() {
	c.end(nil)
	c.net.Close()
}

// login makes the handshake within its time. Where it fails there is no session.
func (c *connection) login() (<-chan ssh.NewChannel, <-chan *ssh.Request) {
	defer c.place.Leave()
	limits := c.server.config.Limits
	c.raw.SetDeadline(time.Now().Add(limits.Handshake))
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	late := time.AfterFunc(limits.Handshake, func() { cancel(context.DeadlineExceeded) })
	defer late.Stop()
	l := &login{c: c, ctx: ctx, longer: sync.OnceFunc(func() {
		c.raw.SetDeadline(time.Now().Add(limits.Code))
		late.Reset(limits.Code)
	})}
	conn, channels, requests, err := ssh.NewServerConn(c.net, l.config())
	l.gone()
	if err != nil {
		l.session(nil)
		if !c.disagreed(err) {
			c.log.Debug("an sftp connection ended before its login", "error", err)
		}
		return nil, nil
	}
	c.raw.SetDeadline(time.Time{})
	c.ssh, c.session = conn, l.session(conn.Permissions)
	if c.session == nil {
		return nil, nil
	}
	c.log = c.session.Log()
	return channels, requests
}

// beside runs f until the connection ends, which f must notice. A panic ends
// the connection and nothing else.
func (c *connection) beside(f func()) {
	c.channels.Go(func() {
		defer c.contain()
		f()
	})
}

// touch notes a request: the connection is not idle.
func (c *connection) touch() { c.active.Store(time.Now().UnixNano()) }

func (c *connection) idleFor() time.Duration {
	return time.Since(time.Unix(0, c.active.Load()))
}

var (
	errIdle    = errors.New("the connection was idle for too long")
	errSilent  = errors.New("the peer gives no sign of life")
	errCrowded = errors.New("too many connections are logging in")
)

// addressOf is the peer's address; zero, which no policy admits, where the
// connection does not tell one.
func addressOf(c net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
