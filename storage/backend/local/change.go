package local

import (
	"context"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Mkdir makes one folder.
func (b *Backend) Mkdir(ctx context.Context, p path.Path) error {
	return b.anew(ctx, func() error { return b.mkdir(ctx, p) }, p)
}

func (b *Backend) mkdir(ctx context.Context, p path.Path) error {
	if p.IsRoot() {
		return pathError("mkdir", p, fs.ErrExist)
	}
	dir, name, err := b.parent(ctx, p)
	if err != nil {
		return pathError("mkdir", p, err)
	}
	defer unix.Close(dir)
	first := b.dir
	if b.uid >= 0 || b.gid >= 0 {
		first &= 0o700
	}
	if err := again(func() error { return unix.Mkdirat(dir, name, first) }); err != nil {
		return pathError("mkdir", p, err)
	}
	if err := b.dressFolder(dir, name); err != nil {
		_ = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		return pathError("mkdir", p, err)
	}
	return nil
}

func (b *Backend) dressFolder(dir int, name string) error {
	fd, err := step(dir, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	return dress(fd, &st, b.uid, b.gid, b.dir)
}

// Remove removes a file, link or special file.
func (b *Backend) Remove(ctx context.Context, p path.Path) error {
	return b.anew(ctx, func() error { return pathError("remove", p, b.unlink(ctx, p, 0)) }, p)
}

// RemoveDir removes an empty folder.
func (b *Backend) RemoveDir(ctx context.Context, p path.Path) error {
	err := b.anew(ctx, func() error { return b.unlink(ctx, p, unix.AT_REMOVEDIR) }, p)
	if errors.Is(err, unix.EEXIST) { // as some file systems say it
		err = backend.ErrNotEmpty
	}
	return pathError("rmdir", p, err)
}

func (b *Backend) unlink(ctx context.Context, p path.Path, flags int) error {
	dir, name, err := b.parent(ctx, p)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	err = again(func() error { return unix.Unlinkat(dir, name, flags) })
	if flags == 0 && errors.Is(err, unix.EPERM) && isDir(dir, name) {
		return backend.ErrIsDir // POSIX, where Linux says EISDIR
	}
	return err
}

func isDir(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && kind(&st) == unix.S_IFDIR
}

// Symlink makes a link at p that says target.
func (b *Backend) Symlink(ctx context.Context, target string, p path.Path) error {
	return b.anew(ctx, func() error { return b.symlink(ctx, target, p) }, p)
}

func (b *Backend) symlink(ctx context.Context, target string, p path.Path) error {
	if p.IsRoot() {
		return pathError("symlink", p, fs.ErrExist)
	}
	dir, name, err := b.parent(ctx, p)
	if err != nil {
		return pathError("symlink", p, err)
	}
	defer unix.Close(dir)
	if err := again(func() error { return unix.Symlinkat(target, dir, name) }); err != nil {
		if errors.Is(err, unix.ENOENT) && target == "" {
			err = fs.ErrInvalid
		}
		return pathError("symlink", p, err)
	}
	if b.uid < 0 && b.gid < 0 {
		return nil
	}
	return pathError("symlink", p, unix.Fchownat(dir, name, b.uid, b.gid, unix.AT_SYMLINK_NOFOLLOW))
}

// Link makes a hard link of the regular file from.
func (b *Backend) Link(ctx context.Context, from, to path.Path) error {
	fd, st, err := b.known(ctx, "link", from)
	if err != nil {
		return linkError("link", from, to, err)
	}
	defer unix.Close(fd)
	if kind(st) == unix.S_IFDIR {
		return linkError("link", from, to, backend.ErrIsDir)
	}
	if err := changeable(st); err != nil {
		return linkError("link", from, to, err)
	}
	if to.IsRoot() {
		return linkError("link", from, to, fs.ErrExist)
	}
	dir, name, err := b.parent(ctx, to)
	if err != nil {
		return linkError("link", from, to, err)
	}
	defer unix.Close(dir)
	return linkError("link", from, to, linkOpen(fd, dir, name))
}

// linkOpen links the very file that was looked at. The direct form asks for a
// capability on older kernels, the other one for /proc.
func linkOpen(fd, dir int, name string) error {
	err := again(func() error { return unix.Linkat(fd, "", dir, name, unix.AT_EMPTY_PATH) })
	if err == nil || errors.Is(err, unix.EEXIST) {
		return err
	}
	return again(func() error {
		return unix.Linkat(unix.AT_FDCWD, magic(fd), dir, name, unix.AT_SYMLINK_FOLLOW)
	})
}
