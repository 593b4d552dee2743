package guard_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"gatehouse/policy/guard"
	"gatehouse/storage/locks"
	"gatehouse/storage/state"
)

// questions is more than any change here asks whether its node lives.
const questions = 60

// deeds are changes of what lies in /x and /y.
var deeds = map[string]func(u *user) error{
	"an upload over a file":     func(u *user) error { return u.whole("/x/f", "new content", "") },
	"a copy over a file":        func(u *user) error { return u.copyOver("/y/f", "/x/f") },
	"a copy over a folder":      func(u *user) error { return u.copyOver("/y/d", "/x/d") },
	"a rename to another quota": func(u *user) error { return u.renameOver("/y/f", "/x/f") },
	"a folder to another quota": func(u *user) error { return u.renameOver("/y/d", "/x/d") },
	"a rename within a quota":   func(u *user) error { return u.renameOver("/x/d/f", "/x/f") },
	"a file that is removed":    func(u *user) error { return u.Remove(u.w.t.Context(), tp("/x/f")) },
	"a tree that is removed":    func(u *user) error { return u.RemoveAll(u.w.t.Context(), tp("/x/d")) },
	"a link that is made":       func(u *user) error { return u.Link(u.w.t.Context(), tp("/y/f"), tp("/y/g")) },
}

func (u *user) copyOver(from, to string) error {
	return u.Copy(u.w.t.Context(), tp(from), tp(to), guard.CopyHow{Replace: guard.ReplaceAny})
}

func (u *user) renameOver(from, to string) error {
	return u.Rename(u.w.t.Context(), tp(from), tp(to), guard.ReplaceAny)
}

// newDeed is newMoment with something to change.
func newDeed(t *testing.T) (n *twoNodes, here, there *user) {
	n = newTwoNodes(t)
	for _, p := range []string{"/x/f", "/x/d/f", "/x/d/sub/g", "/y/f", "/y/d/f"} {
		n.put("/home/ann"+p, "content of "+p)
	}
	n.link("f", "/home/ann/x/d/link")
	n.limit("/home/ann/x", 5000, 20)
	n.limit("/home/ann/y", 5000, 20)
	return n, n.user("ann"), n.there.user("ann")
}

// questioned answers each question whether the first node lives with what do says of the
// number that it has, until stop: some are asked beside what is done, and outlast it.
func (n *twoNodes) questioned(do func(number int) error) (stop func()) {
	var mu sync.Mutex
	asked, over := 0, false
	n.fence[0] = func() error {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return nil
		}
		asked++
		return do(asked)
	}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
	}
}

// seen is all that stands in the home, by its path.
func (n *twoNodes) seen() map[string]string {
	all, home := make(map[string]string), os.DirFS(n.disk("/home/ann"))
	n.must(fs.WalkDir(home, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		all[p] = d.Type().String()
		if d.Type().IsRegular() {
			b, err := fs.ReadFile(home, p)
			all[p] = string(b)
			return err
		}
		return nil
	}))
	return all
}

// A node is declared dead at any of the moments in which it asks whether it was: from then
// on it changes nothing, for others have taken over what it held. What it did before it
// may take back as a whole.
func TestTheDeadChangeNothingMore(t *testing.T) {
	for name, do := range deeds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at, came := 1, true; came && at < questions; at++ {
				came = false
				n, here, _ := newDeed(t)
				before := n.seen()
				var then map[string]string
				stop := n.questioned(func(number int) error {
					if number < at {
						return nil
					}
					if number == at {
						came, then = true, n.seen()
					}
					return fmt.Errorf("%w: dead", state.ErrAway)
				})
				err := do(here)
				stop()
				if after := n.seen(); came && !maps.Equal(after, then) && !maps.Equal(after, before) {
					t.Errorf("dead since question %d, with %v:\n%v\nbecame\n%v", at, err, then, after)
				}
			}
		})
	}
}

// What a copy or rename takes the place of, or takes away, is locked over another node in
// any of the moments in which it asks whether its own node lives, however long it went on
// before: it is refused, unless it was made already.
func TestLockedAtAnyMoment(t *testing.T) {
	for name, locked := range map[string]string{
		"a copy over a file":        "/x/f",
		"a copy over a folder":      "/x/d/f",
		"a rename to another quota": "/y/f",
		"a rename within a quota":   "/x/f",
		"a folder to another quota": "/x/d/f",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at, came := 1, true; came && at < questions; at++ {
				came = false
				n, here, there := newDeed(t)
				before := n.seen()
				var made bool
				stop := n.questioned(func(number int) error {
					if number == at {
						_, _, err := there.Lock(t.Context(), tp(locked), guard.LockRequest{Timeout: time.Hour})
						came, made = true, err != nil || !maps.Equal(n.seen(), before)
					}
					return nil
				})
				err := deeds[name](here)
				stop()
				if came && !made && (!errors.Is(err, locks.ErrLocked) || !maps.Equal(n.seen(), before)) {
					t.Errorf("locked at question %d: %v, and\n%v\nbecame\n%v", at, err, before, n.seen())
				}
			}
		})
	}
}

// A copy needs no room where what it replaces gives as much. Over another node that is
// emptied meanwhile, and the room given to somebody else: then there is none, whenever
// that was.
func TestRoomThatIsGoneWhenACopyIsDone(t *testing.T) {
	for at, came := 1, true; came && at < questions; at++ {
		came = false
		n, here, there := newDeed(t)
		n.must(here.upload("/x/f", string(make([]byte, 3000))))
		n.must(here.upload("/y/f", string(make([]byte, 3000))))
		stop := n.questioned(func(number int) error {
			if number == at {
				came = true
				f, err := there.Open(t.Context(), tp("/x/f"), guard.Open{Write: true, Truncate: true})
				if err == nil && f.Close() == nil {
					_ = there.upload("/x/fill", string(make([]byte, 4000))) // where there is room for it
				}
			}
			return nil
		})
		err := here.copyOver("/y/f", "/x/f")
		stop()
		if got := n.measure("/home/ann/x"); got.Bytes > 5000 {
			t.Errorf("emptied at question %d: %v, and %d of 5000 bytes are there", at, err, got.Bytes)
		}
	}
}
