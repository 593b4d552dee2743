package locks_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// Whatever bytes a name holds, another node sees the lock on the same path.
func TestLocksSurviveARestart(t *testing.T) {
	store := memory.New()
	before := locks.New(store, one)
	r := locks.Request{
		Path: p("/\xff\xfe/Icon\r/<a>"), Deep: true, Shared: true, AccountID: "1", Account: "alice",
		Door: "webdav", Owner: "<D:href>\xe9</D:href>", Timeout: time.Minute,
	}
	want := lock(t, before, r)
	after := locks.New(store, one)
	got, err := after.Covering(t.Context(), p("/\xff\xfe/Icon\r/<a>/below"))
	if err != nil || len(got) != 1 {
		t.Fatalf("after a restart: %+v, %v", got, err)
	}
	if d := got[0].Expires.Sub(want.Expires); d.Abs() > 10*time.Second {
		t.Errorf("expires at %v, was %v", got[0].Expires, want.Expires)
	}
	got[0].Expires = want.Expires
	if got[0] != want {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	if !strings.HasPrefix(want.Token, "urn:uuid:") || len(want.Token) != len("urn:uuid:")+36 {
		t.Errorf("token %q", want.Token)
	}
}

// counting counts what is asked of a store, and can be made to lose replies.
type counting struct {
	state.Store
	gets, lists atomic.Int64
	lose        atomic.Int64
	behind      time.Duration // how far the store's clock is behind this node's
}

func (c *counting) Get(ctx context.Context, scope, name string) (state.Record, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, scope, name)
}

func (c *counting) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	c.lists.Add(1)
	page, err := c.Store.List(ctx, scope, prefix, after, limit)
	for i := range page.Records {
		page.Records[i].Expires = page.Records[i].Expires.Add(-c.behind)
	}
	return page, err
}

func (c *counting) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	result, err := c.Store.Apply(ctx, b)
	if err == nil && c.lose.Add(-1) >= 0 {
		return state.Result{}, state.ErrUnknown
	}
	return result, err
}

func TestCheckCostsOneRead(t *testing.T) {
	store := &counting{Store: memory.New()}
	table := locks.New(store, one)
	check := func() (gets, lists int64) {
		store.gets.Store(0)
		store.lists.Store(0)
		if err := table.Check(t.Context(), "1", nil, locks.Touch{Path: p("/x"), Member: true, Tree: true}); err != nil {
			t.Fatal(err)
		}
		return store.gets.Load(), store.lists.Load()
	}
	check()
	if gets, lists := check(); gets != 1 || lists != 0 {
		t.Errorf("where nobody ever locked: %d reads, %d listings", gets, lists)
	}
	lock(t, table, locks.Request{Path: p("/a"), AccountID: "1"})
	if gets, lists := check(); gets != 1 || lists != 0 {
		t.Errorf("after a lock of this node: %d reads, %d listings", gets, lists)
	}
	lock(t, locks.New(store, one), locks.Request{Path: p("/b"), AccountID: "1"})
	if _, lists := check(); lists != 1 {
		t.Errorf("after a lock of another node: %d listings", lists)
	}
	if gets, lists := check(); gets != 1 || lists != 0 {
		t.Errorf("once that is known: %d reads, %d listings", gets, lists)
	}
}

// A reply that is lost after the write was made must not make a second lock,
// nor refuse the first for its own sake.
func TestALostReplyIsNoSecondLock(t *testing.T) {
	store := &counting{Store: memory.New()}
	table := locks.New(store, one)
	store.lose.Store(1)
	l := lock(t, table, locks.Request{Path: p("/a"), AccountID: "1"})
	list, err := table.List(t.Context(), path.Root)
	if err != nil || len(list) != 1 || list[0].Token != l.Token {
		t.Errorf("got %+v, %v", list, err)
	}
}

// Many lockers on two nodes want a folder deeply, and files in it: whoever wins
// excludes the others, however the writes fall.
func TestOverlappingLockersNeverBothWin(t *testing.T) {
	store := memory.New()
	nodes := []*locks.Table{locks.New(store, one), locks.New(store, one)}
	for range 20 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var won []locks.Lock
		for i := range 16 {
			wg.Go(func() {
				r := locks.Request{Path: p("/a/b"), AccountID: "1"}
				switch i % 4 {
				case 1:
					r.Path, r.Deep = p("/a"), true
				case 2:
					r.Path = p("/a/b/c")
				}
				l, err := nodes[i%2].Lock(t.Context(), r)
				if errors.Is(err, locks.ErrLocked) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				won = append(won, l)
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(won) == 0 {
			t.Fatal("nobody won")
		}
		for i, a := range won {
			for _, b := range won[i+1:] {
				if a.Path == b.Path || a.Deep && a.Path.Contains(b.Path) || b.Deep && b.Path.Contains(a.Path) {
					t.Fatalf("both won: %+v and %+v", a, b)
				}
			}
		}
		for i, l := range won {
			if err := nodes[(i+1)%2].Unlock(t.Context(), l.Path, "1", l.Token); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.ContainsFunc(nodes, func(n *locks.Table) bool {
			list, err := n.List(t.Context(), path.Root)
			return err == nil && len(list) == 0
		}) {
			t.Fatal("locks are left")
		}
	}
}

// Whether a lock has run out the store says, not this node's clock: a lock that
// the store still has holds, and is not asked for over and over.
func TestTheStoresClockCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memory.New(), behind: 2 * time.Hour}
		lock(t, locks.New(store, one), locks.Request{Path: p("/a"), AccountID: "1"})
		table := locks.New(store, one)
		for range 10 {
			if err := table.Check(t.Context(), "2", nil, locks.Touch{Path: p("/a")}); !errors.Is(err, locks.ErrLocked) {
				t.Fatalf("got %v", err)
			}
		}
		if n := store.lists.Load(); n != 2 {
			t.Errorf("%d listings, want one for each table", n)
		}
		time.Sleep(time.Hour)
		for range 10 {
			if err := table.Check(t.Context(), "2", nil, locks.Touch{Path: p("/a")}); err != nil {
				t.Errorf("once the store has dropped it: %v", err)
			}
		}
		if n := store.lists.Load(); n != 3 {
			t.Errorf("%d listings, want one more", n)
		}
	})
}
