// Package proxied takes the client's address from the PROXY protocol, which a
// balancer in front of a door speaks. A listener of its kind believes configured
// proxies alone, and refuses whoever else comes or brings no header.
package proxied

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Patience is how long a header may take to come in. A proxy sends it at once.
const Patience = 5 * time.Second

// waiting is how many connections may be reading their headers at a time.
const waiting = 512

// quiet is how long a refusal that was logged stands for others.
const quiet = 10 * time.Second

// Trusts reports whether an address is a proxy's whose headers are believed.
type Trusts func(netip.Addr) bool

// A Listener accepts connections whose header has been read. Headers are read
// beside each other, so that a slow one holds up nobody.
type Listener struct {
	inner  net.Listener
	trusts Trusts
	log    *slog.Logger
	// patience is for tests to shorten.
	patience time.Duration

	begin   sync.Once
	ready   chan accepted
	slots   chan struct{}
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex // guards told
	told  time.Time
	since int // refusals that were not logged
}

type accepted struct {
	conn net.Conn
	err  error
}

// New makes a listener over inner, whose connections are TCP. Close ends it.
func New(inner net.Listener, trusts Trusts, log *slog.Logger) *Listener {
	l := &Listener{
		inner: inner, trusts: trusts, log: log, patience: Patience,
		ready: make(chan accepted), slots: make(chan struct{}, waiting),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// Addr is where proxies connect to.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Accept returns the next connection whose header has come in.
func (l *Listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { l.running.Go(l.run) })
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.ctx.Done():
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close ends Accept, and connections whose header is still to come.
func (l *Listener) Close() error {
	l.stop()
	err := l.inner.Close()
	l.running.Wait()
	return err
}

// run accepts until Close.
func (l *Listener) run() {
	for {
		c, err := l.inner.Accept()
		if err != nil {
			if !l.hand(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		select {
		case l.slots <- struct{}{}:
			l.running.Go(func() {
				defer func() { <-l.slots }()
				l.introduce(c)
			})
		default:
			l.refuse(c, errors.New("too many connections without a header"))
		}
	}
}

// hand gives something to Accept; false after Close.
func (l *Listener) hand(a accepted) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// introduce reads the header of a connection and hands it on.
func (l *Listener) introduce(c net.Conn) {
	known, err := introduce(l.ctx, c, l.trusts, l.patience)
	if err != nil {
		l.refuse(c, err)
		return
	}
	if !l.hand(accepted{conn: known}) {
		_ = c.Close()
	}
}

// refuse closes a connection, and says so in the log once in a while.
func (l *Listener) refuse(c net.Conn, err error) {
	defer func() { _ = c.Close() }()
	if errors.Is(err, io.EOF) || l.ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.told) < quiet {
		l.since++
		return
	}
	l.log.Warn("a connection to a listener for proxies is refused",
		"listener", l.Addr().String(), "address", c.RemoteAddr().String(), "error", err, "unlogged", l.since)
	l.told, l.since = time.Now(), 0
}

// ErrStranger says that somebody came who is no configured proxy.
var ErrStranger = errors.New("the address is not among trusted_proxies")

// Introduce reads the header of a connection from a trusted proxy, within
// Patience and ctx. It leaves closing the connection to the caller.
func Introduce(ctx context.Context, c net.Conn, trusts Trusts) (*Conn, error) {
	return introduce(ctx, c, trusts, Patience)
}

func introduce(ctx context.Context, c net.Conn, trusts Trusts, patience time.Duration) (*Conn, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("a %s connection has no PROXY header", c.RemoteAddr().Network())
	}
	proxy := plain(c.RemoteAddr())
	if !trusts(proxy.Addr()) {
		return nil, ErrStranger
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	h, err := Read(tcp)
	if err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return &Conn{TCPConn: tcp, client: clientOf(h, proxy), reached: h.Reached}, nil
}

// clientOf is who sent what comes through a proxy; the zero value, which no
// policy admits, where that is not known.
func clientOf(h Header, proxy netip.AddrPort) netip.AddrPort {
	if h.Own {
		return proxy
	}
	if !Plausible(h.Client.Addr(), proxy.Addr()) {
		return netip.AddrPort{}
	}
	return h.Client
}

// Plausible reports whether an address can be that of a client of a proxy.
// Another machine's loopback says nothing here, where loopback is trusted.
func Plausible(client, proxy netip.Addr) bool {
	return client.IsValid() && !client.IsUnspecified() && !client.IsMulticast() && (!client.IsLoopback() || proxy.IsLoopback())
}

func plain(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}
