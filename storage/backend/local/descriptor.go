package local

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A descriptor is one of the kernel's for as long as it is open: closing waits for
// those who use it, since its number may stand for another file right after. An
// os.File costs several times as much, so there is one only where somebody asks.
type descriptor struct {
	mu sync.RWMutex // read-locked by each use
	fd int          // -1 once closed

	making sync.Mutex // guards os
	os     *os.File   // the same descriptor, which it then closes
}

// hold returns the number for use until release; os.ErrClosed where there is none.
func (d *descriptor) hold() (int, error) {
	d.mu.RLock()
	if d.fd < 0 {
		d.mu.RUnlock()
		return -1, os.ErrClosed
	}
	return d.fd, nil
}

func (d *descriptor) release() { d.mu.RUnlock() }

// control runs do while the descriptor is open.
func (d *descriptor) control(do func(fd int) error) error {
	fd, err := d.hold()
	if err != nil {
		return err
	}
	defer d.release()
	return do(fd)
}

// kernels is the descriptor as the standard library knows it, nil once it is closed.
func (d *descriptor) kernels(name string) *os.File {
	fd, err := d.hold()
	if err != nil {
		return nil
	}
	defer d.release()
	d.making.Lock()
	defer d.making.Unlock()
	if d.os == nil {
		d.os = os.NewFile(uintptr(fd), name)
	}
	return d.os
}

func (d *descriptor) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return os.ErrClosed
	}
	fd := d.fd
	d.fd = -1
	if d.os != nil {
		return d.os.Close()
	}
	if err := unix.Close(fd); err != unix.EINTR { // it is closed then, too
		return err
	}
	return nil
}
