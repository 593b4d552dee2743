package ftp

import (
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// progress is how many bytes the client has sent, or has taken of a download;
// negative once the socket is closed.
func (d *dataConn) progress() int64 {
	switch info := tcpInfo(d.raw); {
	case info == nil:
		return -1
	case d.t.upload():
		return int64(info.Bytes_received)
	default:
		return int64(info.Bytes_acked)
	}
}

// tcpInfo is what the kernel knows of a connection, nil once it is closed.
func tcpInfo(c syscall.Conn) (info *unix.TCPInfo) {
	sc, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	_ = sc.Control(func(fd uintptr) {
		info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	return info
}

// acknowledge lets the kernel acknowledge at once what comes next. It is a
// wish: where it fails, only time is lost.
func acknowledge(c syscall.Conn) {
	sc, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = sc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}

// established is the kernel's TCP_ESTABLISHED.
const established = 1

// left reports whether the client has closed the control connection, whether or
// not anybody has read so far.
func (c *conn) left() bool {
	raw, ok := c.raw.(syscall.Conn)
	if !ok {
		return false
	}
	info := tcpInfo(raw)
	return info == nil || info.State != established
}

// bare is the socket itself.
func (d *dataConn) bare() io.ReadWriter { return d.raw }

// hush stops a listener of the library's from listening, and leaves it open: the
// library sets deadlines on it, and takes connections from ours.
func hush(l net.Listener) error {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return nil
	}
	sc, err := t.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := sc.Control(func(fd uintptr) { failed = unix.Shutdown(int(fd), unix.SHUT_RDWR) }); err != nil {
		return err
	}
	return failed
}
