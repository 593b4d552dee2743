package local

import (
	"context"
	"errors"
	"runtime"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// attempts bounds how often a call is made again that something else on the
// machine keeps from succeeding.
const attempts = 64

// at opens p below the root. A link anywhere on the way is ELOOP, but for the
// last element with O_PATH|O_NOFOLLOW: that opens the link itself.
func (b *Backend) at(p path.Path, flags int, mode uint32) (fd int, err error) {
	root, err := b.root.hold()
	if err != nil {
		return -1, err
	}
	defer b.root.release()
	if b.byName {
		return walk(root, p, flags, mode)
	}
	return resolve(root, p, flags, mode)
}

func resolve(root int, p path.Path, flags int, mode uint32) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Mode:    uint64(mode),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	return retry(func() (int, error) { return unix.Openat2(root, relative(p), &how) })
}

// walk is resolve for kernels without openat2. Each folder is opened in the
// one before it, so that no name is looked up twice.
func walk(root int, p path.Path, flags int, mode uint32) (int, error) {
	dir, last := root, relative(p)
	defer func() {
		if dir != root {
			unix.Close(dir)
		}
	}()
	if !p.IsRoot() {
		for name := range p.Dir().Names() {
			next, err := step(dir, name)
			if err != nil {
				return -1, err
			}
			if dir != root {
				unix.Close(dir)
			}
			dir = next
		}
		last = p.Base()
	}
	fd, err := retry(func() (int, error) {
		return unix.Openat(dir, last, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	})
	if err == unix.ENOTDIR && isLink(dir, last) {
		return -1, unix.ELOOP // O_DIRECTORY hides that it is a link
	}
	return fd, err
}

// step opens the folder name in dir.
func step(dir int, name string) (int, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case kind(&st) == unix.S_IFLNK:
		err = unix.ELOOP
	case kind(&st) != unix.S_IFDIR:
		err = unix.ENOTDIR
	default:
		return fd, nil
	}
	unix.Close(fd)
	return -1, err
}

func isLink(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && kind(&st) == unix.S_IFLNK
}

func kind(st *unix.Stat_t) uint32 { return st.Mode & unix.S_IFMT }

func relative(p path.Path) string {
	if p.IsRoot() {
		return "."
	}
	return p.String()[1:]
}

// entry opens what stands at p itself, for looking at it.
func (b *Backend) entry(ctx context.Context, op string, p path.Path) (int, error) {
	if err := ctx.Err(); err != nil {
		return -1, pathError(op, p, err)
	}
	fd, err := b.at(p, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, pathError(op, p, err)
	}
	return fd, nil
}

// known is entry with a description of what was opened. What another machine has
// removed or replaced between the two is looked for again.
func (b *Backend) known(ctx context.Context, op string, p path.Path) (fd int, st *unix.Stat_t, err error) {
	err = b.anew(ctx, func() error {
		if fd, err = b.entry(ctx, op, p); err != nil {
			return err
		}
		st = new(unix.Stat_t)
		if err := unix.Fstat(fd, st); err != nil {
			unix.Close(fd)
			return pathError(op, p, err)
		}
		return nil
	}, p)
	if err != nil {
		return -1, nil, err
	}
	return fd, st, nil
}

// anew does something again that met what is there no more (ESTALE): a name that the
// kernel remembers, and another machine has given away meanwhile.
func (b *Backend) anew(ctx context.Context, do func() error, paths ...path.Path) error {
	err := do()
	for try := 1; errors.Is(err, unix.ESTALE) && try < attempts; try++ {
		for _, p := range paths {
			b.forget(ctx, p)
		}
		err = do()
	}
	return err
}

// forget has the kernel ask for each name on the way to p: it does where a name that
// it is to describe turns out to be stale, but not where one is only opened (O_PATH).
func (b *Backend) forget(ctx context.Context, p path.Path) {
	if p.IsRoot() {
		return
	}
	b.forget(ctx, p.Dir())
	dir, name, err := b.parent(ctx, p)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	_ = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
}

// parent opens the folder that holds p. The root has none: backend.ErrBusy.
func (b *Backend) parent(ctx context.Context, p path.Path) (fd int, name string, err error) {
	return b.above(ctx, p, unix.O_PATH)
}

func (b *Backend) above(ctx context.Context, p path.Path, flags int) (fd int, name string, err error) {
	if err := ctx.Err(); err != nil {
		return -1, "", err
	}
	if p.IsRoot() {
		return -1, "", backend.ErrBusy
	}
	fd, err = b.at(p.Dir(), flags|unix.O_DIRECTORY, 0)
	return fd, p.Base(), err
}

// retry makes a call again that a signal or a rename elsewhere interrupted, or that
// met what another machine had just removed or replaced (ESTALE).
func retry(call func() (int, error)) (int, error) {
	for try := 1; ; try++ {
		n, err := call()
		if err == unix.EINTR {
			continue
		}
		if err != unix.EAGAIN && err != unix.ESTALE || try == attempts {
			return n, err
		}
		runtime.Gosched()
	}
}

// again is retry for calls that yield nothing.
func again(call func() error) error {
	_, err := retry(func() (int, error) { return 0, call() })
	return err
}
