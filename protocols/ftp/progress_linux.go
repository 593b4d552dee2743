package ftp

import (
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// progress is how many bytes the client has sent, or has taken of a download;
// negative once the socket is closed.
func (d *dataConn) progress() int64 {
	sc, err := d.raw.SyscallConn()
	if err != nil {
		return -1
	}
	bytes := int64(-1)
	_ = sc.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		bytes = int64(info.Bytes_acked)
		if d.t.upload() {
			bytes = int64(info.Bytes_received)
		}
	})
	return bytes
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
