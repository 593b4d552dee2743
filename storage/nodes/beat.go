package nodes

import (
	"context"
	"errors"
	"time"

	"gatehouse/storage/state"
)

// again is the pause after a beat that failed.
const again = 500 * time.Millisecond

// Held reports whether what this run holds is surely still its own: the latest
// good beat began less than the lease and its margin ago, by the monotonic clock
// and by the wall clock. A process that was stopped, or whose machine slept, sees
// false before anything else. It costs a look at the clock.
func (n *Nodes) Held() bool {
	if n == nil {
		return true
	}
	last := n.last.Load()
	return last != nil && n.now().since(*last) < n.lease-n.lease/beats
}

// Fence is ErrNotHeld while not Held, else nil.
func (n *Nodes) Fence() error {
	if n.Held() {
		return nil
	}
	return ErrNotHeld
}

// Lapsed is closed once others have declared this run dead: it holds nothing any
// more, and never will again.
func (n *Nodes) Lapsed() <-chan struct{} {
	if n == nil {
		return nil
	}
	return n.lapsed
}

// run beats and looks until ctx ends or the run has lapsed.
func (n *Nodes) run(ctx context.Context) {
	wait, failed := n.lease/beats, false
	for {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-n.kick:
			t.Stop()
		case <-t.C:
		}
		err := n.turn(ctx)
		switch {
		case errors.Is(err, errLapsed):
			n.log.Error("this node was not heard of in time and has been declared dead", "node", n.own)
			return
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failed {
				n.log.Warn("the store was not told that this node is there", "node", n.own, "error", err)
			}
			wait, failed = min(again, n.lease/beats), true
		default:
			if failed {
				n.log.Info("the store is told again that this node is there", "node", n.own)
			}
			wait, failed = n.lease/beats, false
		}
	}
}

// errLapsed ends the beats.
var errLapsed = errors.New("declared dead")

// turn is one beat and what follows it.
func (n *Nodes) turn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, n.lease/2)
	defer cancel()
	err := n.beat(ctx)
	if err == nil {
		err = n.look(ctx)
	}
	if err != nil {
		n.doubt()
		return err
	}
	n.declare(ctx)
	n.graves.tell()
	return nil
}

func (n *Nodes) beat(ctx context.Context) error {
	begun := n.now()
	_, err := n.state.Apply(ctx, state.Batch{
		Scope:  scope,
		Checks: []state.Check{{Name: runPrefix + n.own, Revision: n.revision}},
		Puts:   []state.Put{n.beatPut()},
	})
	if errors.Is(err, state.ErrConflict) {
		n.last.Store(nil)
		close(n.lapsed)
		return errLapsed
	}
	if err == nil {
		n.last.Store(&begun)
	}
	return err
}

// beatPut has this node's clock, beside which the store puts its own.
func (n *Nodes) beatPut() state.Put {
	return state.Put{Name: beatPrefix + n.own, Value: []byte(time.Now().UTC().Format(time.RFC3339Nano)), TTL: n.lease}
}
