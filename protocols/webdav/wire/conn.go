// Package wire is the connection below a web server that its handlers can tell
// more than net/http does: what is to leave together, and what the kernel is to
// move to a file by itself. All that travels still passes net/http's own count.
package wire

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gatehouse/protocols/sendfile"
)

// stream is what a connection needs for any of that. Others are left as they are.
type stream interface {
	net.Conn
	io.ReaderFrom
	syscall.Conn
	CloseWrite() error
}

// Listen has l's connections as Conns, where they are TCP's.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept is net.Listener's.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if s, ok := c.(stream); ok {
		return &Conn{stream: s}, err
	}
	return c, err
}

// held is how much waits to leave together, and limits what a connection that
// holds back occupies.
const held = 64 << 10

// soon is how long something is held back while more comes: an account's rate may
// let through hardly anything at a time, and clients give up who hear nothing.
const soon = time.Second

// blocks are lent for as long as something is held back.
var blocks = sync.Pool{New: func() any { return new([held]byte) }}

// A Conn is a TCP connection, or one below TLS.
type Conn struct {
	stream
	sink atomic.Pointer[sink] // where the next Read goes, nil but for a moment

	mu    sync.Mutex // guards what follows, and the order of writes
	block *[held]byte
	n     int       // bytes of block
	since time.Time // when anything was last passed on
	fault error     // of what was held back: nothing may follow it
}

// key is under which a request's context carries its Conn.
type key struct{}

// Context is for http.Server.ConnContext: From finds the Conn of c in it.
func Context(ctx context.Context, c net.Conn) context.Context {
	if below, ok := c.(interface{ NetConn() net.Conn }); ok {
		if _, own := c.(*Conn); !own {
			c = below.NetConn()
		}
	}
	if w, ok := c.(*Conn); ok {
		return context.WithValue(ctx, key{}, w)
	}
	return ctx
}

// From is the connection that a request came over, nil where it is no Conn.
func From(ctx context.Context) *Conn {
	c, _ := ctx.Value(key{}).(*Conn)
	return c
}

// NetConn is the connection below, as it was accepted.
func (c *Conn) NetConn() net.Conn { return c.stream }

// Hold keeps back what is written from now on, as far as there is room for it,
// until Release: a header and its content leave in one piece, and so do the
// records of TLS. Only who answers the one request on the connection may hold.
func (c *Conn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.block == nil {
		c.block, c.since = blocks.Get().(*[held]byte), time.Now()
	}
}

// Release writes what was held back. It returns why that could not be written.
func (c *Conn) Release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.block == nil {
		return nil
	}
	err := c.pass()
	blocks.Put(c.block)
	c.block = nil
	return err
}

// Write is net.Conn's.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fault != nil:
		return 0, c.fault
	case c.block == nil:
		return c.stream.Write(b)
	}
	if c.n+len(b) > held {
		if err := c.pass(); err != nil {
			return 0, err
		}
	}
	if len(b) > held {
		return c.stream.Write(b)
	}
	c.n += copy(c.block[c.n:], b)
	return len(b), c.passLate()
}

// ReadFrom is io.ReaderFrom's: files go through the kernel, but for what fits
// behind what is held back.
func (c *Conn) ReadFrom(src io.Reader) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fault != nil:
		return 0, c.fault
	case c.block == nil:
		return sendfile.ReadFrom(c.stream, src)
	}
	few, ok := src.(*io.LimitedReader)
	if ok && few.N <= int64(held-c.n) {
		n, err := io.ReadFull(few, c.block[c.n:c.n+int(few.N)])
		c.n += n
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		if err == nil {
			err = c.passLate()
		}
		return int64(n), err
	}
	if err := c.pass(); err != nil {
		return 0, err
	}
	return sendfile.ReadFrom(c.stream, src)
}

// passLate is pass where something has been held back for long.
func (c *Conn) passLate() error {
	if time.Since(c.since) < soon {
		return nil
	}
	return c.pass()
}

// pass writes what is held back, and goes on holding.
func (c *Conn) pass() error {
	b := c.block[:c.n]
	c.n = 0
	if len(b) == 0 {
		return nil
	}
	_, c.fault = c.stream.Write(b)
	c.since = time.Now()
	return c.fault
}
