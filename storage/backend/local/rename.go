package local

import (
	"context"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
)

// Rename moves from to to. A folder replaces nothing, whatever replace says,
// and nothing replaces a folder: that is fs.ErrExist or backend.ErrIsDir.
func (b *Backend) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	if from != to && from.Contains(to) {
		return linkError("rename", from, to, fs.ErrInvalid)
	}
	return b.anew(ctx, func() error {
		m, err := b.move(ctx, from, to, unix.O_PATH)
		if err != nil {
			return linkError("rename", from, to, err)
		}
		defer m.close()
		return linkError("rename", from, to, m.do(replace))
	}, from, to)
}

// RenameSync is Rename and then Sync of the folder that to is in, which is opened
// once for both.
func (b *Backend) RenameSync(ctx context.Context, from, to path.Path, replace bool) (renamed bool, err error) {
	if from != to && from.Contains(to) {
		return false, linkError("rename", from, to, fs.ErrInvalid)
	}
	var late error
	err = b.anew(ctx, func() error {
		m, err := b.move(ctx, from, to, unix.O_RDONLY)
		if err != nil {
			return linkError("rename", from, to, err)
		}
		defer m.close()
		if err := m.do(replace); err != nil {
			return linkError("rename", from, to, err)
		}
		late = syncFolder(m.to)
		return nil
	}, from, to)
	if err != nil {
		return false, err
	}
	return true, pathError("sync", to.Dir(), late)
}

// A move is one entry on its way from one open folder to another.
type move struct {
	from, to   int
	name, into string
}

// move opens the folders of both, that of to for what is done with it.
func (b *Backend) move(ctx context.Context, from, to path.Path, flags int) (*move, error) {
	m := &move{from: -1, to: -1}
	var err error
	if m.from, m.name, err = b.parent(ctx, from); err != nil {
		return nil, err
	}
	if m.to, m.into, err = b.above(ctx, to, flags); err != nil {
		unix.Close(m.from)
		return nil, err
	}
	return m, nil
}

func (m *move) close() {
	unix.Close(m.from)
	unix.Close(m.to)
}

func (m *move) do(replace bool) error {
	if replace {
		return m.replace()
	}
	return m.keep()
}

// replace lets a file take the place of a file.
func (m *move) replace() error {
	var source, target unix.Stat_t
	if err := unix.Fstatat(m.from, m.name, &source, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if kind(&source) == unix.S_IFDIR {
		return m.keep()
	}
	err := unix.Fstatat(m.to, m.into, &target, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && source.Ino == target.Ino && source.Dev == target.Dev && !m.still() {
		// Two links of one file: rename(2) would leave both and report success.
		return again(func() error { return unix.Unlinkat(m.from, m.name, 0) })
	}
	return m.rename(0)
}

// keep moves only where the target's name is free, atomically.
func (m *move) keep() error {
	err := m.rename(unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	// NFS and most of FUSE have no RENAME_NOREPLACE.
	if isDir(m.from, m.name) {
		return m.keepFolder()
	}
	return m.keepFile()
}

// keepFolder claims the name with an empty folder, the one thing that a
// folder may replace.
func (m *move) keepFolder() error {
	if err := again(func() error { return unix.Mkdirat(m.to, m.into, 0o700) }); err != nil {
		return err
	}
	err := m.rename(0)
	if err == nil {
		return nil
	}
	_ = unix.Unlinkat(m.to, m.into, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) {
		return unix.EEXIST // somebody was quicker to use the name
	}
	return err
}

// keepFile gives the file its new name beside the old one, which fails where
// the name is taken, then drops the old one.
func (m *move) keepFile() error {
	if err := again(func() error { return unix.Linkat(m.from, m.name, m.to, m.into, 0) }); err != nil {
		return err
	}
	return again(func() error { return unix.Unlinkat(m.from, m.name, 0) })
}

func (m *move) rename(flags uint) error {
	return again(func() error { return unix.Renameat2(m.from, m.name, m.to, m.into, flags) })
}

// still reports a move of a name onto itself.
func (m *move) still() bool {
	var from, to unix.Stat_t
	if m.name != m.into || unix.Fstat(m.from, &from) != nil || unix.Fstat(m.to, &to) != nil {
		return false
	}
	return from.Ino == to.Ino && from.Dev == to.Dev
}
