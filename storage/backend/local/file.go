package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Open opens a regular file. A FIFO or device never makes it wait.
func (b *Backend) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, pathError("open", p, err)
	}
	flags, err := access(how)
	if err != nil {
		return nil, pathError("open", p, err)
	}
	for try := 1; ; try++ {
		fd, created, err := b.openOrCreate(p, flags, how)
		if err != nil {
			return nil, pathError("open", p, err)
		}
		if err = b.prepare(fd, created, how); err == nil {
			return newFile(fd, p), nil
		}
		if created {
			b.takeBack(p, fd)
		}
		unix.Close(fd)
		// Another machine may have removed it in between.
		if err != unix.ESTALE || try == attempts {
			return nil, pathError("open", p, err)
		}
	}
}

func access(how backend.How) (int, error) {
	changes := how.Create || how.Exclusive || how.Truncate
	if changes && !how.Write || how.Exclusive && !how.Create {
		return 0, fs.ErrInvalid
	}
	common := unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	switch {
	case how.Read && how.Write:
		return common | unix.O_RDWR, nil
	case how.Write:
		return common | unix.O_WRONLY, nil
	case how.Read:
		return common | unix.O_RDONLY, nil
	}
	return 0, fs.ErrInvalid
}

// openOrCreate tells whether it was this call that made the file: only then
// mode and owner are ours to set.
func (b *Backend) openOrCreate(p path.Path, flags int, how backend.How) (fd int, created bool, err error) {
	for try := range attempts {
		if try > attempts/8 { // whoever makes and removes it all the time is in step with this one
			time.Sleep(rand.N(time.Duration(try) * 20 * time.Microsecond))
		}
		if !how.Exclusive {
			fd, err = b.at(p, flags, 0)
			if !how.Create || !errors.Is(err, unix.ENOENT) {
				return fd, false, err
			}
		}
		fd, err = b.at(p, flags&^unix.O_NONBLOCK|unix.O_CREAT|unix.O_EXCL, b.firstMode(how))
		if how.Exclusive || !errors.Is(err, unix.EEXIST) {
			return fd, err == nil, err
		}
	}
	return -1, false, err
}

// firstMode is what a file is made with: never more than it will have, and
// nothing for others while it is still owned by the wrong one.
func (b *Backend) firstMode(how backend.How) uint32 {
	mode := permissions(how.Mode, fs.FileMode(b.file))
	if uid, gid := b.owners(how); uid >= 0 || gid >= 0 {
		return mode&0o700 | 0o600
	}
	return mode | 0o600
}

func (b *Backend) owners(how backend.How) (uid, gid int) {
	uid, gid = b.uid, b.gid
	if how.UID != nil {
		uid = owner(how.UID)
	}
	if how.GID != nil {
		gid = owner(how.GID)
	}
	return uid, gid
}

// prepare makes sure that fd is a regular file, and makes it what was asked for.
func (b *Backend) prepare(fd int, created bool, how backend.How) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch kind(&st) {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return backend.ErrIsDir
	default:
		return backend.ErrSpecial
	}
	if created {
		uid, gid := b.owners(how)
		return dress(fd, &st, uid, gid, permissions(how.Mode, fs.FileMode(b.file)))
	}
	if how.Truncate && st.Size > 0 {
		return again(func() error { return unix.Ftruncate(fd, 0) })
	}
	return nil
}

// dress gives what was just made its owner and mode.
func dress(fd int, st *unix.Stat_t, uid, gid int, mode uint32) error {
	if uid == int(st.Uid) {
		uid = -1
	}
	if gid == int(st.Gid) {
		gid = -1
	}
	if uid >= 0 || gid >= 0 {
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if st.Mode&0o777 == mode {
		return nil
	}
	return chmod(fd, st, mode)
}

// takeBack removes a file that was made but could not be completed, unless
// another one has its name by now.
func (b *Backend) takeBack(p path.Path, fd int) {
	var mine, there unix.Stat_t
	dir, name, err := b.parent(context.Background(), p)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	if unix.Fstat(fd, &mine) != nil || unix.Fstatat(dir, name, &there, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	if mine.Ino == there.Ino && mine.Dev == there.Dev {
		_ = unix.Unlinkat(dir, name, 0)
	}
}

type file struct {
	descriptor
	path path.Path
}

func newFile(fd int, p path.Path) *file {
	return &file{descriptor: descriptor{fd: fd}, path: p}
}

func (f *file) OS() *os.File { return f.kernels(f.path.String()) }

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	fd, err := f.hold()
	if err != nil {
		return 0, pathError("read", f.path, err)
	}
	defer f.release()
	for n < len(p) {
		m, err := unix.Pread(fd, p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, pathError("read", f.path, err)
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// WriteAt says how much was written, also where the store becomes full half way:
// a quota would be wrong by it.
func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	fd, err := f.hold()
	if err != nil {
		return 0, pathError("write", f.path, err)
	}
	defer f.release()
	for n < len(p) {
		m, err := retry(func() (int, error) { return unix.Pwrite(fd, p[n:], off+int64(n)) })
		if err != nil {
			return n, pathError("write", f.path, err)
		}
		n += m
	}
	return n, nil
}

func (f *file) Truncate(size int64) error {
	return pathError("truncate", f.path, f.control(func(fd int) error {
		return again(func() error { return unix.Ftruncate(fd, size) })
	}))
}

func (f *file) Sync() error {
	return pathError("sync", f.path, f.control(func(fd int) error {
		return again(func() error { return unix.Fsync(fd) })
	}))
}

func (f *file) Close() error { return pathError("close", f.path, f.close()) }

func (f *file) Stat() (backend.Info, error) {
	fd, err := f.hold()
	if err != nil {
		return backend.Info{}, pathError("stat", f.path, err)
	}
	defer f.release()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return backend.Info{}, pathError("stat", f.path, err)
	}
	return info(f.path.Base(), &st), nil
}

func (f *file) SetAttr(a backend.Attr) error {
	if a.Size != nil {
		if err := f.Truncate(*a.Size); err != nil {
			return err
		}
	}
	return pathError("setattr", f.path, f.control(func(fd int) error { return setAttr(fd, a) }))
}

func (f *file) Properties() (props map[string][]byte, err error) {
	err = f.control(func(fd int) (err error) {
		props, err = properties(fd)
		return err
	})
	return props, pathError("getproperties", f.path, err)
}

func (f *file) SetProperties(props map[string][]byte) error {
	return pathError("setproperties", f.path, f.control(func(fd int) error {
		return setProperties(fd, props)
	}))
}
