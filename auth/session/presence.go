package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// presenceScope has a Description of each open session by NODE/EPOCH/ID, for who
// asks on other nodes. It is some 100 ms behind, and in no login's way. What a node
// left that died is taken away when it is buried, and not believed until then.
const (
	presenceScope = "sessions"
	publishAfter  = 100 * time.Millisecond
	refresh       = 30 * time.Second // of when a session was last active
	publishAgain  = time.Second
	publishAtOnce = 200
)

// presence is what this node has to tell of its sessions.
type presence struct {
	woken chan struct{}
	// published is when each session was last active, as it was told. It is the one
	// publisher's.
	published map[string]time.Time
	failed    error // of the last time

	mu    sync.Mutex // guards dirty
	dirty map[string]bool
}

func (p *presence) begin() {
	p.woken, p.published, p.dirty = make(chan struct{}, 1), make(map[string]time.Time), make(map[string]bool)
}

// changed says that a session came, went, or is another by now.
func (s *shared) changed(id string) {
	if s == nil {
		return
	}
	s.presence.add(id)
	wake(s.presence.woken)
}

func (p *presence) add(ids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		p.dirty[id] = true
	}
}

func (p *presence) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := slices.Collect(maps.Keys(p.dirty))
	clear(p.dirty)
	return ids
}

// publish tells of this node's sessions until ctx ends, and then that they are gone.
func (s *shared) publish(ctx context.Context) {
	next := time.Now().Add(refresh)
	failed := false
	every(ctx, refresh, s.presence.woken, func() {
		if wait(ctx, publishAfter) != nil {
			return
		}
		if !time.Now().Before(next) {
			next = time.Now().Add(refresh)
			s.markActive()
			_ = s.compare(ctx) // else with the next
		}
		err := s.publishAll(ctx)
		if err != nil && ctx.Err() == nil {
			if !failed {
				s.log.Warn("the other nodes could not be told of the open sessions", "error", err)
			}
			_ = wait(ctx, publishAgain)
			wake(s.presence.woken)
		}
		failed = err != nil
	})
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	s.presence.failed = s.publishAll(end)
}

// ErrUntold says that the other nodes could not be told that the sessions of this
// one have ended: they have to bury it.
var ErrUntold = errors.New("the other nodes were not told that the sessions have ended")

// untold says that what this node told of its sessions could not be taken back: its
// run must be buried. publish has ended.
func (s *shared) untold() error {
	if s == nil || s.presence.failed == nil {
		return nil
	}
	select {
	case <-s.nodes.Lapsed():
		return nil // it is being buried
	default:
	}
	return fmt.Errorf("%w: %w", ErrUntold, s.presence.failed)
}

// markActive has told anew who was active since it was told last.
func (s *shared) markActive() {
	for _, who := range s.table.all() {
		if active := who.lastActive(); !active.Equal(s.presence.published[who.id]) {
			s.presence.add(who.id)
		}
	}
}

// compare has told anew what the store does not know as it was told: one that has
// lost changes has forgotten who came, and knows who has left.
func (s *shared) compare(ctx context.Context) error {
	found := make(map[string]bool)
	err := typed.All(ctx, s.state, presenceScope, s.nodes.Holder()+"/", func(r state.Record) error {
		_, id, _ := cutID(r.Name)
		found[id] = true
		if _, told := s.presence.published[id]; !told {
			s.presence.published[id] = time.Time{}
			s.presence.add(id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id := range s.presence.published {
		if !found[id] {
			s.presence.add(id)
		}
	}
	return nil
}

// publishAll tells what has changed. What could not be told is told again.
func (s *shared) publishAll(ctx context.Context) error {
	ids := s.presence.take()
	for len(ids) > 0 {
		n := min(len(ids), publishAtOnce)
		if err := s.publishSome(ctx, ids[:n]); err != nil {
			s.presence.add(ids...)
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (s *shared) publishSome(ctx context.Context, ids []string) error {
	if err := s.nodes.Fence(); err != nil {
		return err
	}
	b := state.Batch{Scope: presenceScope}
	told := make(map[string]time.Time)
	for _, id := range ids {
		name := s.nodes.Holder() + "/" + id
		who, open := s.table.get(id)
		if !open {
			if _, known := s.presence.published[id]; known {
				b.Deletes = append(b.Deletes, name)
			}
			continue
		}
		d := who.describe()
		p, err := typed.Put(name, d)
		if err != nil {
			return fmt.Errorf("describe a session: %w", err)
		}
		told[id] = d.LastActive
		b.Puts = append(b.Puts, p)
	}
	if len(b.Puts)+len(b.Deletes) == 0 {
		return nil
	}
	// Where the outcome is not known the records may be there.
	maps.Copy(s.presence.published, told)
	if _, err := typed.Settle(ctx, s.state, b); err != nil {
		return err
	}
	for _, id := range ids {
		if _, open := told[id]; !open {
			delete(s.presence.published, id)
		}
	}
	return nil
}

// unpublish takes away what a node told that died.
func (s *shared) unpublish(ctx context.Context, holder string) error {
	for {
		page, err := s.state.List(ctx, presenceScope, holder+"/", "", publishAtOnce)
		if err != nil {
			return fmt.Errorf("look for the sessions of %s: %w", holder, err)
		}
		if len(page.Records) == 0 {
			return nil
		}
		b := state.Batch{Scope: presenceScope}
		for _, r := range page.Records {
			b.Deletes = append(b.Deletes, r.Name)
		}
		if _, err := typed.Settle(ctx, s.state, b); err != nil {
			return fmt.Errorf("take away the sessions of %s: %w", holder, err)
		}
	}
}

// wait waits so long, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
