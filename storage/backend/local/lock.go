package local

import (
	"errors"

	"golang.org/x/sys/unix"

	"gatehouse/storage/backend"
)

// Lock locks the whole file for this open description (F_OFD_SETLK): NFSv4 passes it
// on to its server, and the kernel ends it with the process.
func (f *file) Lock() (unlock func() error, err error) {
	fd := -1
	err = f.control(func(own int) (err error) {
		fd, err = retry(func() (int, error) { return unix.FcntlInt(uintptr(own), unix.F_DUPFD_CLOEXEC, 0) })
		return err
	})
	if err != nil {
		return nil, pathError("lock", f.path, err)
	}
	if err := setLock(fd, unix.F_WRLCK); err != nil {
		unix.Close(fd)
		return nil, pathError("lock", f.path, err)
	}
	askAnew(fd)
	return func() error {
		err := setLock(fd, unix.F_UNLCK)
		return pathError("unlock", f.path, errors.Join(err, unix.Close(fd)))
	}, nil
}

// askAnew has the kernel forget what it remembers of a file's size, times and links:
// FUSE and NFS keep that for a second or more, and another machine may have written to
// the file until it let go of the lock. What fails here the next call tells.
func askAnew(fd int) {
	var st unix.Statx_t
	_ = again(func() error {
		return unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &st)
	})
}

// setLock sets the lock of an open description, from the first byte to the last there
// can be. It never waits.
func setLock(fd int, kind int16) error {
	err := error(unix.EINTR)
	for err == unix.EINTR {
		err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind})
	}
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		return backend.ErrInUse
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return backend.ErrUnsupported
	}
	return err
}
