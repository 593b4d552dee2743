package session

import (
	"context"
	"errors"

	"gatehouse/auth/session/limits"
	"gatehouse/auth/session/presence"
	"gatehouse/policy"
	"gatehouse/storage/pause"
)

// join begins what a manager has in common with those on other nodes, and buries their
// sessions when they die, until its ctx ends.
func (m *Manager) join(c Config) {
	if c.Nodes == nil {
		return
	}
	m.nodes, m.away.reads = c.Nodes, c.AwayReads
	m.presence = presence.New(presence.Config{Nodes: c.Nodes, State: c.State, Log: c.Log, Sessions: m.table})
	m.limits = limits.New(limits.Config{Nodes: c.Nodes, Accounts: c.Accounts, State: c.State, Log: c.Log, Open: m.table.holders})
	m.nodes.Bury(m.bury)
	m.running.Go(func() { m.presence.Publish(m.ctx) })
	m.running.Go(func() { m.limits.Renew(m.ctx) })
	m.running.Go(func() { m.followEnds(m.ctx) })
	m.running.Go(func() { m.awaitLapse(m.ctx) })
	if m.away.reads {
		m.running.Go(func() { pause.Every(m.ctx, widenEvery, func() { m.widen(m.ctx) }) })
	}
}

// awaitLapse cuts every session once this node was declared dead: others have
// taken over what it held for them.
func (m *Manager) awaitLapse(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-m.nodes.Lapsed():
	}
	m.table.close()
	for _, s := range m.table.all() {
		m.end(s, policy.Decision{Rule: policy.RuleShutdown, Because: "this node was not heard of in time, and others have taken over"})
	}
}

// bury takes away what is left of the sessions of a node that died.
func (m *Manager) bury(ctx context.Context, node, epoch string) error {
	holder := node + "/" + epoch
	return errors.Join(m.presence.Bury(ctx, holder), m.limits.Bury(ctx, holder))
}
