//go:build unix

package buffered

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// receive reads what the kernel has. It waits without a buffer: one is borrowed
// for each try, and given back where there was nothing to read yet.
func (c *Conn) receive() error {
	var n int
	var failed error
	err := c.kernel.Read(func(fd uintptr) (done bool) {
		b := c.pool.Get(limit)
		n, failed = syscall.Read(int(fd), b)
		for errors.Is(failed, syscall.EINTR) {
			n, failed = syscall.Read(int(fd), b)
		}
		if n <= 0 {
			c.pool.Put(b)
			if !errors.Is(failed, syscall.EAGAIN) {
				return true
			}
			c.sendGathered()
			return false
		}
		c.borrowed, c.unread = b, b[:n]
		return true
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: failed}
	case n == 0:
		return io.EOF
	}
	c.received.Add(uint64(n))
	return nil
}
