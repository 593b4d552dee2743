package mounted

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
)

// odd is a folder on a file system that is not as it should be.
type odd struct {
	backend.Backend
	space func() error
	lock  func() (func() error, error)
}

func (o odd) Space(ctx context.Context, p path.Path) (backend.Space, error) {
	if o.space != nil {
		return backend.Space{}, o.space()
	}
	return o.Backend.Space(ctx, p)
}

func (o odd) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	f, err := o.Backend.Open(ctx, p, how)
	if err != nil || o.lock == nil {
		return f, err
	}
	return oddFile{f, o.lock}, nil
}

type oddFile struct {
	backend.File
	lock func() (func() error, error)
}

func (f oddFile) Lock() (func() error, error) { return f.lock() }

func folder(t *testing.T, dir string) backend.Backend {
	t.Helper()
	b, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func watch(t *testing.T, b backend.Backend, node string) *Watch {
	t.Helper()
	table, err := mount.New(mount.Mount{Path: path.Root, Backend: b})
	if err != nil {
		t.Fatal(err)
	}
	w := New(t.Context(), table, node)
	t.Cleanup(func() {
		if err := errors.Join(w.Close(), table.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Nodes that share a tree see each other's signs; what is wrong with it is told.
func TestNodesOnOneTree(t *testing.T) {
	granted := func() (func() error, error) { return func() error { return nil }, nil }
	refused := func() (func() error, error) { return nil, backend.ErrUnsupported }
	for name, c := range map[string]struct {
		lock  func() (func() error, error)
		apart bool
		want  error
	}{
		"as it should be":               {},
		"another tree":                  {apart: true, want: ErrElsewhere},
		"locks of this machine alone":   {lock: granted, want: ErrAlone},
		"a file system without locks":   {lock: refused, want: ErrLockless},
		"no locks, and different trees": {lock: refused, apart: true, want: ErrLockless},
	} {
		t.Run(name, func(t *testing.T) {
			dirs := []string{t.TempDir(), t.TempDir()}
			if !c.apart {
				dirs[1] = dirs[0]
			}
			a := watch(t, odd{Backend: folder(t, dirs[0]), lock: c.lock}, "a")
			_ = watch(t, odd{Backend: folder(t, dirs[1]), lock: c.lock}, "b")
			found := a.Compare(t.Context(), []string{"b"})
			if c.want == nil && len(found) == 0 {
				return
			}
			if len(found) != 1 || !errors.Is(found[0], c.want) {
				t.Errorf("found %v, want %v", found, c.want)
			}
		})
	}
}

// A node that has ended, or has begun again, has its sign again at once.
func TestSignComesAgain(t *testing.T) {
	dir := t.TempDir()
	a := watch(t, folder(t, dir), "a")
	for range 2 {
		b := watch(t, folder(t, dir), "b")
		if found := a.Compare(t.Context(), []string{"b"}); len(found) != 0 {
			t.Errorf("found %v", found)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if found := a.Compare(t.Context(), []string{"b"}); len(found) != 1 {
			t.Errorf("after its end: found %v, want that the lock is gone", found)
		}
	}
}

// One gateway alone leaves nothing on its mounts.
func TestAloneLeavesNoSign(t *testing.T) {
	b := folder(t, t.TempDir())
	watch(t, b, "")
	d, err := b.List(t.Context(), path.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if some, _ := d.Next(10); len(some) != 0 {
		t.Errorf("it has left %v", slices.Collect(func(yield func(string) bool) {
			for _, i := range some {
				if !yield(i.Name) {
					return
				}
			}
		}))
	}
}

// A file server that is away makes calls wait for ever: who asks for the mount does not.
func TestMountThatHangs(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		asked := 0
		w := watch(t, odd{Backend: folder(t, dir), space: func() error {
			if asked++; asked > 1 {
				<-hang
			}
			return nil
		}}, "")
		if err := w.Err(); err != nil {
			t.Errorf("a mount that answers: %v", err)
		}
		waitFor(t, lookEvery+patience/2)
		if err := w.Err(); err != nil {
			t.Errorf("before it is too late: %v", err)
		}
		waitFor(t, patience)
		if err := w.Err(); !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), "the mount /") {
			t.Errorf("a mount that hangs: %v", err)
		}
		close(hang)
		waitFor(t, lookEvery)
		if err := w.Err(); err != nil {
			t.Errorf("it answers again: %v", err)
		}
	})
}

// A mount whose server, or whose FUSE daemon, is gone says so.
func TestMountThatIsGone(t *testing.T) {
	gone := error(syscall.ENOTCONN)
	w := watch(t, odd{Backend: folder(t, t.TempDir()), space: func() error { return gone }}, "a")
	if err := w.Err(); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("got %v, want that it is not connected", err)
	}
	if found := w.Compare(t.Context(), []string{"b"}); found != nil {
		t.Errorf("it was compared all the same: %v", found)
	}
}

func waitFor(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
	synctest.Wait()
}
