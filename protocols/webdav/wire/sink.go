package wire

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize is how much one system call moves at most.
const pipeSize = 1 << 20

// A Pipe is what the kernel moves bytes through, from a connection to a file.
type Pipe struct{ r, w int }

// NewPipe makes a pipe that belongs to one body; Close frees it.
func NewPipe() (*Pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	p := &Pipe{fds[0], fds[1]}
	_, _ = unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, pipeSize) // a smaller one serves too
	return p, nil
}

// Close frees the pipe.
func (p *Pipe) Close() { _, _ = unix.Close(p.r), unix.Close(p.w) }

// A sink is where a Read goes in place of its buffer.
type sink struct {
	file   *os.File
	off    int64
	buffer *byte // the first of the buffer that stands for it
	pipe   *Pipe
	used   bool
	err    error // of the file
}

// Into calls read, the Read of a request's body, with b. What read would have
// put into b from the connection itself goes to file at off, moved by the
// kernel; moved says so. What the server had read before is in b as ever. The
// bytes count as read also where the file does not take them: err is why then.
func (c *Conn) Into(p *Pipe, file *os.File, off int64, b []byte, read func([]byte) (int, error)) (n int, moved bool, broken, err error) {
	s := &sink{file: file, off: off, buffer: &b[0], pipe: p}
	c.sink.Store(s)
	n, broken = read(b)
	c.sink.Store(nil)
	return n, s.used, broken, s.err
}

// Read is net.Conn's.
func (c *Conn) Read(b []byte) (int, error) {
	s := c.sink.Load()
	if s == nil || len(b) == 0 || &b[0] != s.buffer {
		return c.stream.Read(b)
	}
	s.used = true
	return s.take(c.stream, len(b))
}

// take moves what has come, at most n bytes, and waits for some.
func (s *sink) take(from stream, n int) (int, error) {
	raw, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	var got int64
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		got, failed = again(func() (int64, error) {
			return unix.Splice(int(fd), nil, s.pipe.w, nil, n, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		})
		return !errors.Is(failed, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, os.NewSyscallError("splice", failed)
	case got == 0:
		return 0, io.EOF
	}
	s.err = s.give(int(got))
	return int(got), nil
}

// give writes n bytes of the pipe. What the file does not take is dropped, so
// that the pipe is empty for the next.
func (s *sink) give(n int) error {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	left := n
	var failed error
	err = raw.Control(func(fd uintptr) {
		for left > 0 && failed == nil {
			var gone int64
			gone, failed = again(func() (int64, error) {
				return unix.Splice(s.pipe.r, nil, int(fd), &s.off, left, unix.SPLICE_F_MOVE)
			})
			if failed == nil && gone == 0 {
				failed = io.ErrUnexpectedEOF
			}
			left -= int(gone)
		}
	})
	if err = errors.Join(err, failed); err == nil {
		return nil
	}
	s.pipe.drop(left)
	return &os.PathError{Op: "splice", Path: s.file.Name(), Err: err}
}

// drop reads n bytes away.
func (p *Pipe) drop(n int) {
	b := make([]byte, 32<<10)
	for n > 0 {
		got, err := unix.Read(p.r, b[:min(n, len(b))])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || got == 0 {
			return
		}
		n -= got
	}
}

// again repeats what a signal has interrupted.
func again(call func() (int64, error)) (int64, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), err
		}
	}
}
