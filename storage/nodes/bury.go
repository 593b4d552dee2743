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
	tries map[string]try     // of the one goroutine that buries, as slow
	slow  map[string]*burial // those that go on without a claim
}

// A burial is what is done for one dead run.
type burial struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error // once done
}

// A try is how often a burial has failed, and when it is tried again.
type try struct {
	failed int
	next   time.Time
}

// longestPause is the most between two tries of a burial here.
const longestPause = time.Minute

// handOn is how many leases a burial has a claim at the most: on a file system that
// hangs it would never end, while others might see the files.
const handOn = 40

// errSlow says that a burial goes on without its claim.
var errSlow = errors.New("it takes too long to keep the others from it")

func newGraves() graves {
	return graves{wake: make(chan struct{}, 1), tries: make(map[string]try), slow: make(map[string]*burial)}
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
	gone := func(holder string) bool {
		return !slices.ContainsFunc(list, func(m member) bool { return m.holder == holder })
	}
	maps.DeleteFunc(n.graves.tries, func(holder string, _ try) bool { return gone(holder) })
	maps.DeleteFunc(n.graves.slow, func(holder string, b *burial) bool { return gone(holder) && b.over() })
	for _, m := range list {
		t := n.graves.tries[m.holder]
		if ctx.Err() != nil || !n.Held() {
			continue
		}
		over := n.overSlow(m.holder)
		if over == nil && (n.graves.slow[m.holder] != nil || m.claimed || time.Now().Before(t.next)) {
			continue
		}
		err := n.buryOne(ctx, m, over)
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

// overSlow returns the burial of a run that went on without a claim and has ended.
func (n *Nodes) overSlow(holder string) *burial {
	b := n.graves.slow[holder]
	if b == nil || !b.over() {
		return nil
	}
	delete(n.graves.slow, holder)
	return b
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

// buryOne buries a run that nobody else has claimed. over is what was done for it
// without a claim, if anything.
func (n *Nodes) buryOne(ctx context.Context, m member, over *burial) error {
	if over != nil {
		if over.err != nil {
			return over.err
		}
		return n.buried(ctx, m)
	}
	c := claim{nodes: n, dead: m}
	if err := c.take(ctx, state.Check{Name: claimPrefix + m.holder}, state.Check{Name: runPrefix + m.holder, Revision: m.revision}); err != nil {
		if errors.Is(err, state.ErrConflict) {
			return nil // another does it, or has done it
		}
		return err
	}
	b := n.begin(ctx, m.holder)
	err := c.hold(ctx, b)
	if !b.over() {
		n.graves.slow[m.holder] = b // what it does here is not begun twice
	}
	if err != nil {
		// Another node may see what this one does not.
		end, cancel := n.late(ctx)
		defer cancel()
		return errors.Join(err, c.drop(end))
	}
	if err := c.drop(ctx, runPrefix+m.holder); err != nil {
		return err
	}
	n.settled(m.holder)
	return nil
}

// begin does what there is to be done for a dead run. It ends with ctx, or with
// cancel, if the file system lets it.
func (n *Nodes) begin(ctx context.Context, holder string) *burial {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &burial{cancel: cancel, done: make(chan struct{})}
	node, epoch, _ := strings.Cut(holder, "/")
	go func() {
		defer n.graves.tell()
		defer close(b.done)
		defer cancel(nil)
		for _, do := range n.graves.do {
			if b.err = do(ctx, node, epoch); b.err != nil {
				return
			}
		}
	}()
	return b
}

func (b *burial) over() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// buried takes a run away for which all was done without a claim. Who has a claim on
// it by now comes to the same.
func (n *Nodes) buried(ctx context.Context, m member) error {
	_, err := typed.Settle(ctx, n.state, state.Batch{
		Scope:   scope,
		Checks:  []state.Check{{Name: runPrefix + n.own, Revision: n.revision}, {Name: runPrefix + m.holder, Revision: m.revision}},
		Deletes: []string{runPrefix + m.holder},
	})
	if errors.Is(err, state.ErrConflict) {
		return nil // another was faster
	}
	if err != nil {
		return fmt.Errorf("say that %s is buried: %w", m.holder, err)
	}
	n.settled(m.holder)
	return nil
}

func (n *Nodes) settled(holder string) {
	n.log.Info("what a dead node left has been settled", "node", holder)
	n.soon()
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

// hold renews the claim until a burial has ended. It returns before that where the
// claim is lost, which the burial is told, or where it takes too long.
func (c *claim) hold(ctx context.Context, b *burial) error {
	began := c.nodes.now()
	taken := began
	for {
		t := time.NewTimer(c.nodes.lease / 2)
		select {
		case <-b.done:
			t.Stop()
			return b.err
		case <-ctx.Done(): // which the burial was told as well
			t.Stop()
			return errors.Join(context.Cause(ctx), b.wait(c.nodes.lease/2))
		case <-t.C:
		}
		now := c.nodes.now()
		if now.atLeast(began) >= handOn*c.nodes.lease {
			return errSlow
		}
		soon, cancel := c.nodes.late(ctx)
		err := c.take(soon, state.Check{Name: claimPrefix + c.dead.holder, Revision: c.revision})
		cancel()
		switch {
		case err == nil:
			taken = now
		case errors.Is(err, state.ErrConflict), now.since(taken) > c.life()-c.nodes.lease:
			b.cancel(err)
			return errors.Join(err, b.wait(c.nodes.lease))
		}
	}
}

// wait waits a while for the end of a burial that was cancelled.
func (b *burial) wait(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-b.done:
		return b.err
	case <-t.C:
		return errSlow
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
