package data

import (
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"gatehouse/protocols/sendfile"
)

// Progress is how many bytes the client has sent, or has taken of a download;
// negative once the socket is closed.
func (c *Conn) Progress() int64 {
	switch info := tcpInfo(c.raw); {
	case info == nil:
		return -1
	case c.how.Upload:
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
func acknowledge(c *net.TCPConn) {
	sc, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = sc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}

// InPlace has what a client sends out of band come where it was sent: the end of
// Telnet's Synch before ABOR or, of some clients, the end of the line itself.
func InPlace(c net.Conn) {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	sc, err := raw.SyscallConn()
	if err != nil {
		return
	}
	_ = sc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
	})
}

// The kernel's TCP_ESTABLISHED and TCP_CLOSE.
const (
	established = 1
	closed      = 7
)

// Left reports whether the client has closed a connection, whether or not
// anybody has read so far. It may still read.
func Left(c net.Conn) bool { return stateOf(c) != established }

// Broken is Left for a connection that nothing can be sent over any more.
func Broken(c net.Conn) bool { return stateOf(c) == closed }

func stateOf(c net.Conn) uint8 {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return established
	}
	if info := tcpInfo(raw); info != nil {
		return info.State
	}
	return closed
}

// bare is the socket itself.
func (c *Conn) bare() io.ReadWriter { return socket{c.raw} }

// socket is sent files by the kernel.
type socket struct{ *net.TCPConn }

// ReadFrom is io.ReaderFrom's.
func (s socket) ReadFrom(src io.Reader) (int64, error) { return sendfile.ReadFrom(s.TCPConn, src) }
