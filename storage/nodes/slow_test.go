package nodes

import (
	"context"
	"sync/atomic"
	"testing"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
)

// A node that buries on a mount that hangs does not keep the others from it for ever,
// buries others meanwhile, and can be stopped.
func TestABurialThatHangsIsHandedOn(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		crash(t, st, "dead")
		hangs := make(chan struct{})
		defer close(hangs)
		var times atomic.Int32
		stuck := prepare(t, st, config("a", "1"))
		stuck.Bury(func(_ context.Context, node, _ string) error {
			if node == "dead" {
				times.Add(1)
				<-hangs // whatever it is told
			}
			return nil
		})
		stuck.Start(t.Context())
		after(lease)
		other := start(t, st, config("b", "1"))
		after(handOn / 2 * lease)
		other.wantBuried()
		wantRuns(t, st, "a/1", "b/1", "dead/1")
		after(handOn * lease)
		other.wantBuried("dead/1")
		wantRuns(t, st, "a/1", "b/1")
		other.kill()
		crash(t, st, "second")
		after(4 * lease)
		wantRuns(t, st, "a/1") // b, which was killed, and the second
		if n := times.Load(); n != 1 {
			t.Errorf("it was begun %d times where it hangs", n)
		}
		if err := stuck.Close(t.Context()); err != nil {
			t.Errorf("it cannot be stopped: %v", err)
		}
	})
}

// Work that only takes long is not thrown away, though others may begin it by then.
func TestABurialThatTakesLongIsDoneOnce(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		crash(t, st, "dead")
		var times atomic.Int32
		g := prepare(t, st, config("a", "1"))
		g.Bury(func(ctx context.Context, _, _ string) error {
			times.Add(1)
			return pause.For(ctx, 2*handOn*lease)
		})
		g.Start(t.Context())
		after((handOn + 5) * lease)
		wantRuns(t, st, "a/1", "dead/1")
		after(handOn * lease)
		wantRuns(t, st, "a/1")
		if n := times.Load(); n != 1 {
			t.Errorf("it was begun %d times", n)
		}
	})
}
