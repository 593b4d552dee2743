// Package ftp is the FTP and FTPS door: RFC 959 with 1123, 2228, 2389, 2428,
// 3659, 4217 and 7151, over a loop of its own. Each command is a small function
// in one table, paths are parsed once, and every socket can be cut at any time.
// What an account may do is decided by its session.
package ftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"gatehouse/protocols/places"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("ftp: server closed")

// farewell is how long connections that were told to end may take to do so.
const farewell = 2 * time.Second

// shuttingDown is the last that clients hear.
const shuttingDown = "Server is shutting down"

// A Server serves FTP on one kind of listener. Its zero value is not usable.
type Server struct {
	config Config
	public *publicAddresses
	// commands are what clients may say, by name.
	commands map[string]command
	// strangers are who has not logged in.
	strangers *places.Table

	mu        sync.Mutex // guards what follows
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	closing   bool

	running sync.WaitGroup // connections, with their transfers
	relay   *relay
}

// New makes a server; an error says what the configuration lacks.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{
		config:    c,
		public:    newPublicAddresses(c.Public, net.DefaultResolver.LookupNetIP),
		commands:  newCommands(),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		strangers: places.New(c.Limits.Strangers, c.Limits.StrangersPerAddress),
		relay:     newRelay((*conn).attend),
	}, nil
}

// Serve accepts connections until l fails or Shutdown is called, and then
// returns ErrServerClosed. It closes l.
func (s *Server) Serve(l net.Listener) error {
	if !s.enlist(l) {
		return errors.Join(ErrServerClosed, l.Close())
	}
	defer s.dismiss(l)
	for wait := time.Duration(0); ; {
		raw, err := l.Accept()
		if s.isClosing() {
			if err == nil {
				_ = raw.Close()
			}
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept FTP connections: %w", err)
		}
		if err != nil {
			wait = s.pause(wait, err)
			continue
		}
		wait = 0
		s.arrive(raw)
	}
}

// pause waits after a failed accept (no descriptors left, say), longer each time.
func (s *Server) pause(last time.Duration, err error) time.Duration {
	next := min(max(5*time.Millisecond, 2*last), time.Second)
	s.config.Log.Warn("accepting a connection", "err", err, "retry", next)
	time.Sleep(next)
	return next
}

// arrive takes a connection in, or turns it away where too many strangers wait,
// and it would not be their turn to make room.
func (s *Server) arrive(raw net.Conn) {
	peer := addrPort(raw.RemoteAddr())
	c := newConn(s, raw)
	if !s.admit(c) {
		s.config.Log.Warn("too many connections that have not logged in", "address", peer.Addr())
		s.turnAway(raw)
		return
	}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		c.place.Leave()
		_ = raw.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()
	go c.serve() // ends with the connection, or is relieved
}

func (s *Server) turnAway(raw net.Conn) {
	if s.config.Mode == Explicit {
		_ = raw.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = raw.Write([]byte("421 Too many connections, try again later\r\n"))
	}
	_ = raw.Close()
}

// admit counts c as a stranger, where there is room for one.
func (s *Server) admit(c *conn) bool {
	place, err := s.strangers.Enter(c.peer.Addr(), func() {
		go c.end("Too many connections have not logged in") // takes no longer than parting
	})
	c.place = place
	return err == nil
}

// logFor is the log of a connection that belongs to nobody yet.
func (s *Server) logFor(c *conn) *slog.Logger {
	return s.config.Log.With("door", "ftp", "address", c.peer.Addr().String())
}

func (s *Server) forget(c *conn) {
	c.place.Leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *Server) enlist(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) dismiss(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	_ = l.Close()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown takes no more connections, ends those without a transfer at once and
// the others when theirs is over. When ctx ends first they are cut, and its
// error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	conns := s.close()
	for _, c := range conns {
		if c.drain() {
			go c.end(shuttingDown) // takes no longer than parting
		}
	}
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for _, c := range conns {
		go c.end(shuttingDown)
	}
	select {
	case <-done:
	case <-time.After(farewell):
		s.config.Log.Warn("connections were still busy when the server stopped")
	}
	return ctx.Err()
}

func (s *Server) close() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for l := range s.listeners {
		_ = l.Close()
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

// addrPort returns a as a plain address; the zero value where it has none.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
