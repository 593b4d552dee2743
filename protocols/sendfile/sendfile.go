// Package sendfile moves files to connections within the kernel, and looks at
// none of their bytes.
package sendfile

import (
	"io"
	"net"
	"os"
	"syscall"
)

// A Conn is a connection of the kernel, such as net.TCPConn.
type Conn interface {
	net.Conn
	io.ReaderFrom
	syscall.Conn
}

// ReadFrom is to's own io.ReaderFrom, but for most of an os.File within an
// io.LimitedReader: that is mapped into memory a piece at a time, and written from
// there. The kernel copies it once, into the socket; the system call sendfile
// instead handles each page by itself, and costs half as much again (ADR 14).
// io.ErrUnexpectedEOF where the file was made shorter below what was sent.
func ReadFrom(to Conn, src io.Reader) (int64, error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok || limited.N < least {
		return to.ReadFrom(src)
	}
	file, ok := limited.R.(*os.File)
	if !ok {
		return to.ReadFrom(src)
	}
	n, mapped, err := send(to, file, limited.N)
	limited.N -= n
	if mapped || err != nil {
		return n, err
	}
	rest, err := to.ReadFrom(limited)
	return n + rest, err
}
