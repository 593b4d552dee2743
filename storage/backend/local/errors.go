package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// meanings says what the kernel's numbers mean to those above. EACCES and
// EPERM are fs.ErrPermission as they are.
var meanings = map[syscall.Errno]error{
	unix.ENOENT:       fs.ErrNotExist,
	unix.EEXIST:       fs.ErrExist,
	unix.ELOOP:        backend.ErrLink,
	unix.EISDIR:       backend.ErrIsDir,
	unix.ENOTDIR:      backend.ErrNotDir,
	unix.ENOTEMPTY:    backend.ErrNotEmpty,
	unix.EXDEV:        backend.ErrCrossMount,
	unix.EBUSY:        backend.ErrBusy,
	unix.ENOSPC:       backend.ErrNoSpace,
	unix.EDQUOT:       backend.ErrNoSpace,
	unix.EFBIG:        backend.ErrNoSpace,
	unix.EMLINK:       backend.ErrNoSpace,
	unix.ENXIO:        backend.ErrSpecial,
	unix.ENODEV:       backend.ErrSpecial,
	unix.EOPNOTSUPP:   backend.ErrUnsupported,
	unix.ENOSYS:       backend.ErrUnsupported,
	unix.EINVAL:       fs.ErrInvalid,
	unix.EBADF:        fs.ErrInvalid,
	unix.ENAMETOOLONG: path.ErrTooLong,
	unix.EROFS:        fmt.Errorf("%w: the store is read-only", fs.ErrPermission),
}

// cause translates a kernel's error, out of whatever the os package put
// around it, since that may name paths.
func cause(err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		return meaning(errno)
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	if se := (*os.SyscallError)(nil); errors.As(err, &se) {
		err = se.Err
	}
	errno := syscall.Errno(0)
	if !errors.As(err, &errno) {
		return err
	}
	return meaning(errno)
}

func meaning(errno syscall.Errno) error {
	if m, ok := meanings[errno]; ok {
		return m
	}
	return errno
}

func pathError(op string, p path.Path, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: p.String(), Err: cause(err)}
}

func linkError(op string, from, to path.Path, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: from.String(), New: to.String(), Err: cause(err)}
}
