//go:build !linux

package data

import (
	"io"
	"net"
)

// Progress is how many bytes went through the connection's own Read and Write,
// where the system does not tell.
func (c *Conn) Progress() int64 { return c.moved.Load() }

// bare is the socket with its bytes counted.
func (c *Conn) bare() io.ReadWriter { return counted{c} }

type counted struct{ c *Conn }

func (w counted) Read(b []byte) (int, error) {
	n, err := w.c.raw.Read(b)
	w.c.moved.Add(int64(n))
	return n, err
}

func (w counted) Write(b []byte) (int, error) {
	n, err := w.c.raw.Write(b)
	w.c.moved.Add(int64(n))
	return n, err
}

// acknowledge does nothing where the system has no such wish.
func acknowledge(*net.TCPConn) {}

// InPlace does nothing: a byte out of band is lost.
func InPlace(net.Conn) {}

// Left is told by reading alone, where the system does not tell; so is Broken.
func Left(net.Conn) bool { return false }

// Broken is Left for a connection that nothing can be sent over any more.
func Broken(net.Conn) bool { return false }
