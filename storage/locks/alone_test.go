package locks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/locks"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// lone is a table that nobody else's changes meet.
func lone(store state.Store) *locks.Table {
	table := locks.New(store, one)
	table.Alone()
	return table
}

// blocked is what a change by another account hears.
func blocked(t *testing.T, table *locks.Table, at string) error {
	t.Helper()
	err := table.Check(t.Context(), "2", nil, locks.Touch{Path: p(at), Member: true})
	if err != nil && !errors.Is(err, locks.ErrLocked) {
		t.Fatal(err)
	}
	return err
}

// Whoever makes all changes itself asks the store once, and knows of each all the same.
func TestAloneAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memory.New()}
		table := lone(store)
		blocked(t, table, "/a")
		gets, lists := store.gets.Load(), store.lists.Load()
		l := lock(t, table, locks.Request{Path: p("/a"), AccountID: "1", Timeout: time.Minute})
		if blocked(t, table, "/a") == nil {
			t.Error("a lock is not heeded")
		}
		if err := table.Unlock(t.Context(), l.Path, "1", l.Token); err != nil {
			t.Fatal(err)
		}
		if err := blocked(t, table, "/a"); err != nil {
			t.Errorf("after it was released: %v", err)
		}
		lock(t, table, locks.Request{Path: p("/a"), AccountID: "1", Timeout: time.Minute})
		if asked := store.gets.Load() - gets + store.lists.Load() - lists; asked != 0 {
			t.Errorf("the store was asked %d times more", asked)
		}
		time.Sleep(time.Minute + 1)
		if err := blocked(t, table, "/a"); err != nil {
			t.Errorf("after it ran out: %v", err)
		}
	})
}

// late makes no batch before it is told to, and no outcome known.
type late struct {
	state.Store
	batches []state.Batch
	on      bool
}

func (s *late) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if !s.on {
		return s.Store.Apply(ctx, b)
	}
	s.batches = append(s.batches, b)
	return state.Result{}, state.ErrUnknown
}

// A lock that its client was told nothing of may stand all the same, from whenever on
// the store made it: what became of it is asked for until a later change has settled it.
func TestAloneDoubtsWhatIsNotKnown(t *testing.T) {
	counted := &counting{Store: memory.New()}
	store := &late{Store: counted}
	table := lone(store)
	blocked(t, table, "/a")
	store.on = true
	if _, err := table.Lock(t.Context(), locks.Request{Path: p("/a"), AccountID: "1"}); !errors.Is(err, state.ErrUnknown) {
		t.Fatalf("got %v", err)
	}
	if err := blocked(t, table, "/a"); err != nil {
		t.Errorf("before it was made: %v", err)
	}
	if _, err := counted.Apply(t.Context(), store.batches[0]); err != nil {
		t.Fatal(err)
	}
	if blocked(t, table, "/a") == nil {
		t.Error("a lock that was made late is not heeded")
	}
	store.on = false
	lock(t, table, locks.Request{Path: p("/b"), AccountID: "1"})
	gets := counted.gets.Load()
	if blocked(t, table, "/a") == nil || blocked(t, table, "/b") == nil {
		t.Error("a lock is not heeded")
	}
	if asked := counted.gets.Load() - gets; asked != 0 {
		t.Errorf("once that is settled the store was asked %d times", asked)
	}
}

// held makes a batch, and says so to nobody before it is let go.
type held struct {
	state.Store
	made, letGo chan struct{}
}

func (s *held) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	r, err := s.Store.Apply(ctx, b)
	s.made <- struct{}{}
	<-s.letGo
	return r, err
}

// What the store has is heeded before the table was told that it has.
func TestAloneDoubtsWhatIsUnderWay(t *testing.T) {
	store := &held{memory.New(), make(chan struct{}), make(chan struct{})}
	table := lone(store)
	blocked(t, table, "/a")
	done := make(chan error, 1)
	go func() { // ends once the store lets go
		_, err := table.Lock(t.Context(), locks.Request{Path: p("/a"), AccountID: "1"})
		done <- err
	}()
	<-store.made
	if blocked(t, table, "/a") == nil {
		t.Error("a lock that was made is not heeded")
	}
	close(store.letGo)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
