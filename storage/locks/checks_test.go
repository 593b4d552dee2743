package locks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// meddled lets something happen right before a write, and counts the writes.
type meddled struct {
	state.Store
	before func()
	writes int
}

func (m *meddled) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if f := m.before; f != nil {
		m.before = nil
		f()
	}
	m.writes++
	return m.Store.Apply(ctx, b)
}

// Another node locks the same path after this one has looked and before it
// writes: this one has to decide anew.
func TestALockTakenInBetween(t *testing.T) {
	common := memory.New()
	store := &meddled{Store: common}
	mine, theirs := locks.New(store, one), locks.New(common, one)
	var first locks.Lock
	store.before = func() { first = lock(t, theirs, locks.Request{Path: p("/a"), Deep: true, AccountID: "2"}) }
	_, err := mine.Lock(t.Context(), locks.Request{Path: p("/a/b"), AccountID: "1"})
	var locked *locks.LockedError
	if !errors.As(err, &locked) || locked.Lock.Token != first.Token {
		t.Errorf("in the way of the other's: %v", err)
	}
	store.before = func() { lock(t, theirs, locks.Request{Path: p("/x"), AccountID: "2"}) }
	lock(t, mine, locks.Request{Path: p("/y"), AccountID: "1"})
	list, err := mine.List(t.Context(), path.Root)
	if err != nil || len(list) != 3 {
		t.Errorf("locks = %+v, %v", list, err)
	}
}

func TestNothingToDoWritesNothing(t *testing.T) {
	store := &meddled{Store: memory.New()}
	table := locks.New(store, func(q path.Path) string {
		if p("/m").Contains(q) {
			return "/m"
		}
		return "/"
	})
	lock(t, table, locks.Request{Path: p("/a"), AccountID: "1"})
	l := lock(t, table, locks.Request{Path: p("/m/a"), AccountID: "1"})
	store.writes = 0
	if err := table.Moved(t.Context(), p("/b")); err != nil || store.writes != 0 {
		t.Errorf("moving what nobody locked: %d writes, %v", store.writes, err)
	}
	if _, err := table.Break(t.Context(), l.Token); err != nil || store.writes != 1 {
		t.Errorf("breaking one lock: %d writes, %v", store.writes, err)
	}
}

// No path gets into the state that a client could not name again.
func TestLockPathIsBounded(t *testing.T) {
	long := p(strings.Repeat("/a", path.MaxLength/2)).Append(p("/b"))
	table := newTable(t)
	if _, err := table.Lock(t.Context(), locks.Request{Path: long, AccountID: "1"}); !errors.Is(err, path.ErrTooLong) {
		t.Errorf("a path of %d bytes: %v", len(long.String()), err)
	}
}

// Flat locks hold a folder, not what is below: whoever shares them may change
// the whole tree. A change of what is mounted somewhere is none of the folder
// that the mount point stands in.
func TestWhatALockDoesNotHold(t *testing.T) {
	table := newTable(t)
	mine := lock(t, table, locks.Request{Path: p("/s"), Shared: true, AccountID: "1"})
	lock(t, table, locks.Request{Path: p("/s"), Shared: true, AccountID: "2"})
	if err := table.Check(t.Context(), "1", []string{mine.Token}, locks.Touch{Path: p("/s"), Tree: true}); err != nil {
		t.Errorf("a tree below shared flat locks: %v", err)
	}
	mounted := locks.New(memory.New(), func(q path.Path) string {
		if p("/a/m").Contains(q) {
			return "/a/m"
		}
		return "/"
	})
	lock(t, mounted, locks.Request{Path: p("/a"), AccountID: "1"})
	if err := mounted.Check(t.Context(), "2", nil, locks.Touch{Path: p("/a/m")}); err != nil {
		t.Errorf("a mount point's own: %v", err)
	}
}

// What was read is believed until it changes or a lock runs out: time alone
// costs nothing.
func TestTimeAloneCostsNoListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, held := range map[string]bool{"no locks": false, "one for an hour": true} {
			store := &counting{Store: memory.New()}
			if held {
				lock(t, locks.New(store, one), locks.Request{Path: p("/a"), AccountID: "1"})
			} else {
				l := lock(t, locks.New(store, one), locks.Request{Path: p("/a"), AccountID: "1"})
				if err := locks.New(store, one).Unlock(t.Context(), l.Path, "1", l.Token); err != nil {
					t.Fatal(err)
				}
			}
			table := locks.New(store, one)
			store.lists.Store(0)
			for range 10 {
				if _, err := table.Covering(t.Context(), p("/a")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Second)
			}
			if n := store.lists.Load(); n != 1 {
				t.Errorf("%s: %d listings, want one", name, n)
			}
		}
	})
}
