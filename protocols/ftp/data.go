package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A dataConn is a data connection: the bare socket, and TLS above it where data
// is protected. The handshake waits for the first byte, since clients begin it
// after the reply 150.
type dataConn struct {
	t       *transfer
	raw     *net.TCPConn
	secure  *tls.Conn // nil in clear
	shake   func() error
	unwatch func()
	once    sync.Once
	moved   atomic.Int64 // bytes, where the system does not tell
	shaken  atomic.Bool  // the handshake is over
}

func newDataConn(t *transfer, raw *net.TCPConn) *dataConn {
	d := &dataConn{t: t, raw: raw}
	if t.tls != nil {
		d.secure = tls.Server(unended{raw, &d.moved, &d.shaken}, t.tls)
	}
	d.shake = sync.OnceValue(d.handshake)
	d.unwatch = watch(t.c.server.config.Limits.Stall, d.progress, func() { t.cut(errStalled) })
	return d
}

func (d *dataConn) handshake() error {
	if d.secure == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(d.t.ctx, d.t.c.server.config.Limits.Accept)
	defer cancel()
	defer d.shaken.Store(true)
	if err := d.secure.HandshakeContext(ctx); err != nil {
		return d.t.note(fmt.Errorf("%w: %w", errDataTLS, err))
	}
	if d.t.c.server.config.Resumption && !d.secure.ConnectionState().DidResume {
		return d.t.note(errNotResumed)
	}
	return nil
}

// stream is what to read from and write to, ready for it: the bare socket where
// data is clear, for sendfile and splice.
func (d *dataConn) stream() (io.ReadWriter, error) {
	if err := d.shake(); err != nil {
		return nil, err
	}
	if d.secure != nil {
		return d.secure, nil
	}
	return d.bare(), nil
}

// Read reads what the client sends.
func (d *dataConn) Read(b []byte) (int, error) {
	s, err := d.stream()
	if err != nil {
		return 0, err
	}
	n, err := s.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.t.note(err)
	}
	return n, err
}

// Write writes to the client. The library writes nothing where there was nothing
// to send, so that the handshake is made all the same.
func (d *dataConn) Write(b []byte) (int, error) {
	s, err := d.stream()
	if err != nil || len(b) == 0 {
		return 0, err
	}
	n, err := s.Write(b)
	if err != nil {
		err = d.t.note(err)
	}
	return n, err
}

// Close ends the connection in order, or breaks it where the transfer failed, so
// that nobody takes a part for the whole.
func (d *dataConn) Close() error {
	var err error
	d.once.Do(func() {
		d.unwatch()
		switch {
		case d.t.failure() != nil:
			_ = d.raw.SetLinger(0)
			err = d.raw.Close()
		case d.secure != nil:
			err = d.secure.Close()
		default:
			err = d.raw.Close()
		}
	})
	return err
}

// cut breaks the connection, whoever reads or writes.
func (d *dataConn) cut() {
	_ = d.raw.SetLinger(0)
	_ = d.raw.Close()
}

// RemoteAddr is the control connection's: the source has checked it.
func (d *dataConn) RemoteAddr() net.Addr { return plainAddr(d.t.c) }

// LocalAddr is our end.
func (d *dataConn) LocalAddr() net.Addr { return d.raw.LocalAddr() }

// SetDeadline does nothing, and neither do the other two: see watch.
func (d *dataConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (d *dataConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (d *dataConn) SetWriteDeadline(time.Time) error { return nil }

// unended is a socket whose end is an error: TLS has an end of its own,
// close_notify, and without it whatever came was cut off. crypto/tls takes an
// end between two records for one all the same.
type unended struct {
	*net.TCPConn
	moved  *atomic.Int64
	shaken *atomic.Bool
}

// Write counts what went out.
func (u unended) Write(b []byte) (int, error) {
	n, err := u.TCPConn.Write(b)
	u.moved.Add(int64(n))
	return n, err
}

// Read returns errTruncated at the end. Clients send the end of their handshake
// in two small pieces, the second only once the first is acknowledged: until it
// is over nothing waits for a delayed acknowledgement, 40 ms a file.
func (u unended) Read(b []byte) (int, error) {
	if !u.shaken.Load() {
		acknowledge(u.TCPConn)
	}
	n, err := u.TCPConn.Read(b)
	u.moved.Add(int64(n))
	if errors.Is(err, io.EOF) {
		err = errTruncated
	}
	return n, err
}

// watch calls stalled once when progress returns the same figure for a limit's
// time, until it is stopped. It looks at the socket, not at who reads or writes
// it: pieces that go through the kernel take as long as the client needs.
func watch(limit time.Duration, progress func() int64, stalled func()) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		tick := time.NewTicker(max(limit/8, time.Millisecond))
		defer tick.Stop()
		last, since := progress(), time.Now()
		for {
			select {
			case <-stopped:
				return
			case <-tick.C:
			}
			if now := progress(); now != last {
				last, since = now, time.Now()
			} else if time.Since(since) >= limit {
				stalled()
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(stopped) })
}
