package nodes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// graves is the work on runs that were declared dead.
type graves struct {
	do    []func(ctx context.Context, node, epoch string) error
	wake  chan struct{}
	tries map[string]try // of the one goroutine that buries
}

// A try is how often a burial has failed, and when it is tried again.
type try struct {
	failed int
	next   time.Time
}

// longestPause is the most between two tries of a burial here.
const longestPause = time.Minute

func newGraves() graves {
	return graves{wake: make(chan struct{}, 1), tries: make(map[string]try)}
}

func (g *graves) tell() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Bury adds what is done for each run that was declared dead, in the order of
// adding, before Start. One node does it at a time. It is done again where it
// fails or is cut short, here or elsewhere, until all has succeeded: what is done
// twice, even at once, must come to the same.
func (n *Nodes) Bury(do func(ctx context.Context, node, epoch string) error) {
	n.graves.do = append(n.graves.do, do)
}

// Start begins to bury the dead, this node's own former runs first.
func (n *Nodes) Start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	stop := n.stop
	n.stop = func() { cancel(); stop() }
	n.graves.tell()
	n.running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-n.lapsed:
				return
			case <-n.graves.wake:
				n.buryAll(ctx)
			}
		}
	})
}

func (n *Nodes) buryAll(ctx context.Context) {
	list := n.unburied()
	maps.DeleteFunc(n.graves.tries, func(holder string, _ try) bool {
		return !slices.ContainsFunc(list, func(m member) bool { return m.holder == holder })
	})
	for _, m := range list {
		t := n.graves.tries[m.holder]
		if m.claimed || ctx.Err() != nil || !n.Held() || time.Now().Before(t.next) {
			continue
		}
		err := n.buryOne(ctx, m)
		if err == nil {
			delete(n.graves.tries, m.holder)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		t.failed++
		t.next = time.Now().Add(min(n.lease/beats<<min(t.failed, 10), longestPause))
		n.graves.tries[m.holder] = t
		n.log.Warn("what a dead node left could not be settled", "node", m.holder, "error", err)
	}
}

// unburied are the dead that are not buried, those of the own node first.
func (n *Nodes) unburied() []member {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []member
	for _, m := range n.known {
		if !m.Dead.IsZero() {
			list = append(list, m)
		}
	}
	mine := func(m member) int {
		if nodeOf(m.holder) == nodeOf(n.own) {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b member) int {
		if c := mine(a) - mine(b); c != 0 {
			return c
		}
		return strings.Compare(a.holder, b.holder)
	})
	return list
}

// buryOne buries a run that nobody else has claimed.
func (n *Nodes) buryOne(ctx context.Context, m member) error {
	c := claim{nodes: n, dead: m}
	if err := c.take(ctx, state.Check{Name: claimPrefix + m.holder}, state.Check{Name: runPrefix + m.holder, Revision: m.revision}); err != nil {
		if errors.Is(err, state.ErrConflict) {
			return nil // another does it, or has done it
		}
		return err
	}
	node, epoch, _ := strings.Cut(m.holder, "/")
	err := c.hold(ctx, func(ctx context.Context) error {
		for _, do := range n.graves.do {
			if err := do(ctx, node, epoch); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		// Another node may see what this one does not.
		end, cancel := n.late(ctx)
		defer cancel()
		return errors.Join(err, c.drop(end))
	}
	if err := c.drop(ctx, runPrefix+m.holder); err != nil {
		return err
	}
	n.log.Info("what a dead node left has been settled", "node", m.holder)
	n.soon()
	return nil
}

// A claim on a dead run, which others leave alone until it expires.
type claim struct {
	nodes    *Nodes
	dead     member
	revision uint64
}

// life is how long a claim is good without being renewed.
func (c *claim) life() time.Duration { return 2 * c.nodes.lease }

func (c *claim) take(ctx context.Context, checks ...state.Check) error {
	n := c.nodes
	r, err := typed.Settle(ctx, n.state, state.Batch{
		Scope: scope, Checks: append(checks, state.Check{Name: runPrefix + n.own, Revision: n.revision}),
		Puts: []state.Put{{Name: claimPrefix + c.dead.holder, Value: []byte(n.own), TTL: c.life()}},
	})
	if err != nil {
		return fmt.Errorf("claim what %s left: %w", c.dead.holder, err)
	}
	c.revision = r.Revision
	return nil
}

// hold works while the claim is renewed; the work's context ends where it is lost.
func (c *claim) hold(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var result error
	go func() {
		defer close(done)
		result = work(ctx)
	}()
	defer cancel(nil)
	taken := c.nodes.now()
	for {
		t := time.NewTimer(c.nodes.lease / 2)
		select {
		case <-done:
			t.Stop()
			return result
		case <-t.C:
		}
		began := c.nodes.now()
		err := c.take(ctx, state.Check{Name: claimPrefix + c.dead.holder, Revision: c.revision})
		switch {
		case err == nil:
			taken = began
		case errors.Is(err, state.ErrConflict), began.since(taken) > c.life()-c.nodes.lease:
			cancel(err)
			<-done
			return errors.Join(err, result)
		}
	}
}

// drop gives the claim up, together with other records of the run; that it was
// lost is no error.
func (c *claim) drop(ctx context.Context, also ...string) error {
	name := claimPrefix + c.dead.holder
	_, err := typed.Settle(ctx, c.nodes.state, state.Batch{
		Scope: scope, Checks: []state.Check{{Name: name, Revision: c.revision}}, Deletes: append(also, name),
	})
	if err != nil && !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("give up the claim on what %s left: %w", c.dead.holder, err)
	}
	return nil
}
