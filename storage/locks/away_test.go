package locks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// gone is a store that can be away, and is asked so often.
type gone struct {
	state.Store
	err   error
	asked int
}

func (g *gone) ask() error {
	g.asked++
	return g.err
}

func (g *gone) Get(ctx context.Context, scope, name string) (state.Record, error) {
	if err := g.ask(); err != nil {
		return state.Record{}, err
	}
	return g.Store.Get(ctx, scope, name)
}

func (g *gone) Scopes(ctx context.Context, after string, limit int) ([]string, error) {
	if g.err != nil {
		return nil, g.err
	}
	return g.Store.Scopes(ctx, after, limit)
}

// While the store is away who reads is told of the locks as this node last knew them,
// without those that have run out; who changes anything is refused.
func TestViewWhileTheStoreIsAway(t *testing.T) {
	for _, test := range []struct {
		name    string
		shares  bool
		knows   bool // that the store is away
		err     error
		refused bool
	}{
		{"known to be away", true, true, state.ErrAway, false},
		{"found to be away", true, false, state.ErrAway, false},
		{"another error", true, false, errors.New("damaged"), true},
		{"alone", false, false, state.ErrAway, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &gone{Store: memory.New()}
				table := locks.New(store, one)
				knows := false
				if test.shares {
					table.Share(func() bool { return knows })
				}
				lock(t, table, locks.Request{Path: p("/d/a"), AccountID: "ann", Timeout: time.Minute})
				lock(t, table, locks.Request{Path: p("/d/b"), AccountID: "ann", Timeout: time.Hour})
				look := func(want int) {
					t.Helper()
					time.Sleep(time.Millisecond) // what was said before the view counts for nothing
					v := table.View()
					below, err := v.List(t.Context(), p("/d"))
					if (err != nil) != test.refused || err == nil && len(below) != want {
						t.Errorf("below are %v, %v, want %d", below, err, want)
					}
					on, err := v.Covering(t.Context(), path.MustParse("/d/b"))
					if (err != nil) != test.refused || err == nil && len(on) != 1 {
						t.Errorf("on it are %v, %v", on, err)
					}
				}
				store.err, knows, store.asked = test.err, test.knows, 0
				look(2)
				if test.knows && store.asked > 0 {
					t.Errorf("a store that is known to be away was asked %d times", store.asked)
				}
				if err := table.Check(t.Context(), "bert", nil, locks.Touch{Path: p("/d/b")}); !errors.Is(err, test.err) {
					t.Errorf("a change: %v", err)
				}
				time.Sleep(2 * time.Minute)
				look(1)
			})
		})
	}
}
