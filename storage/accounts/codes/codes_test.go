package codes

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// Somebody who has watched a code being typed cannot use it again, nor an
// earlier one, on any node.
func TestCodeWorksOnce(t *testing.T) {
	st := memory.New()
	nodes := []*Store{New(st), New(st)}
	use := func(n int, step int64) error { return nodes[n%2].Use(t.Context(), "alice", "first", step) }
	for step := int64(100); step < 110; step++ {
		var won atomic.Int32
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				switch err := use(n, step); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ErrUsed):
					t.Errorf("got %v, want %v", err, ErrUsed)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("the code of step %d worked %d times", step, won.Load())
		}
	}
	for _, step := range []int64{109, 108, 5, 0, -1} {
		if err := use(1, step); !errors.Is(err, ErrUsed) {
			t.Errorf("step %d after 109: got %v, want %v", step, err, ErrUsed)
		}
	}
	if err := nodes[0].Use(t.Context(), "alice", "second", 109); err != nil {
		t.Errorf("a new enrolment: %v", err)
	}
	if err := nodes[0].Use(t.Context(), "bob", "first", 109); err != nil {
		t.Errorf("another account: %v", err)
	}
	if err := New(st).Use(t.Context(), "alice", "first", 109); !errors.Is(err, ErrUsed) {
		t.Errorf("after a restart: got %v, want %v", err, ErrUsed)
	}
}

// What was used is remembered for days, and not for ever; a deleted account
// leaves nothing behind.
func TestUsedCodesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		s := New(st)
		for _, account := range []string{"alice", "bob"} {
			if err := s.Use(t.Context(), account, "first", 7); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(24 * time.Hour)
		if err := s.Use(t.Context(), "alice", "first", 7); !errors.Is(err, ErrUsed) {
			t.Errorf("after a day: got %v, want %v", err, ErrUsed)
		}
		if err := s.Drop(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		left := func() (names []string) {
			for item := range st.Dump(t.Context()) {
				if item.Kind == state.ItemRecord {
					names = append(names, item.Name)
				}
			}
			return names
		}
		if got := left(); len(got) != 1 || got[0] != "alice/first" {
			t.Errorf("there is left %q", got)
		}
		time.Sleep(48 * time.Hour)
		if got := left(); got != nil {
			t.Errorf("for ever there is left %q", got)
		}
	})
}
