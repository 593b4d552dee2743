package protocoltest

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/state"
)

// A ground is what a world stands on.
type ground struct {
	mounts []string // further mounts
	nodes  Nodes
	// small is how many bytes the disk has; 0 is that of the machine. It needs root.
	small int64
	// unsteady is a ground that breaks when it is told to.
	unsteady bool
	// sync, where not empty, is what the mount promises at a loss of power, which
	// may come at any moment.
	sync string
}

// isRoot reports whether this process may mount a disk.
func isRoot(Door) bool { return os.Getuid() == 0 }

// shrink makes a folder a small disk of its own.
func (g ground) shrink(t testing.TB, dir string) error {
	if g.small == 0 {
		return nil
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", g.small)); err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("the small disk: %v", err)
		}
	})
	return nil
}

// A fault is what calls end with while there is one.
type fault struct{ now atomic.Pointer[error] }

func (f *fault) begin(err error) { f.now.Store(&err) }
func (f *fault) end()            { f.now.Store(nil) }

func (f *fault) err() error {
	if err := f.now.Load(); err != nil {
		return *err
	}
	return nil
}

// unsteadyState keeps nothing while there is a fault.
type unsteadyState struct {
	state.Store
	fault *fault
}

func (s *unsteadyState) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if err := s.fault.err(); err != nil {
		return state.Result{}, err
	}
	return s.Store.Apply(ctx, b)
}

func (s *unsteadyState) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if err := s.fault.err(); err != nil {
		return state.CounterValue{}, err
	}
	return s.Store.Count(ctx, scope, op)
}

// unsteadyDisk takes no bytes and puts nothing in place while there is a fault.
type unsteadyDisk struct {
	backend.Backend
	fault *fault
}

func (d *unsteadyDisk) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	f, err := d.Backend.Open(ctx, p, how)
	if err != nil {
		return nil, err
	}
	return &unsteadyFile{f, d.fault}, nil
}

func (d *unsteadyDisk) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	if err := d.fault.err(); err != nil {
		return err
	}
	return d.Backend.Rename(ctx, from, to, replace)
}

type unsteadyFile struct {
	backend.File
	fault *fault
}

// OS is nothing: what goes through the kernel never breaks.
func (f *unsteadyFile) OS() *os.File { return nil }

// Lock is the disk's.
func (f *unsteadyFile) Lock() (unlock func() error, err error) { return f.File.(backend.Locker).Lock() }

func (f *unsteadyFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.fault.err(); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], off)
		return n, err
	}
	return f.File.WriteAt(b, off)
}
