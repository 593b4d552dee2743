package staging_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/staging"
)

var errKilled = errors.New("the process is dead")

// A mortal backend changes its store so many times, then never again: as after
// kill -9 nobody tidies up.
type mortal struct {
	backend.Backend
	lives *atomic.Int64
}

func (m mortal) change(do func() error) error {
	if m.lives.Add(-1) < 0 {
		return errKilled
	}
	return do()
}

func (m mortal) Open(ctx context.Context, p path.Path, how backend.How) (f backend.File, err error) {
	if !how.Write {
		return m.Backend.Open(ctx, p, how)
	}
	err = m.change(func() (err error) { f, err = m.Backend.Open(ctx, p, how); return err })
	return mortalFile{f, m}, err
}

func (m mortal) Mkdir(ctx context.Context, p path.Path) error {
	return m.change(func() error { return m.Backend.Mkdir(ctx, p) })
}

func (m mortal) Remove(ctx context.Context, p path.Path) error {
	return m.change(func() error { return m.Backend.Remove(ctx, p) })
}

func (m mortal) RemoveDir(ctx context.Context, p path.Path) error {
	return m.change(func() error { return m.Backend.RemoveDir(ctx, p) })
}

func (m mortal) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	return m.change(func() error { return m.Backend.Rename(ctx, from, to, replace) })
}

func (m mortal) Sync(ctx context.Context, p path.Path) error {
	return m.change(func() error { return m.Backend.Sync(ctx, p) })
}

type mortalFile struct {
	backend.File
	of mortal
}

func (f mortalFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.of.change(func() (err error) { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

func (f mortalFile) Sync() error { return f.of.change(f.File.Sync) }

// Killed after each change in turn: the tree has the old or the new, whole, and
// nothing else once the node has come up again.
func TestKilledBetweenSteps(t *testing.T) {
	ctx := context.Background()
	upload := func(a *staging.Area, target string) (*staging.Upload, error) {
		u, err := a.Create(ctx, at(target), backend.How{})
		if err != nil {
			return nil, err
		}
		if _, err := u.File.WriteAt([]byte("new"), 0); err != nil {
			u.Discard()
			return nil, err
		}
		return u, nil
	}
	scenarios := map[string]struct {
		do       func(s *site) error
		old, new map[string]string
	}{
		"upload replaces": {
			func(s *site) error {
				u, err := upload(s.area, "/x")
				if err != nil {
					return err
				}
				return u.Commit(ctx, true)
			},
			map[string]string{"/x": "old", "/d/y": "old"}, map[string]string{"/x": "new", "/d/y": "old"},
		},
		"new upload": {
			func(s *site) error {
				u, err := upload(s.area, "/d/new")
				if err != nil {
					return err
				}
				return u.Commit(ctx, false)
			},
			map[string]string{"/x": "old", "/d/y": "old"},
			map[string]string{"/x": "old", "/d/y": "old", "/d/new": "new"},
		},
		"a file replaces a tree": {
			func(s *site) error {
				swap, err := s.area.Move(ctx, at("/x"), at("/d"))
				if err != nil {
					return err
				}
				return swap.Drop()
			},
			map[string]string{"/x": "old", "/d/y": "old"}, map[string]string{"/d": "old"},
		},
		"an upload replaces a tree": {
			func(s *site) error {
				u, err := upload(s.area, "/d")
				if err != nil {
					return err
				}
				drop, err := u.Over(ctx)
				if err != nil {
					return err
				}
				return drop()
			},
			map[string]string{"/x": "old", "/d/y": "old"}, map[string]string{"/x": "old", "/d": "new"},
		},
		"a tree replaces a file": {
			func(s *site) error {
				swap, err := s.area.Move(ctx, at("/d"), at("/x"))
				if err != nil {
					return err
				}
				return swap.Drop()
			},
			map[string]string{"/x": "old", "/d/y": "old"}, map[string]string{"/x/y": "old"},
		},
		"a replacement is taken back": {
			func(s *site) error {
				swap, err := s.area.Move(ctx, at("/d"), at("/x"))
				if err != nil {
					return err
				}
				return swap.Undo()
			},
			map[string]string{"/x/y": "old"}, map[string]string{"/x": "old", "/d/y": "old"},
		},
		"a copied tree replaces a tree": {
			func(s *site) error {
				f, err := s.area.Folder(ctx, at("/d"))
				if err != nil {
					return err
				}
				w, err := f.Backend.Open(ctx, f.Path.Append(at("/z")), backend.How{Write: true, Create: true})
				if err != nil {
					return err
				}
				if err := w.Close(); err != nil {
					return err
				}
				drop, err := f.Over(ctx)
				if err != nil {
					return err
				}
				return drop()
			},
			map[string]string{"/x": "old", "/d/y": "old"}, map[string]string{"/x": "old", "/d/z": ""},
		},
	}
	for name, c := range scenarios {
		t.Run(name, func(t *testing.T) {
			for steps := int64(0); ; steps++ {
				if steps > 100 {
					t.Fatal("it never ends")
				}
				if killedAfter(t, steps, c.do, c.old, c.new) {
					return
				}
			}
		})
	}
}

// killedAfter reports whether the scenario ended before the kill.
func killedAfter(t *testing.T, steps int64, do func(*site) error, before, after map[string]string) bool {
	t.Helper()
	lives := new(atomic.Int64)
	lives.Store(1000)
	s := newSite(t, func(b backend.Backend) backend.Backend { return mortal{b, lives} })
	s.put("/x", "old")
	s.put("/d/y", "old")
	lives.Store(steps)
	err := do(s)
	if err == nil && lives.Load() < 0 {
		t.Errorf("after %d changes: reported success", steps)
	}
	lives.Store(1000)
	s.start("2", 10)
	seen, _ := contents(t, s.dir)
	got := fmt.Sprint(seen)
	if got != fmt.Sprint(before) && got != fmt.Sprint(after) {
		t.Errorf("killed after %d changes: the tree holds %v, want %v or %v", steps, seen, before, after)
	}
	if err == nil && got != fmt.Sprint(after) {
		t.Errorf("after %d changes: reported success, but the tree holds %v", steps, seen)
	}
	s.nothingStaged()
	return err == nil
}
