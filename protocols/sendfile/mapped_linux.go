package sendfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes in bytes.
const (
	least  = 128 << 10 // for less, mapping costs more than it saves
	window = 1 << 20   // is mapped and written at a time: what waits for a slow peer occupies no more
)

// send writes n bytes of a file from its offset on, or up to its end, and moves the
// offset behind them. mapped is false where there is nothing to map from there on.
// Only the kernel touches what is mapped: where a file is cut off or its disk fails
// meanwhile, write answers EFAULT; a program that reads would be killed.
func send(to Conn, file *os.File, n int64) (done int64, mapped bool, err error) {
	from, err := file.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	socket, err := to.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	off, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, false, err
	}
	defer func() {
		if _, failed := file.Seek(off+done, io.SeekStart); err == nil {
			err = failed
		}
	}()
	for mapped = true; ; {
		size, whole, err := sizeOf(from)
		switch {
		case err != nil:
			return done, mapped, err
		case done > 0 && size < off+done: // the last page of a file is zeros behind its end
			return done, mapped, fmt.Errorf("the file was cut off while it was sent: %w", io.ErrUnexpectedEOF)
		case !mapped || done == n:
			return done, mapped, nil
		case size <= off+done: // some files hold more than they say
			return done, false, nil
		case !whole: // tmpfs fills holes with memory that stays, if they are mapped
			return done, false, nil
		}
		var sent int64
		sent, mapped, err = sendWindow(socket, from, off+done, min(n-done, window, size-off-done))
		done += sent
		if err != nil {
			return done, mapped, err
		}
	}
}

// sizeOf tells how long a file is, and whether it occupies that much.
func sizeOf(file syscall.RawConn) (size int64, whole bool, err error) {
	var st unix.Stat_t
	var failed error
	err = file.Control(func(fd uintptr) { failed = unix.Fstat(int(fd), &st) })
	return st.Size, st.Blocks*512 >= st.Size, errors.Join(err, os.NewSyscallError("fstat", failed))
}

// sendWindow writes n bytes from off on. mapped is false where the file does not lend
// itself to it; what was sent was sent.
func sendWindow(socket, file syscall.RawConn, off, n int64) (sent int64, mapped bool, err error) {
	within := off % int64(os.Getpagesize())
	var b []byte
	var refused error
	if err := file.Control(func(fd uintptr) {
		b, refused = unix.Mmap(int(fd), off-within, int(within+n), unix.PROT_READ, unix.MAP_SHARED)
	}); err != nil {
		return 0, true, err
	}
	if refused != nil {
		return 0, false, nil // some file systems, and security modules, allow reading alone
	}
	defer func() { _ = unix.Munmap(b) }()
	if errors.Is(fetch(b), unix.EFAULT) {
		return 0, false, nil
	}
	left := b[within:]
	var failed error
	err = socket.Write(func(fd uintptr) bool {
		for len(left) > 0 {
			n, errno := unix.Write(int(fd), left)
			switch errno {
			case nil:
				left = left[n:]
			case unix.EINTR:
			case unix.EAGAIN:
				return false
			default:
				failed = errno
				return true
			}
		}
		return true
	})
	sent = n - int64(len(left))
	switch {
	case err != nil:
		return sent, true, err
	case failed == unix.EFAULT:
		return sent, false, nil
	}
	return sent, true, os.NewSyscallError("write", failed)
}

// fetch has the pages of b be there; EFAULT where they cannot be. While write itself
// waits for a page it keeps the socket, and whoever asks the socket for anything or
// closes it waits as well. To have pages fetched that are there costs as much as an eighth of
// sending them: files are read from front to back, and so two of them tell of all.
func fetch(b []byte) error {
	page := os.Getpagesize()
	last := (len(b) - 1) / page * page
	if present(b) && present(b[last:]) {
		return nil
	}
	switch err := unix.Madvise(b, unix.MADV_POPULATE_READ); err {
	case unix.EFAULT, unix.EHWPOISON:
		return unix.EFAULT
	}
	return nil // kernels before Linux 5.14 leave it to write
}

// present reports whether the page that b begins with is in memory and was read. Of
// files that are neither the caller's own nor open to its changes the kernel says so anyway.
func present(b []byte) bool {
	var is byte
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), 1, uintptr(unsafe.Pointer(&is)))
	return errno == 0 && is&1 != 0
}
