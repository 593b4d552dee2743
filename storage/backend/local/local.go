// Package local is a backend over a folder of the machine. It works below one
// open directory, never with a path of the machine, and refuses every symbolic
// link on the way, also one that is put there between two calls. Which links
// may be followed, and where to, is the guard's.
package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// The modes of new files and folders where Options names none.
const (
	DefaultFileMode fs.FileMode = 0o640
	DefaultDirMode  fs.FileMode = 0o750
)

// Options says how new files and folders look on disk. The umask plays no part.
type Options struct {
	// UID and GID own what is made; nil or negative leaves the process's.
	UID, GID *int
	// FileMode and DirMode are permission bits; zero takes the defaults.
	FileMode, DirMode fs.FileMode
	// Resolve says how names are resolved. The zero value suits every kernel.
	Resolve Resolve
}

// Resolve is a way to open a path below the folder without following links.
type Resolve int

// The ways. ByKernel is one openat2(2) call, Linux 5.6 and later; ByName opens
// folder after folder. Automatic takes the first that the kernel lets us use.
const (
	Automatic Resolve = iota
	ByKernel
	ByName
)

// A Backend is one folder of the machine. Safe for concurrent use.
type Backend struct {
	root       descriptor // O_PATH
	byName     bool
	uid, gid   int // -1: leave
	file, dir  uint32
	properties bool
	names      sync.Pool // of *[]byte, for reading folders
}

var _ backend.Backend = (*Backend)(nil)

// Open opens the folder dir, which exists. A link to it is followed: it is the
// administrator's.
func Open(dir string, o Options) (*Backend, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("open the folder %s: %w", dir, cause(err))
	}
	b := &Backend{
		root: descriptor{fd: fd},
		uid:  owner(o.UID),
		gid:  owner(o.GID),
		file: permissions(o.FileMode, DefaultFileMode),
		dir:  permissions(o.DirMode, DefaultDirMode),
	}
	if b.byName, err = b.choose(o.Resolve); err != nil {
		return nil, errors.Join(fmt.Errorf("open the folder %s: %w", dir, err), b.root.close())
	}
	b.properties = b.keepsProperties()
	return b, nil
}

// choose finds out whether the kernel has openat2 and lets us call it:
// sandboxes answer calls unknown to them with ENOSYS or EPERM.
func (b *Backend) choose(r Resolve) (byName bool, err error) {
	if r == ByName {
		return true, nil
	}
	fd, err := b.at(path.Root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err == nil {
		return false, unix.Close(fd)
	}
	if r == Automatic && (errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM)) {
		return true, nil
	}
	return false, err
}

// Capabilities tells what the folder can do.
func (b *Backend) Capabilities() backend.Capabilities {
	return backend.Capabilities{
		RandomWrite:  true,
		AtomicRename: true,
		Symlinks:     true,
		HardLinks:    true,
		Properties:   b.properties,
	}
}

// Close lets the folder go. Open files stay usable.
func (b *Backend) Close() error { return b.root.close() }

// Sync makes the entries of the folder p durable.
func (b *Backend) Sync(ctx context.Context, p path.Path) error {
	fd, err := b.folder(ctx, "sync", p)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return pathError("sync", p, syncFolder(fd))
}

func syncFolder(fd int) error {
	err := again(func() error { return unix.Fsync(fd) })
	if errors.Is(err, unix.EINVAL) {
		return nil // a file system without durable folders
	}
	return err
}

// folder opens the folder p for reading.
func (b *Backend) folder(ctx context.Context, op string, p path.Path) (int, error) {
	if err := ctx.Err(); err != nil {
		return -1, pathError(op, p, err)
	}
	fd, err := b.at(p, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return -1, pathError(op, p, err)
	}
	return fd, nil
}

// Space tells what the file system that holds p has.
func (b *Backend) Space(ctx context.Context, p path.Path) (backend.Space, error) {
	var st unix.Statfs_t
	if err := b.statfs(ctx, p, &st); err != nil {
		return backend.Space{}, err
	}
	unit := st.Frsize
	if unit <= 0 {
		unit = st.Bsize
	}
	s := backend.Space{
		Bytes:     int64(st.Blocks) * unit,
		FreeBytes: int64(st.Bavail) * unit,
		Files:     int64(st.Files),
		FreeFiles: int64(st.Ffree),
	}
	if st.Files == 0 { // btrfs and others have no such limit
		s.Files, s.FreeFiles = -1, -1
	}
	return s, nil
}

func (b *Backend) statfs(ctx context.Context, p path.Path, st *unix.Statfs_t) error {
	ask := func(fd int) error { return again(func() error { return unix.Fstatfs(fd, st) }) }
	if p.IsRoot() { // it is open already
		return pathError("statfs", p, cmp.Or(ctx.Err(), b.root.control(ask)))
	}
	fd, err := b.entry(ctx, "statfs", p)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return pathError("statfs", p, ask(fd))
}

func owner(id *int) int {
	if id == nil || *id < 0 {
		return -1
	}
	return *id
}

func permissions(mode, otherwise fs.FileMode) uint32 {
	if mode.Perm() == 0 {
		mode = otherwise
	}
	return uint32(mode.Perm())
}
