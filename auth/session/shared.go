package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
)

// shared is what the gateways on one store know of each other's sessions. The nil
// one is a gateway alone, which asks nobody.
type shared struct {
	nodes    *nodes.Nodes
	accounts *accounts.Store
	state    state.Store
	log      *slog.Logger
	table    *table
	places   places
	presence presence
	away     away
}

// newShared makes what a manager has in common with others; nil where it is alone.
func newShared(c Config, t *table) *shared {
	if c.Nodes == nil {
		return nil
	}
	s := &shared{nodes: c.Nodes, accounts: c.Accounts, state: c.State, log: c.Log, table: t}
	s.away.reads = c.AwayReads
	s.places.begin()
	s.presence.begin()
	return s
}

// share begins what a manager does for those on other nodes, and buries their
// sessions when they die, until its ctx ends.
func (m *Manager) share() {
	if m.shared == nil {
		return
	}
	m.shared.nodes.Bury(m.shared.bury)
	m.running.Go(func() { m.shared.publish(m.ctx) })
	m.running.Go(func() { m.shared.renewPlaces(m.ctx) })
	m.running.Go(func() { m.followEnds(m.ctx) })
	m.running.Go(func() { m.awaitLapse(m.ctx) })
	if m.shared.away.reads {
		m.running.Go(func() { m.widenReaders(m.ctx) })
	}
}

// held refuses who would come in while others may take this node for dead: what it
// holds for a session would not be its own.
func (s *shared) held() error {
	if s == nil {
		return nil
	}
	return s.nodes.Fence()
}

// exclusively does what one node does at a time.
func (s *shared) exclusively(ctx context.Context, name string, do func(context.Context) error) error {
	if s == nil {
		return do(ctx)
	}
	return s.nodes.Exclusively(ctx, name, do)
}

// tryExclusively is exclusively, but nodes.ErrBusy where another node does it.
func (s *shared) tryExclusively(ctx context.Context, name string, do func(context.Context) error) error {
	if s == nil {
		return do(ctx)
	}
	return s.nodes.TryExclusively(ctx, name, do)
}

// awaitLapse cuts every session once this node was declared dead: others have
// taken over what it held for them.
func (m *Manager) awaitLapse(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-m.shared.nodes.Lapsed():
	}
	m.table.close()
	for _, s := range m.table.all() {
		m.end(s, policy.Decision{Rule: policy.RuleShutdown, Because: "this node was not heard of in time, and others have taken over"})
	}
}

// bury takes away what is left of the sessions of a node that died.
func (s *shared) bury(ctx context.Context, node, epoch string) error {
	holder := node + "/" + epoch
	return errors.Join(s.unpublish(ctx, holder), s.giveBackAll(ctx, holder))
}

// every calls do now and then, and when it is woken, until ctx ends.
func every(ctx context.Context, d time.Duration, woken <-chan struct{}, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-woken:
		case <-tick.C:
		}
		do()
	}
}

// wake asks who waits on a channel of one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
