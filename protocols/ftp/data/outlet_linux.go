package data

import (
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// A client that takes so much within so short a time is given a wide buffer.
const (
	muchTaken = 1 << 20
	shortTime = 10 * time.Millisecond
)

// wide is what the kernel may hold for a fast client. It doubles that, and allows
// no more than net.core.wmem_max.
const wide = 4 << 20

// An outlet is the socket of a download. The kernel's own buffer is enough for any
// link, but over the fastest ones whoever fills it sleeps and wakes again and
// again, which costs more than the bytes. A slow client never has more than the
// kernel thinks right.
type outlet struct {
	*net.TCPConn
	widened bool
}

// ReadFrom is io.ReaderFrom's.
func (o *outlet) ReadFrom(r io.Reader) (int64, error) {
	began := time.Now()
	n, err := o.TCPConn.ReadFrom(r)
	if err == nil && !o.widened && n >= muchTaken && time.Since(began) < shortTime*time.Duration(n/muchTaken) {
		o.widened = true
		widen(o.TCPConn)
	}
	return n, err
}

// widen makes room in the kernel, which may still make more afterwards: what is
// set once is fixed otherwise, and less than it had where wmem_max is low. Kernels
// before 5.14 cannot say so, and keep what they have.
func widen(c *net.TCPConn) {
	sc, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = sc.Control(func(fd uintptr) {
		lock, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BUF_LOCK)
		if err != nil || unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, wide) != nil {
			return
		}
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BUF_LOCK, lock)
	})
}
