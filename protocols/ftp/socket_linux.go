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

// The kernel's TCP_ESTABLISHED and TCP_CLOSE.
const (
	established = 1
	closed      = 7
)

// left reports whether the client has closed the control connection, whether or
// not anybody has read so far. It may still read.
func (c *conn) left() bool { return c.socketState() != established }

// broken is left for a connection that nothing can be sent over any more.
func (c *conn) broken() bool { return c.socketState() == closed }

func (c *conn) socketState() uint8 {
	raw, ok := c.raw.(syscall.Conn)
	if !ok {
		return established
	}
	if info := tcpInfo(raw); info != nil {
		return info.State
	}
	return closed
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
