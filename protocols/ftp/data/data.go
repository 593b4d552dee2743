// Package data makes FTP's data connections: one for each transfer, from the
// client's own address or to it, protected or in clear. Who waits for one, reads
// or writes can be cut at any time, and a client that does nothing is noticed.
package data

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of a data connection.
var (
	ErrNone       = errors.New("no data connection was made")
	ErrHandshake  = errors.New("the TLS handshake of the data connection did not succeed")
	ErrNotResumed = errors.New("the data connection did not resume the control connection's TLS session")
	ErrTruncated  = errors.New("the data connection ended without close_notify")
)

// How says how a data connection is used.
type How struct {
	TLS       *tls.Config   // nil in clear
	Resumed   bool          // refuses a handshake that resumes no session
	Handshake time.Duration // the longest
	Upload    bool
	Stall     time.Duration // the longest time in which nothing moves
	Stalled   func()        // called once when it has passed
}

// A Conn is a data connection: the bare socket, and TLS above it where data is
// protected.
type Conn struct {
	how    How
	raw    *net.TCPConn
	below  *records  // nil in clear
	secure *tls.Conn // nil in clear
	watch  *watch
	once   sync.Once
	moved  atomic.Int64 // bytes, where the system does not tell
}

// NewConn takes a socket that is connected.
func NewConn(raw *net.TCPConn, how How) *Conn {
	c := &Conn{how: how, raw: raw}
	if how.TLS != nil {
		c.below = &records{TCPConn: raw, moved: &c.moved}
		c.secure = tls.Server(c.below, how.TLS)
	}
	c.watch = newWatch(how.Stall, c.Progress, how.Stalled)
	return c
}

// Handshake makes the connection ready. Clients begin it after the reply 150.
func (c *Conn) Handshake(ctx context.Context) error {
	if c.secure == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.how.Handshake)
	defer cancel()
	if err := c.secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	c.below.shaken = true
	if c.how.Resumed && !c.secure.ConnectionState().DidResume {
		return ErrNotResumed
	}
	return nil
}

// Stream is what to read from and write to after the handshake: the bare socket
// where data is clear, which the kernel moves to and from files.
func (c *Conn) Stream() io.ReadWriter {
	if c.secure != nil {
		return sealed{c}
	}
	return c.bare()
}

// Close ends the connection in order: with close_notify where it is protected.
func (c *Conn) Close() error {
	var err error
	c.once.Do(func() {
		c.watch.stop()
		if c.secure != nil {
			err = c.secure.Close()
			c.below.release()
		} else {
			err = c.raw.Close()
		}
	})
	return err
}

// Break ends it so that nobody takes what came for the whole.
func (c *Conn) Break() {
	c.once.Do(func() {
		c.watch.stop()
		c.Cut()
		if c.below != nil {
			c.below.release()
		}
	})
}

// Cut breaks the connection, whoever reads or writes.
func (c *Conn) Cut() {
	_ = c.raw.SetLinger(0)
	_ = c.raw.Close()
}

// Bounds of Refuse: a client that has more to send than that, or takes longer,
// sees its connection reset.
const (
	mostRefused = 64 << 20
	refusing    = 10 * time.Second
	waiting     = time.Second // for a client that is to close by itself
)

// Refuse ends a transfer that was answered with an error: in order, and takes
// what is still on its way for a moment. A reset would drown the reply, since
// most clients send all they have before they look for one. Before the transfer
// has begun the client has some time to close by itself: curl takes an end in
// the middle of its handshake for a fault of passive mode, whatever the reply.
func (c *Conn) Refuse(ctx context.Context, begun bool) {
	c.once.Do(func() {
		c.watch.stop()
		defer context.AfterFunc(ctx, c.Cut)()
		defer func() { _ = c.raw.Close() }()
		if !begun && c.drain(waiting) {
			return
		}
		_ = c.raw.SetDeadline(time.Now().Add(refusing))
		if c.secure != nil {
			_ = c.secure.CloseWrite()
			c.below.release()
		}
		_ = c.raw.CloseWrite()
		c.drain(refusing)
	})
}

// drain takes what the client sends, for a time, and reports whether it came to
// an end.
func (c *Conn) drain(limit time.Duration) (ended bool) {
	if err := c.raw.SetDeadline(time.Now().Add(limit)); err != nil {
		return true
	}
	buf := pool.Get().(*block)
	defer pool.Put(buf)
	for taken := 0; taken < mostRefused; {
		n, err := c.raw.Read(buf[:])
		if err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
		taken += n
	}
	return true
}
