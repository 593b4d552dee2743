//go:build !linux

package ftp

import (
	"io"
	"net"
)

// progress is how many bytes went through the connection's own Read and Write,
// where the system does not tell.
func (d *dataConn) progress() int64 { return d.moved.Load() }

// bare is the socket with its bytes counted.
func (d *dataConn) bare() io.ReadWriter { return counted{d} }

type counted struct{ d *dataConn }

func (c counted) Read(b []byte) (int, error) {
	n, err := c.d.raw.Read(b)
	c.d.moved.Add(int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.d.raw.Write(b)
	c.d.moved.Add(int64(n))
	return n, err
}

// acknowledge does nothing where the system has no such wish.
func acknowledge(*net.TCPConn) {}

// left is told by reading alone, where the system does not tell; so is broken.
func (c *conn) left() bool { return false }

func (c *conn) broken() bool { return false }

// hush does nothing: the library's listener is closed with its transfer.
func hush(net.Listener) error { return nil }
