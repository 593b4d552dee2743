package nodes

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
)

// crash leaves a run in the store that is dead.
func crash(t *testing.T, st state.Store, name string) {
	t.Helper()
	g := prepare(t, st, config(name, "1"))
	if err := g.Abandon(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOneBuries(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		crash(t, st, "dead")
		var times atomic.Int32
		for _, name := range []string{"a", "b", "c", "d"} {
			g := prepare(t, st, config(name, "1"))
			g.Bury(func(context.Context, string, string) error {
				times.Add(1)
				return pause.For(t.Context(), 3*lease) // longer than a claim lives
			})
			g.Start(t.Context())
		}
		after(20 * lease)
		if n := times.Load(); n != 1 {
			t.Errorf("buried %d times", n)
		}
		wantRuns(t, st, "a/1", "b/1", "c/1", "d/1")
	})
}

func TestBurialIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		crash(t, st, "dead")
		g := prepare(t, st, config("a", "1"))
		var times int
		g.Bury(func(context.Context, string, string) error {
			if times++; times < 4 {
				return errors.New("the mount is away")
			}
			return nil
		})
		g.Start(t.Context())
		after(lease)
		if times == 0 || times == 4 {
			t.Errorf("tried %d times in a lease", times)
		}
		wantRuns(t, st, "a/1", "dead/1")
		after(10 * lease)
		if times != 4 {
			t.Errorf("tried %d times, want 4", times)
		}
		wantRuns(t, st, "a/1")
	})
}

// One node cannot see the files of the dead one, another can.
func TestBurialGoesToWhoCan(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		crash(t, st, "dead")
		cannot := prepare(t, st, config("a", "1"))
		cannot.Bury(func(context.Context, string, string) error { return errors.New("the mount is not here") })
		cannot.Start(t.Context())
		after(lease)
		can := start(t, st, config("b", "1"))
		after(4 * lease)
		can.wantBuried("dead/1")
		wantRuns(t, st, "a/1", "b/1")
	})
}

func TestBurierDies(t *testing.T) {
	for name, end := range map[string]func(*gateway){
		"killed":  func(g *gateway) { g.kill() },
		"cut off": func(g *gateway) { g.cut.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, st state.Store) {
				crash(t, st, "dead")
				first := prepare(t, st, config("a", "1"))
				began, ended := make(chan struct{}), make(chan struct{})
				first.Bury(func(ctx context.Context, _, _ string) error {
					close(began)
					<-ctx.Done() // which says that the claim is lost, or the end of all
					close(ended)
					return ctx.Err()
				})
				first.Start(t.Context())
				<-began
				second := start(t, st, config("b", "1"))
				after(0)
				second.wantBuried()
				end(first)
				after(5 * lease)
				<-ended
				second.mu.Lock()
				defer second.mu.Unlock()
				if !slices.Contains(second.buried, "dead/1") {
					t.Errorf("the other has buried %q", second.buried)
				}
			})
		})
	}
}

func TestNobodyBuriesWhoHoldsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		crash(t, st, "dead")
		g := prepare(t, st, config("a", "1"))
		g.last.Store(nil)
		g.Start(t.Context())
		after(0)
		g.wantBuried()
	})
}
