package session

import (
	"context"
	"net/netip"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Count counts the open sessions that limits on an account look at, also where it
// comes from this address: on this node, and on all where a limit is on them.
func (m *Manager) Count(ctx context.Context, a accounts.Account, from netip.Addr) (policy.Sessions, error) {
	from = policy.PlainAddress(from)
	counts := m.table.count(a.ID, from)
	if m.nodes == nil {
		return counts, nil
	}
	e, err := m.accounts.Effective(ctx, a)
	if err != nil {
		return counts, err
	}
	return m.limits.Count(ctx, counts, e, a.ID, from)
}
