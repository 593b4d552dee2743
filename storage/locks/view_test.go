package locks_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// asked counts what is read of single records.
type asked struct {
	state.Store
	gets atomic.Int64
}

func (a *asked) Get(ctx context.Context, scope, name string) (state.Record, error) {
	a.gets.Add(1)
	return a.Store.Get(ctx, scope, name)
}

// One view asks once; the next one sees what another node has locked meanwhile.
func TestViewAsksOnce(t *testing.T) {
	store := &asked{Store: memory.New()}
	mount := func(path.Path) string { return "/" }
	here, there := locks.New(store, mount), locks.New(store.Store, mount)
	lock := func(p string) {
		t.Helper()
		_, err := there.Lock(t.Context(), locks.Request{Path: path.MustParse(p), AccountID: "ann", Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
	}
	lock("/d/a")
	look := func(want int) {
		t.Helper()
		v := here.View()
		before := store.gets.Load()
		for round := range 3 {
			below, err := v.List(t.Context(), path.MustParse("/d"))
			if err != nil || len(below) != want {
				t.Errorf("below are %v, %v, want %d", below, err, want)
			}
			on, err := v.Covering(t.Context(), path.MustParse("/d/a"))
			if err != nil || len(on) != 1 {
				t.Errorf("on it are %v, %v", on, err)
			}
			if round == 0 {
				before = store.gets.Load()
			}
		}
		if n := store.gets.Load() - before; n != 0 {
			t.Errorf("asked %d times more", n)
		}
	}
	look(1)
	lock("/d/b")
	look(2)
}
