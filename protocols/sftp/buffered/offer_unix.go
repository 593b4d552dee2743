//go:build unix

package buffered

import (
	"errors"
	"net"
	"syscall"
)

// offer writes what the kernel takes at once.
func (c *Conn) offer(b []byte) (n int, err error) {
	var failed error
	err = c.kernel.Write(func(fd uintptr) (done bool) {
		n, failed = syscall.Write(int(fd), b)
		for errors.Is(failed, syscall.EINTR) {
			n, failed = syscall.Write(int(fd), b)
		}
		return true
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(failed, syscall.EAGAIN):
		return 0, nil
	case failed != nil:
		return 0, &net.OpError{Op: "write", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: failed}
	}
	return n, nil
}
