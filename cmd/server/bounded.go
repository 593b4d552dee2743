package server

import (
	"io"
	"net"
	"sync"
)

// bounded accepts at most n connections at once; more wait in the kernel.
func bounded(l net.Listener, n int) net.Listener {
	return &boundedListener{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

type boundedListener struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a free slot, then for a connection.
func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	release := sync.OnceFunc(func() { <-l.slots })
	if tcp, ok := c.(tcp); ok {
		return &boundedTCP{tcp: tcp, release: release}, nil
	}
	return &boundedConn{Conn: c, release: release}, nil
}

// Close ends Accept.
func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// tcp is what net/http uses of a TCP connection, through a proxy or not: ReadFrom
// lets the kernel send files.
type tcp interface {
	net.Conn
	io.ReaderFrom
	CloseWrite() error
}

// boundedTCP gives its slot back.
type boundedTCP struct {
	tcp
	release func()
}

// Close closes the connection and frees its slot.
func (c *boundedTCP) Close() error {
	defer c.release()
	return c.tcp.Close()
}

// boundedConn is boundedTCP for other connections.
type boundedConn struct {
	net.Conn
	release func()
}

// Close closes the connection and frees its slot.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
