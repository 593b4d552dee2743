package keyed

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestOneAtATimeForEachKey(t *testing.T) {
	var m Mutex[string]
	var all sync.WaitGroup
	inside := map[string]*int{"a": new(int), "b": new(int)}
	for range 200 {
		for key, n := range inside {
			all.Go(func() {
				unlock, err := m.Lock(t.Context(), key)
				if err != nil {
					t.Error(err)
					return
				}
				defer unlock()
				*n++ // the race detector sees two at once
			})
		}
	}
	all.Wait()
	if *inside["a"] != 200 || *inside["b"] != 200 {
		t.Errorf("got %d and %d, want 200 of each", *inside["a"], *inside["b"])
	}
	if len(m.doors) != 0 {
		t.Errorf("%d keys are kept that nobody holds", len(m.doors))
	}
}

func TestAnotherKeyPasses(t *testing.T) {
	var m Mutex[int]
	first, err := m.Lock(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := m.Lock(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	first()
	second()
}

// Who gives up waiting leaves the key to its holder, and to who comes next.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Mutex[string]
		unlock, err := m.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := m.Lock(ctx, "a")
			gaveUp <- err
		}()
		synctest.Wait()
		cancel(why)
		if err := <-gaveUp; !errors.Is(err, why) {
			t.Errorf("got %v, want %v", err, why)
		}
		unlock()
		again, err := m.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		again()
		if len(m.doors) != 0 {
			t.Error("the key is kept")
		}
	})
}
