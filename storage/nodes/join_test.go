package nodes

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/storage/state"
)

func TestNamesOfNodes(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		for _, c := range []Config{{Epoch: "1"}, {Node: "a"}, {Node: "a/b", Epoch: "1"}, {Node: "a", Epoch: "1/2"}, {Node: "a\xff", Epoch: "1"}, {Node: "a\x00", Epoch: "1"}} {
			c.State = st
			if _, err := Open(t.Context(), c); err == nil {
				t.Errorf("%q in %q has joined", c.Node, c.Epoch)
			}
		}
	})
}

func TestRestartAtTheSamePlaceTakesOverAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(lease)
		a.kill()
		began := time.Now()
		next := start(t, st, config("a", "2"))
		after(0)
		if took := time.Since(began); took != 0 {
			t.Errorf("it waited for %v", took)
		}
		next.wantBuried("a/1")
		if next.Living("a/1") {
			t.Error("its former run lives on")
		}
		after(5 * lease)
		b.wantBuried()
		wantRuns(t, st, "a/2", "b/1")
	})
}

// Runs of one name are numbered in the order in which they had it, also where the one
// before has left, or was buried.
func TestEachRunHasAGreaterNumber(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		if n := (*Nodes)(nil).Number(); n != 0 {
			t.Errorf("a gateway alone has the number %d", n)
		}
		start(t, st, config("b", "1"))
		last := uint64(0)
		for _, epoch := range []string{"1", "2", "3", "4"} {
			a := start(t, st, config("a", epoch))
			if a.Number() <= last {
				t.Errorf("run %s has the number %d after %d", epoch, a.Number(), last)
			}
			last = a.Number()
			after(lease)
			if a.Number() != last {
				t.Errorf("the number of run %s became %d, was %d", epoch, a.Number(), last)
			}
			if epoch == "2" {
				if err := a.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				continue
			}
			a.kill()
			after(3 * lease)
		}
	})
}

// A former run of the same place that is there after all must write no more.
func TestTakenOverRunLapses(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		start(t, st, config("a", "2"))
		after(lease / beats)
		if !a.hasLapsed() {
			t.Error("two runs of one node")
		}
	})
}

// A copied data folder would have two gateways write as one.
func TestCopiedDataFolderIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		after(lease)
		copied := config("a", "2")
		copied.State, copied.Place = st, "another machine"
		if _, err := Open(t.Context(), copied); !errors.Is(err, ErrTaken) {
			t.Errorf("got %v, want ErrTaken", err)
		}
		after(lease)
		if a.hasLapsed() || !a.Held() {
			t.Error("the original was taken over from")
		}
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		moved := start(t, st, copied)
		after(lease)
		moved.wantBuried()
	})
}

// A data folder that was copied while the store was away from the original.
func TestCopiedDataFolderIsRefusedWhenTheOriginalComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		after(lease)
		a.cut.Store(true)
		after(3 * lease)
		copied := config("a", "2")
		copied.State, copied.Place = st, "another machine"
		time.AfterFunc(lease/2, func() { a.cut.Store(false) })
		if _, err := Open(t.Context(), copied); !errors.Is(err, ErrTaken) {
			t.Errorf("got %v, want ErrTaken", err)
		}
		if a.hasLapsed() || !a.Held() {
			t.Error("the original was taken over from")
		}
	})
}

func TestMovedDataFolderJoinsAfterALease(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		after(lease)
		a.kill()
		after(3 * lease)
		moved := config("a", "2")
		moved.Place = "another machine"
		began := time.Now()
		next := start(t, st, moved)
		if took := time.Since(began); took < lease || took > 2*lease {
			t.Errorf("it waited for %v", took)
		}
		after(0)
		next.wantBuried("a/1")
	})
}

func TestWaitingToJoinEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		a.kill()
		after(3 * lease)
		moved := config("a", "2")
		moved.State, moved.Place = st, "another machine"
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Open(ctx, moved); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// A process that was declared dead goes on under a new epoch, and its former run
// is buried even where nobody knows of it any more.
func TestLapsedProcessJoinsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(2 * lease)
		a.cut.Store(true)
		after(4 * lease)
		b.wantBuried("a/1")
		a.cut.Store(false)
		after(again)
		a.kill()
		again := config("a", "2")
		again.Former = "1"
		next := start(t, st, again)
		after(0)
		next.wantBuried("a/1")
		after(lease)
		wantRuns(t, st, "a/2", "b/1")
	})
}

// Two processes at one place must not take over from one another in turn.
func TestLapsedProcessGivesWayToItsSuccessor(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		successor := start(t, st, config("a", "2"))
		after(lease / beats)
		a.kill()
		c := config("a", "3")
		c.State, c.Former = st, "1"
		if _, err := Open(t.Context(), c); !errors.Is(err, ErrTaken) {
			t.Errorf("got %v, want ErrTaken", err)
		}
		after(lease)
		if successor.hasLapsed() {
			t.Error("they take over from one another")
		}
	})
}

// A meeting is a store on which something happens just before the next change.
type meeting struct {
	state.Store
	before func()
}

func (m *meeting) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if before := m.before; before != nil {
		m.before = nil
		before()
	}
	return m.Store.Apply(ctx, b)
}

// A data folder and its copy that start at the same moment, as two containers of one
// image do, must not both join under the name.
func TestOneOfTwoJoinsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		late := config("a", "2")
		late.Place = "another machine"
		late.State = &meeting{Store: st, before: func() { start(t, st, config("a", "1")) }}
		if _, err := Open(t.Context(), late); !errors.Is(err, ErrTaken) {
			t.Errorf("got %v, want ErrTaken", err)
		}
		wantRuns(t, st, "a/1")
	})
}
