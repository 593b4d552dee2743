package presence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Changed says that a session came, went, or is another by now.
func (b *Board) Changed(id string) {
	if b == nil {
		return
	}
	b.add(id)
	b.wake()
}

func (b *Board) add(ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.dirty[id] = true
	}
}

func (b *Board) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := slices.Collect(maps.Keys(b.dirty))
	clear(b.dirty)
	return ids
}

// Publish tells of this node's sessions until ctx ends, and then that they are gone.
func (b *Board) Publish(ctx context.Context) {
	next := time.Now().Add(Refresh)
	failed := false
	every(ctx, Refresh, b.woken, func() {
		if pause.For(ctx, publishAfter) != nil {
			return
		}
		if !time.Now().Before(next) {
			next = time.Now().Add(Refresh)
			b.markActive()
			_ = b.compare(ctx) // else with the next
		}
		err := b.publishAll(ctx)
		if err != nil && ctx.Err() == nil {
			if !failed {
				b.log.Warn("the other nodes could not be told of the open sessions", "error", err)
			}
			_ = pause.For(ctx, publishAgain)
			b.wake()
		}
		failed = err != nil
	})
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	b.failed = b.publishAll(end)
}

// Untold says that what this node told of its sessions could not be taken back: its
// run must be buried. publish has ended.
func (b *Board) Untold() error {
	if b == nil || b.failed == nil {
		return nil
	}
	select {
	case <-b.nodes.Lapsed():
		return nil // it is being buried
	default:
	}
	return fmt.Errorf("%w: %w", ErrUntold, b.failed)
}

// markActive has told anew who was active since it was told last.
func (b *Board) markActive() {
	for id, active := range b.sessions.Active() {
		if !active.Equal(b.published[id]) {
			b.add(id)
		}
	}
}

// compare has told anew what the store does not know as it was told: one that has
// lost changes has forgotten who came, and knows who has left.
func (b *Board) compare(ctx context.Context) error {
	found := make(map[string]bool)
	err := typed.All(ctx, b.state, Scope, b.nodes.Holder()+"/", func(r state.Record) error {
		_, id, _ := cutID(r.Name)
		found[id] = true
		if _, told := b.published[id]; !told {
			b.published[id] = time.Time{}
			b.add(id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id := range b.published {
		if !found[id] {
			b.add(id)
		}
	}
	return nil
}

// publishAll tells what has changed. What could not be told is told again.
func (b *Board) publishAll(ctx context.Context) error {
	ids := b.take()
	for len(ids) > 0 {
		n := min(len(ids), publishAtOnce)
		if err := b.publishSome(ctx, ids[:n]); err != nil {
			b.add(ids...)
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (b *Board) publishSome(ctx context.Context, ids []string) error {
	if err := b.nodes.Fence(); err != nil {
		return err
	}
	batch := state.Batch{Scope: Scope}
	told := make(map[string]time.Time)
	for _, id := range ids {
		name := b.nodes.Holder() + "/" + id
		d, open := b.sessions.Describe(id)
		if !open {
			if _, known := b.published[id]; known {
				batch.Deletes = append(batch.Deletes, name)
			}
			continue
		}
		p, err := typed.Put(name, d)
		if err != nil {
			return fmt.Errorf("describe a session: %w", err)
		}
		told[id] = d.LastActive
		batch.Puts = append(batch.Puts, p)
	}
	if len(batch.Puts)+len(batch.Deletes) == 0 {
		return nil
	}
	// Where the outcome is not known the records may be there.
	maps.Copy(b.published, told)
	if _, err := typed.Settle(ctx, b.state, batch); err != nil {
		return err
	}
	for _, id := range ids {
		if _, open := told[id]; !open {
			delete(b.published, id)
		}
	}
	return nil
}

// Bury takes away what a run of a node told that died.
func (b *Board) Bury(ctx context.Context, holder string) error {
	for {
		page, err := b.state.List(ctx, Scope, holder+"/", "", publishAtOnce)
		if err != nil {
			return fmt.Errorf("look for the sessions of %s: %w", holder, err)
		}
		if len(page.Records) == 0 {
			return nil
		}
		batch := state.Batch{Scope: Scope}
		for _, r := range page.Records {
			batch.Deletes = append(batch.Deletes, r.Name)
		}
		if _, err := typed.Settle(ctx, b.state, batch); err != nil {
			return fmt.Errorf("take away the sessions of %s: %w", holder, err)
		}
	}
}

// wake has changes told soon.
func (b *Board) wake() {
	select {
	case b.woken <- struct{}{}:
	default:
	}
}
