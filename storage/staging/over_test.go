package staging_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/staging"
)

// replacing is each way in which something takes the place of a folder at /d, or of a
// file at /x. What is not taken back or dropped is left as kill -9 leaves it.
func replacing(s *site) map[string]func() error {
	return map[string]func() error{
		"a copy of a tree": func() error {
			f, err := s.area.Folder(s.Context(), at("/d"))
			if err == nil {
				_, err = f.Over(s.Context())
			}
			return err
		},
		"a copy of a file": func() error {
			u, err := s.area.Create(s.Context(), at("/d"), backend.How{})
			if err == nil {
				_, err = u.Over(s.Context())
			}
			return err
		},
		"a move of a tree": func() error {
			_, err := s.area.Move(s.Context(), at("/e"), at("/d"))
			return err
		},
		"a move of a file": func() error {
			_, err := s.area.Move(s.Context(), at("/y"), at("/d"))
			return err
		},
		"a move of a tree over a file": func() error {
			_, err := s.area.Move(s.Context(), at("/e"), at("/x"))
			return err
		},
	}
}

func newReplaceable(t *testing.T, wrap func(backend.Backend) backend.Backend) *site {
	s := newSite(t, wrap)
	s.put("/d/in", "replaced")
	s.put("/e/in", "source")
	s.put("/x", "replaced")
	s.put("/y", "source")
	return s
}

// A node is killed right after a replacement was made, before what it replaced is
// removed. Then a user removes the new one. Nothing comes back from the dead when the
// node is buried, or starts again.
func TestWhatWasReplacedStaysReplaced(t *testing.T) {
	for name := range replacing(nil) {
		t.Run(name, func(t *testing.T) {
			s := newReplaceable(t, plain)
			s.must(replacing(s)[name]())
			s.must(os.RemoveAll(s.dir + "/d"))
			s.must(os.RemoveAll(s.dir + "/x"))
			before, _ := contents(t, s.dir)
			s.must(s.other("node-b", "1").Reap(t.Context(), "node-a", "1"))
			s.holds(before)
			s.nothingStaged()
		})
	}
}

// A node is killed in the middle of a replacement, after each of its steps, and others
// use the names before it is buried: nothing that was there is lost.
func TestNothingIsLostToAReplacementThatWasNotMade(t *testing.T) {
	for name := range replacing(nil) {
		t.Run(name, func(t *testing.T) {
			for steps := int64(0); ; steps++ {
				lives := new(mortality)
				s := newReplaceable(t, lives.wrap)
				lives.Store(steps)
				err := replacing(s)[name]()
				lives.Store(1000)
				if err == nil || errors.Is(err, staging.ErrNotDurable) {
					return // it was made
				}
				for _, p := range []string{"/d", "/e", "/x", "/y"} {
					if _, err := os.Lstat(s.dir + p); err != nil {
						s.put(p, "theirs")
					}
				}
				for range 2 {
					s.must(s.other("node-b", fmt.Sprint(steps+1)).Reap(t.Context(), "node-a", "1"))
				}
				seen, _ := contents(t, s.dir)
				found := map[string]int{}
				for _, text := range seen {
					found[text]++
				}
				if found["replaced"] != 2 || found["source"] != 2 {
					t.Errorf("killed after %d steps: %v are left", steps, seen)
				}
			}
		})
	}
}

// A replacement fails because somebody was faster to take the name that was free for a
// moment: all that was there still is.
func TestReplacementThatFails(t *testing.T) {
	for name := range replacing(nil) {
		t.Run(name, func(t *testing.T) {
			s := newReplaceable(t, func(b backend.Backend) backend.Backend { return &quicker{Backend: b} })
			if err := replacing(s)[name](); err == nil {
				t.Fatal("nobody was faster")
			}
			seen, _ := contents(t, s.dir)
			found := map[string]int{}
			for _, text := range seen {
				found[text]++
			}
			if found["replaced"] != 2 || found["source"] != 2 || found["theirs"] != 1 {
				t.Errorf("%v are left", seen)
			}
			s.nothingStaged()
		})
	}
}

// Undo brings back both, and an ended upload replaces nothing.
func TestReplacementTakenBack(t *testing.T) {
	s := newReplaceable(t, plain)
	before, _ := contents(t, s.dir)
	for _, p := range [][2]string{{"/e", "/d"}, {"/y", "/d"}, {"/e", "/x"}} {
		swap, err := s.area.Move(t.Context(), at(p[0]), at(p[1]))
		s.must(err)
		s.must(swap.Undo())
		s.holds(before)
		s.nothingStaged()
	}
	u := s.stage("/d", "")
	u.Discard()
	if _, err := u.Over(t.Context()); !errors.Is(err, staging.ErrClosed) {
		t.Errorf("an upload that was discarded: %v", err)
	}
	f, err := s.area.Folder(t.Context(), at("/d"))
	s.must(err)
	f.Discard()
	if _, err := f.Over(t.Context()); !errors.Is(err, staging.ErrClosed) {
		t.Errorf("a folder that was discarded: %v", err)
	}
	s.holds(before)
}

// Several nodes have died and their state was moved to a gateway that is alone: nobody
// buries them any more, and it clears away what they left, but for its own.
func TestAloneAgain(t *testing.T) {
	s := newSite(t, plain)
	s.put("/d/x", "old")
	for _, node := range []string{"node-b", "node-a-b"} {
		dead := s.other(node, "1")
		s.area = dead
		s.stage("/half", "half")
	}
	_, err := s.area.PutAside(t.Context(), at("/d"))
	s.must(err)
	s.area = s.other("node-c", "1")
	own := s.stage("/own", "own")
	s.area.Alone(t.Context())
	if left := s.area.Left(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	s.must(own.Commit(t.Context(), false))
	s.holds(map[string]string{"/d/x": "old", "/own": "own"})
	s.nothingStaged()
	if left, err := os.ReadDir(s.dir + "/.gatehouse/staging"); err != nil || len(left) != 1 {
		t.Errorf("%d folders are left, %v", len(left), err)
	}
}

// A mortality is the lives of a backend, in changes.
type mortality struct{ atomic.Int64 }

func (l *mortality) wrap(b backend.Backend) backend.Backend {
	l.Store(1000)
	return mortal{b, &l.Int64}
}

// A quicker backend has somebody take a name right after it was put aside.
type quicker struct {
	backend.Backend
	done bool
}

func (q *quicker) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	err := q.Backend.Rename(ctx, from, to, replace)
	if err != nil || q.done || from != at("/d") && from != at("/x") {
		return err
	}
	q.done = true
	f, err := q.Backend.Open(ctx, from, backend.How{Write: true, Create: true})
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("theirs"), 0)
	return errors.Join(err, f.Close())
}
