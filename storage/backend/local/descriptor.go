package local

import (
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A descriptor is one of the kernel's. Its number stays its own until the last of
// those who use it is done, since it may stand for another file right after; closing
// waits for none of them, as a store that hangs may keep them for ever. An os.File
// costs several times as much, so there is one only where somebody asks.
type descriptor struct {
	fd   int
	uses atomic.Int64 // how many use it, and closing once it is closed

	making sync.Mutex // guards os
	os     *os.File   // the same descriptor, which it then closes
}

const closing = 1 << 62

// hold returns the number for use until release; os.ErrClosed where it is closed.
func (d *descriptor) hold() (int, error) {
	for {
		uses := d.uses.Load()
		if uses >= closing {
			return -1, os.ErrClosed
		}
		if d.uses.CompareAndSwap(uses, uses+1) {
			return d.fd, nil
		}
	}
}

func (d *descriptor) release() {
	if d.uses.Add(-1) == closing {
		_ = d.end() // whoever closed it is gone
	}
}

// control runs do while the descriptor is open.
func (d *descriptor) control(do func(fd int) error) error {
	fd, err := d.hold()
	if err != nil {
		return err
	}
	defer d.release()
	return do(fd)
}

// kernels is the descriptor as the standard library knows it, nil once it is closed. It
// waits as is usual: a regular file has no use for O_NONBLOCK, which it may have been
// opened with.
func (d *descriptor) kernels(name string) *os.File {
	fd, err := d.hold()
	if err != nil {
		return nil
	}
	defer d.release()
	d.making.Lock()
	defer d.making.Unlock()
	if d.os == nil {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0); err != nil {
			return nil
		}
		d.os = os.NewFile(uintptr(fd), name)
	}
	return d.os
}

// close ends all further use. While there is one under way nobody hears of an error.
func (d *descriptor) close() error {
	for {
		uses := d.uses.Load()
		if uses >= closing {
			return os.ErrClosed
		}
		if !d.uses.CompareAndSwap(uses, uses+closing) {
			continue
		}
		if uses > 0 {
			return nil
		}
		return d.end()
	}
}

// end gives the number back: nobody uses it, nor will.
func (d *descriptor) end() error {
	if d.os != nil {
		return d.os.Close()
	}
	if err := unix.Close(d.fd); err != unix.EINTR { // it is closed then, too
		return err
	}
	return nil
}
