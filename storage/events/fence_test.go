package events

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A run that stood still, while another goes on under its node's name, writes
// nothing into that one's chain when it wakes up; what it has to tell waits, and is
// told where nobody had its name in the end.
func TestWhoMayBeAnotherWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		sealer, err := seal.New(make([]byte, seal.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		var fenced atomic.Bool
		l, err := New(t.Context(), Config{State: store, Node: "n", Sealer: sealer, Fence: func(context.Context) error {
			if fenced.Load() {
				return state.ErrAway
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		record(t, l, Event{Path: "before"})
		fenced.Store(true)
		l.Note(Event{Path: "noted"})
		if err := l.Record(t.Context(), Event{Path: "refused"}); !errors.Is(err, state.ErrAway) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		if list, _, err := l.List(t.Context(), Query{}); err != nil || len(list) != 1 {
			t.Errorf("got %v %v", list, err)
		}
		fenced.Store(false)
		time.Sleep(time.Second)
		if list, _, err := l.List(t.Context(), Query{Path: "noted"}); err != nil || len(list) != 1 {
			t.Errorf("got %v %v", list, err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
