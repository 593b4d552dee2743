package nodes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// workScope has who does a piece of work that one does at a time, by its name. Such
// a record has no end of its own: it is good for as long as its holder lives, and
// who was declared dead changes nothing any more.
const workScope = "nodes:work"

// How often it is looked whether another is done.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = time.Second
)

// ErrBusy says that another node does it.
var ErrBusy = errors.New("nodes: another node does this now")

// Exclusively does a piece of work that one does at a time, over all nodes: it
// waits until the others are done. Who does it changes things through the fence;
// paused and declared dead, it changes nothing any more when another begins. Alone
// it orders nothing: the caller does that among its own.
func (n *Nodes) Exclusively(ctx context.Context, name string, do func(context.Context) error) error {
	if n == nil {
		return do(ctx)
	}
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		err := n.TryExclusively(ctx, name, do)
		if !errors.Is(err, ErrBusy) {
			return err
		}
		if err := pause.For(ctx, wait); err != nil {
			return fmt.Errorf("wait for another node to be done with %s: %w", name, err)
		}
	}
}

// TryExclusively is Exclusively that does not wait: ErrBusy.
func (n *Nodes) TryExclusively(ctx context.Context, name string, do func(context.Context) error) error {
	if n == nil {
		return do(ctx)
	}
	unlock, ok := n.tryMine(name)
	if !ok {
		return ErrBusy
	}
	defer unlock()
	revision, err := n.takeWork(ctx, name)
	if err != nil {
		return err
	}
	err = do(ctx)
	// Where it cannot be given back now, it is found to be this node's next time.
	end, cancel := n.late(ctx)
	defer cancel()
	_, given := typed.Settle(end, n.state, state.Batch{
		Scope: workScope, Checks: []state.Check{{Name: name, Revision: revision}}, Deletes: []string{name},
	})
	if given != nil {
		n.log.Warn("that work is done was not told to the other nodes", "work", name, "error", given)
	}
	return err
}

// takeWork takes a piece of work that nobody living has. What is this node's own
// was left by a former try.
func (n *Nodes) takeWork(ctx context.Context, name string) (uint64, error) {
	if err := n.Fence(); err != nil {
		return 0, err
	}
	r, err := n.state.Get(ctx, workScope, name)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return 0, fmt.Errorf("look who does %s: %w", name, err)
	}
	if holder := string(r.Value); err == nil && holder != n.own && n.Living(holder) {
		return 0, ErrBusy
	}
	result, err := typed.Settle(ctx, n.state, state.Batch{
		Scope: workScope, Checks: []state.Check{{Name: name, Revision: r.Revision}},
		Puts: []state.Put{{Name: name, Value: []byte(n.own)}},
	})
	if errors.Is(err, state.ErrConflict) {
		return 0, ErrBusy
	}
	if err != nil {
		return 0, fmt.Errorf("take %s on: %w", name, err)
	}
	return result.Revision, nil
}

// tryMine takes a piece of work among those of this process.
func (n *Nodes) tryMine(name string) (unlock func(), ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.works[name] {
		return nil, false
	}
	n.works[name] = true
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.works, name)
	}, true
}
