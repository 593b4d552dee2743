package data

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A wide buffer leaves the kernel free to make it wider: where wmem_max is low the
// socket would else have less than it had, for good.
func TestWidenLeavesTheKernelFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	option := func(name int) (value int) {
		sc, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := sc.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, name) }); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Skipf("the kernel cannot say: %v", err)
		}
		return value
	}
	locked, before := option(unix.SO_BUF_LOCK), option(unix.SO_SNDBUF)
	widen(c.(*net.TCPConn))
	if now := option(unix.SO_BUF_LOCK); now != locked {
		t.Errorf("the buffer is fixed: %d, was %d", now, locked)
	}
	if now := option(unix.SO_SNDBUF); now == before {
		t.Errorf("the buffer is as it was, %d", now)
	}
}
