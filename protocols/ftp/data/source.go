package data

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A Guest says who is at the other end of a connection that came in.
type Guest func(context.Context, *net.TCPConn) (netip.Addr, error)

// A Source is where one data connection comes from: a passive listener at the
// address the client reached, or the client's own port. It makes one, once.
type Source struct {
	peer     netip.Addr // the only one that it may come from
	wait     time.Duration
	listener *net.TCPListener // passive mode
	release  func()           // gives the passive port back
	guest    Guest
	stranger func(raw net.Conn, from netip.Addr, err error)
	from, to netip.AddrPort // active mode
	ctx      context.Context
	cancel   context.CancelFunc

	mu     sync.Mutex  // guards what follows
	unused *time.Timer // ends a passive port that nobody asks a connection of; nil in active mode
	made   *Conn
	done   bool
}

// Times are how long a passive port is kept until Connect asks for its connection,
// and how long the client has to come then.
type Times struct{ Unused, Wait time.Duration }

// Passive listens at an address for a client. Others that come are reported to
// stranger, and turned away.
func Passive(p *Ports, at netip.Addr, whose Client, times Times, who Guest, stranger func(net.Conn, netip.Addr, error)) (*Source, error) {
	l, release, err := p.listen(at, whose)
	if err != nil {
		return nil, err
	}
	s := &Source{peer: whose.Address, wait: times.Wait, listener: l, release: release, guest: who, stranger: stranger}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused = time.AfterFunc(times.Unused, s.Cut)
	return s, nil
}

// Active connects to a client's port, from an address of ours.
func Active(to netip.AddrPort, from netip.Addr, wait time.Duration) *Source {
	s := &Source{peer: to.Addr(), wait: wait, from: netip.AddrPortFrom(from, 0), to: to, release: func() {}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Port is where a client may connect to.
func (s *Source) Port() uint16 { return s.listener.Addr().(*net.TCPAddr).AddrPort().Port() }

// Connect makes the connection.
func (s *Source) Connect(how How) (*Conn, error) {
	s.used()
	raw, err := s.raw()
	s.close()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		_ = raw.Close()
		return nil, ErrNone
	}
	s.made = NewConn(raw, how)
	return s.made, nil
}

// late is how long ago at most a client connects that comes at all.
const late = 100 * time.Millisecond

// Refuse has the client of a transfer that was answered before its data
// connection was made see that one end as Conn.Refuse has it.
func (s *Source) Refuse(ctx context.Context, how How) {
	if s.listener == nil {
		return
	}
	s.wait = late
	if c, err := s.Connect(how); err == nil {
		c.Refuse(ctx, false)
	}
}

func (s *Source) raw() (*net.TCPConn, error) {
	if s.listener == nil {
		return s.dial()
	}
	if err := s.listener.SetDeadline(time.Now().Add(s.wait)); err != nil {
		return nil, err
	}
	for {
		raw, err := s.listener.AcceptTCP()
		if err != nil {
			return nil, err
		}
		from, err := s.guest(s.ctx, raw)
		if err == nil && from.IsValid() && from == s.peer {
			return raw, nil
		}
		s.stranger(raw, from, err)
		_ = raw.Close()
	}
}

func (s *Source) dial() (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.wait)
	defer cancel()
	var d net.Dialer
	return d.DialTCP(ctx, "tcp", s.from, s.to)
}

// used says that nobody has to give the port up any more.
func (s *Source) used() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unused != nil {
		s.unused.Stop()
	}
}

func (s *Source) close() {
	s.used()
	s.cancel()
	if s.listener != nil {
		_ = s.listener.Close()
	}
	s.release()
}

// Close ends the waiting, and breaks a connection that nobody has closed.
func (s *Source) Close() {
	if made := s.stop(); made != nil {
		made.Break()
	}
}

// Cut ends the waiting and breaks the connection, whoever uses it.
func (s *Source) Cut() {
	if made := s.stop(); made != nil {
		made.Cut()
	}
}

// stop ends the waiting, and returns what had been made before.
func (s *Source) stop() *Conn {
	s.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	return s.made
}

// Conn is the connection that was made, nil before.
func (s *Source) Conn() *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}
