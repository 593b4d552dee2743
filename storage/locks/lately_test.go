package locks_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
	"gatehouse/storage/state/memory"
)

// One who changes several things asks once for each mount, and is told of a lock on any
// of them; on a mount point, of one on the folder that holds it too.
func TestCheckAsksOnceForAll(t *testing.T) {
	store := &asked{Store: memory.New()}
	table := locks.New(store, func(q path.Path) string {
		if p("/m").Contains(q) {
			return "/m"
		}
		return "/"
	})
	all := []locks.Touch{{Path: p("/a")}, {Path: p("/c")}, {Path: p("/m/a")}}
	if err := table.Check(t.Context(), "2", nil, all...); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/b", "/m/b"} {
		held := lock(t, table, locks.Request{Path: p(at), AccountID: "1"})
		store.gets.Store(0)
		err := table.Check(t.Context(), "2", nil, append(all, locks.Touch{Path: p(at)})...)
		if !errors.Is(err, locks.ErrLocked) || store.gets.Load() != 2 {
			t.Errorf("%s: %v, asked %d times", at, err, store.gets.Load())
		}
		if err := table.Unlock(t.Context(), p(at), "1", held.Token); err != nil {
			t.Fatal(err)
		}
	}
	lock(t, table, locks.Request{Path: path.Root, AccountID: "1"})
	if err := table.Check(t.Context(), "2", nil, locks.Touch{Path: p("/x")}, locks.Touch{Path: p("/m"), Member: true}); !errors.Is(err, locks.ErrLocked) {
		t.Errorf("a mount point below a folder that is locked: %v", err)
	}
}

// A lock that is changed by what this node knew costs one trip, and is decided anew where
// another node has changed the locks meanwhile.
func TestChangeByWhatIsKnown(t *testing.T) {
	store := &asked{Store: memory.New()}
	here, there := locks.New(store, one), locks.New(store.Store, one)
	l := lock(t, here, locks.Request{Path: p("/a"), AccountID: "1"})
	store.gets.Store(0)
	lock(t, here, locks.Request{Path: p("/b"), AccountID: "1"})
	if n := store.gets.Load(); n != 0 {
		t.Errorf("asked %d times before a lock", n)
	}
	if err := there.Unlock(t.Context(), p("/a"), "1", l.Token); err != nil {
		t.Fatal(err)
	}
	lock(t, here, locks.Request{Path: p("/a"), AccountID: "2"})
	lock(t, there, locks.Request{Path: p("/c"), AccountID: "2"})
	if _, err := here.Lock(t.Context(), locks.Request{Path: p("/c"), AccountID: "1"}); !errors.Is(err, locks.ErrLocked) {
		t.Errorf("what another node has locked: %v", err)
	}
}

// What goes by what was asked a moment ago asks again when that is too old.
func TestLately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		here, there := locks.New(store, one), locks.New(store, one)
		touch := locks.Touch{Path: p("/a")}
		check := func(want error, do func() error) {
			t.Helper()
			if err := do(); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		view := here.View()
		viewed := func() error { return view.Check(t.Context(), time.Second, "1", nil, touch) }
		lately := func() error { return here.CheckLately(t.Context(), time.Second, "1", nil, touch) }
		if here.Asked(time.Second, p("/a")) {
			t.Error("asked before anybody did")
		}
		check(nil, viewed)
		lock(t, there, locks.Request{Path: p("/a"), AccountID: "2"})
		check(nil, viewed)
		check(nil, lately)
		check(nil, func() error { return here.MovedLately(t.Context(), time.Second, p("/a")) })
		if !here.Asked(time.Second, p("/a")) {
			t.Error("not asked a moment ago")
		}
		time.Sleep(time.Second)
		if here.Asked(time.Second, p("/a")) {
			t.Error("asked a moment ago")
		}
		check(locks.ErrLocked, viewed)
		check(locks.ErrLocked, lately)
		check(nil, func() error { return here.MovedLately(t.Context(), time.Second, p("/a")) })
		check(nil, lately)
	})
}
