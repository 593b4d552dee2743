package ftp

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// control is the control connection as the library sees it: what it reads has
// passed the screen, what it writes is rendered anew. Its deadlines and address
// checks are ours, so those it sets do nothing.
type control struct{ c *conn }

// Read yields one line that passed the screen. The library asks for it when it
// has carried out the last one, or has a transfer running.
func (s control) Read(b []byte) (n int, err error) {
	defer func() {
		if err != nil {
			s.c.close()
			err = io.EOF
		}
	}()
	defer s.c.contain(&err)
	if len(s.c.in) == 0 {
		line, err := s.c.next()
		if err != nil {
			return 0, err
		}
		s.c.in = []byte(line + "\r\n")
	}
	n = copy(b, s.c.in)
	s.c.in = s.c.in[n:]
	return n, nil
}

// Write takes replies of the library. It never fails: the library would go
// silent for good, and the end of a transfer be missed.
func (s control) Write(b []byte) (n int, err error) {
	defer func() {
		if err != nil {
			s.c.close()
		}
		n, err = len(b), nil
	}()
	defer s.c.contain(&err)
	s.c.out = append(s.c.out, b...)
	for {
		line, rest, whole := bytes.Cut(s.c.out, []byte("\r\n"))
		if !whole {
			return len(b), nil
		}
		code, text, last := parseReply(string(line))
		s.c.out = append([]byte(nil), rest...)
		if last {
			s.c.replied(code, text)
		}
	}
}

// parseReply reads a line of the library's; last is false for all but the last
// line of a reply.
func parseReply(line string) (code int, text string, last bool) {
	if len(line) < 4 || line[3] != ' ' {
		return 0, "", false
	}
	code, err := strconv.Atoi(line[:3])
	return code, line[4:], err == nil && code >= 100
}

// Close is the library's own end of the connection.
func (s control) Close() error {
	s.c.close()
	return nil
}

// RemoteAddr is the same for control and data connections, for which ours is
// the check.
func (s control) RemoteAddr() net.Addr { return plainAddr(s.c) }

// LocalAddr is where the client connected to.
func (s control) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(s.c.local) }

// SetDeadline does nothing, and neither do the other two.
func (s control) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (s control) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (s control) SetWriteDeadline(time.Time) error { return nil }

func plainAddr(c *conn) net.Addr {
	return &net.TCPAddr{IP: c.peer.Addr().AsSlice(), Port: int(c.peer.Port())}
}

// only is a listener with one connection, for a library server of its own: its
// settings and call-backs then know whose they are.
type only struct {
	c     *conn
	given atomic.Bool
}

// Accept returns the connection, and when that is over, net.ErrClosed.
func (l *only) Accept() (net.Conn, error) {
	if l.given.CompareAndSwap(false, true) {
		return control{l.c}, nil
	}
	<-l.c.done
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}
}

// Close does nothing: the listener ends with its connection.
func (l *only) Close() error { return nil }

// Addr is where the client connected to.
func (l *only) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.c.local) }
