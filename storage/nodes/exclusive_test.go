package nodes

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/storage/state"
)

func TestExclusively(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		all := []*gateway{start(t, st, config("a", "1")), start(t, st, config("b", "1")), start(t, st, config("c", "1"))}
		var inside, done atomic.Int32
		for i := range 12 {
			go func() {
				err := all[i%3].Exclusively(t.Context(), "the work", func(context.Context) error {
					if inside.Add(1) > 1 {
						t.Error("two do it at once")
					}
					time.Sleep(time.Second)
					inside.Add(-1)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				done.Add(1)
			}()
		}
		after(30 * time.Second)
		if n := done.Load(); n != 12 {
			t.Errorf("%d of 12 are done", n)
		}
	})
}

func TestExclusivelyOfTheDeadIsTakenOver(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(2 * lease)
		stuck := make(chan struct{})
		go func() {
			_ = a.Exclusively(t.Context(), "the work", func(context.Context) error {
				<-stuck
				if a.Held() {
					t.Error("who was taken over from would go on changing things")
				}
				return nil
			})
		}()
		after(time.Second)
		if err := b.TryExclusively(t.Context(), "the work", func(context.Context) error { return nil }); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		a.cut.Store(true)
		err := b.Exclusively(t.Context(), "the work", func(context.Context) error {
			close(stuck)
			after(0)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestExclusivelyGoesOnAfterItCouldNotBeGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		if err := a.Exclusively(t.Context(), "the work", func(context.Context) error {
			a.cut.Store(true)
			return nil
		}); err != nil {
			t.Error(err)
		}
		a.cut.Store(false)
		again := false
		if err := a.TryExclusively(t.Context(), "the work", func(context.Context) error {
			again = true
			return nil
		}); err != nil || !again {
			t.Errorf("got %v, done: %v", err, again)
		}
	})
}

func TestExclusivelyNeedsTheLease(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		a.last.Store(nil)
		if err := a.Exclusively(t.Context(), "the work", func(context.Context) error {
			t.Error("it is done by who holds nothing")
			return nil
		}); !errors.Is(err, ErrNotHeld) {
			t.Errorf("got %v, want ErrNotHeld", err)
		}
		var alone *Nodes
		if err := alone.TryExclusively(t.Context(), "the work", func(context.Context) error { return errors.New("done") }); err == nil {
			t.Error("alone it is not done")
		}
	})
}
