package local

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Stat describes what stands at p itself.
func (b *Backend) Stat(ctx context.Context, p path.Path) (backend.Info, error) {
	fd, st, err := b.known(ctx, "stat", p)
	if err != nil {
		return backend.Info{}, err
	}
	unix.Close(fd)
	return info(p.Base(), st), nil
}

// Readlink reads the link at p; fs.ErrInvalid where it is none.
func (b *Backend) Readlink(ctx context.Context, p path.Path) (string, error) {
	fd, st, err := b.known(ctx, "readlink", p)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if kind(st) != unix.S_IFLNK {
		return "", pathError("readlink", p, fs.ErrInvalid)
	}
	buf := make([]byte, unix.PathMax)
	n, err := retry(func() (int, error) { return unix.Readlinkat(fd, "", buf) })
	if err != nil {
		return "", pathError("readlink", p, err)
	}
	return string(buf[:n]), nil
}

// SetAttr changes what is not nil, on a file or folder. A folder keeps the
// setgid and sticky bits that somebody on the machine gave it.
func (b *Backend) SetAttr(ctx context.Context, p path.Path, a backend.Attr) error {
	if a.Size != nil {
		f, err := b.Open(ctx, p, backend.How{Write: true})
		if err != nil {
			return err
		}
		return errors.Join(f.SetAttr(a), f.Close())
	}
	fd, st, err := b.known(ctx, "setattr", p)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := changeable(st); err != nil {
		return pathError("setattr", p, err)
	}
	return pathError("setattr", p, setAttr(fd, a))
}

// changeable admits files and folders.
func changeable(st *unix.Stat_t) error {
	switch kind(st) {
	case unix.S_IFREG, unix.S_IFDIR:
		return nil
	case unix.S_IFLNK:
		return backend.ErrLink
	}
	return backend.ErrSpecial
}

// setAttr changes all but the size, through any descriptor of a file or folder.
// The owner comes first: changing it may cost bits of the mode.
func setAttr(fd int, a backend.Attr) error {
	if uid, gid := owner(a.UID), owner(a.GID); uid >= 0 || gid >= 0 {
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if a.Mode != nil {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if err := chmod(fd, &st, uint32(a.Mode.Perm())); err != nil {
			return err
		}
	}
	if a.Accessed == nil && a.Modified == nil {
		return nil
	}
	return setTimes(fd, a.Accessed, a.Modified)
}

// chmod works on an O_PATH descriptor too, which fchmod(2) does not. What st
// describes is no link.
func chmod(fd int, st *unix.Stat_t, mode uint32) error {
	if kind(st) == unix.S_IFDIR {
		mode |= st.Mode & (unix.S_ISGID | unix.S_ISVTX)
	}
	err := unix.Fchmodat(fd, "", mode, unix.AT_EMPTY_PATH) // Linux 6.6
	if err == nil {
		return nil
	}
	return unix.Fchmodat(unix.AT_FDCWD, magic(fd), mode, 0)
}

func setTimes(fd int, accessed, modified *time.Time) error {
	times := make([]unix.Timespec, 2)
	for i, t := range []*time.Time{accessed, modified} {
		times[i].Nsec = unix.UTIME_OMIT
		if t == nil {
			continue
		}
		spec, err := unix.TimeToTimespec(*t)
		if err != nil {
			return fs.ErrInvalid
		}
		times[i] = spec
	}
	err := unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH) // Linux 5.8
	if err != unix.EINVAL && err != unix.ENOENT {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, magic(fd), times, 0)
}

// magic names a descriptor where a call takes none: it leads to the very file
// that is open, whatever its name is by now.
func magic(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func info(name string, st *unix.Stat_t) backend.Info {
	return backend.Info{
		Name:     name,
		Size:     st.Size,
		Mode:     mode(st),
		Modified: time.Unix(st.Mtim.Unix()),
		Accessed: time.Unix(st.Atim.Unix()),
		Changed:  time.Unix(st.Ctim.Unix()),
		ID:       backend.FileID{Device: st.Dev, Inode: st.Ino},
		Links:    uint64(st.Nlink),
		UID:      int(st.Uid),
		GID:      int(st.Gid),
	}
}

func mode(st *unix.Stat_t) fs.FileMode {
	m := fs.FileMode(st.Mode & 0o777)
	switch kind(st) {
	case unix.S_IFREG:
		return m
	case unix.S_IFDIR:
		return m | fs.ModeDir
	case unix.S_IFLNK:
		return m | fs.ModeSymlink
	case unix.S_IFIFO:
		return m | fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return m | fs.ModeSocket
	case unix.S_IFCHR:
		return m | fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return m | fs.ModeDevice
	}
	return m | fs.ModeIrregular
}
