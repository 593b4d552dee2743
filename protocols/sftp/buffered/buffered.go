// Package buffered puts large buffers around a network connection, so that the
// many small reads and writes of the SSH transport become few system calls.
// The buffers are borrowed while there is something in them and no longer.
package buffered

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gatehouse/protocols/sftp/buffers"
)

// limit is how much waits to be sent before Write blocks, and how much is
// received at once.
const limit = 256 << 10

// linger is how long Close goes on sending what was written before it.
const linger = 500 * time.Millisecond

// A Conn is a buffered net.Conn. Write returns before the bytes are sent: an
// error of sending is that of a later Write. One goroutine at a time may Read.
type Conn struct {
	raw      net.Conn
	pool     *buffers.Pool
	kernel   syscall.RawConn // nil where raw does not show the kernel's connection
	received atomic.Uint64

	borrowed, unread []byte // unread is the rest of borrowed

	mu      sync.Mutex // guards what follows
	ready   sync.Cond  // there is something for send to do
	room    sync.Cond  // unsent has room, or nothing more will be sent
	unsent  []byte
	flushed bool // unsent is to go out
	// sending says that somebody writes to raw. What the kernel did not take is
	// left, a part of whole, for the goroutine that waits until it does.
	sending     bool
	left, whole []byte
	closing     bool
	err         error

	ended chan struct{} // closed when raw is
}

var _ net.Conn = (*Conn)(nil)

// New puts buffers around raw. Its goroutine ends with Close, or when sending fails.
func New(raw net.Conn, pool *buffers.Pool) *Conn {
	c := &Conn{raw: raw, pool: pool, ended: make(chan struct{})}
	c.ready.L, c.room.L = &c.mu, &c.mu
	if k, ok := raw.(syscall.Conn); ok {
		c.kernel, _ = k.SyscallConn()
	}
	go c.send()
	return c
}

// Received counts the bytes that came in. It tells whether the peer is alive.
func (c *Conn) Received() uint64 { return c.received.Load() }

// Read is net.Conn's. Before it waits, what was gathered is sent.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		if c.kernel == nil || len(p) >= limit {
			c.sendGathered()
			n, err := c.raw.Read(p)
			c.received.Add(uint64(n))
			return n, err
		}
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if len(c.unread) == 0 {
		c.pool.Put(c.borrowed)
		c.borrowed, c.unread = nil, nil
	}
	return n, nil
}

// Wait returns when, after Close or a failure, the connection below is closed.
func (c *Conn) Wait() { <-c.ended }

// Close returns at once. What was written is still sent for half a second, then
// the connection below is closed and a waiting Read ends. Who cannot wait for
// that closes the connection below itself.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil
	}
	c.closing = true
	c.ready.Signal()
	c.room.Broadcast()
	return c.raw.SetWriteDeadline(time.Now().Add(linger))
}

// LocalAddr is net.Conn's, as are the methods that follow.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr is net.Conn's.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline is net.Conn's.
func (c *Conn) SetDeadline(t time.Time) error { return c.raw.SetDeadline(t) }

// SetReadDeadline is net.Conn's.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(t) }

// SetWriteDeadline is net.Conn's.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }
