package data

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A block takes a quarter of a mebibyte as TLS records: many of them travel in
// one system call. Blocks are lent for as long as a transfer moves.
type block [264 << 10]byte

var pool = sync.Pool{New: func() any { return new(block) }}

// records is the socket below TLS. Its end is an error: TLS has an end of its
// own, close_notify, and without it whatever came was cut off; crypto/tls takes
// an end between two records for one all the same.
type records struct {
	*net.TCPConn
	moved  *atomic.Int64
	shaken bool // the handshake is over

	in     *block
	unread []byte // of in

	out  *block // records that wait for more of them; nil where they go out at once
	kept int    // bytes in out
}

// Read is net.Conn's. Clients send the end of their handshake in two small
// pieces, the second only once the first is acknowledged: until it is over
// nothing waits for a delayed acknowledgement, 40 ms a file.
func (r *records) Read(b []byte) (int, error) {
	if !r.shaken {
		acknowledge(r.TCPConn)
		return r.receive(b)
	}
	if len(r.unread) == 0 {
		if r.in == nil {
			r.in = pool.Get().(*block)
		}
		n, err := r.receive(r.in[:])
		if r.unread = r.in[:n]; n == 0 {
			return 0, err
		}
	}
	n := copy(b, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

func (r *records) receive(b []byte) (int, error) {
	n, err := r.TCPConn.Read(b)
	r.moved.Add(int64(n))
	if errors.Is(err, io.EOF) {
		err = ErrTruncated
	}
	return n, err
}

// Write is net.Conn's.
func (r *records) Write(b []byte) (int, error) {
	if r.out == nil {
		return r.transmit(b)
	}
	if r.kept+len(b) > len(r.out) {
		if err := r.flush(); err != nil {
			return 0, err
		}
	}
	if len(b) > len(r.out) {
		return r.transmit(b)
	}
	r.kept += copy(r.out[r.kept:], b)
	return len(b), nil
}

func (r *records) transmit(b []byte) (int, error) {
	n, err := r.TCPConn.Write(b)
	r.moved.Add(int64(n))
	return n, err
}

func (r *records) flush() error {
	b := r.out[:r.kept]
	r.kept = 0
	_, err := r.transmit(b)
	return err
}

// release gives back what was borrowed. Nobody reads or writes any more.
func (r *records) release() {
	if r.in != nil {
		pool.Put(r.in)
		r.in, r.unread = nil, nil
	}
}

// sealed is the protected stream.
type sealed struct{ c *Conn }

// Read is io.Reader's.
func (s sealed) Read(b []byte) (int, error) { return s.c.secure.Read(b) }

// Write sends the records of b together.
func (s sealed) Write(b []byte) (int, error) {
	r := s.c.below
	r.out = pool.Get().(*block)
	n, err := s.c.secure.Write(b)
	if err == nil {
		err = r.flush()
	}
	pool.Put(r.out)
	r.out, r.kept = nil, 0
	return n, err
}
