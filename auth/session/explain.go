package session

import (
	"context"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
)

// Explained is what would become of an operation.
type Explained = guard.Explained

// Explain judges an operation of an account at a door as its session would, and
// does nothing. The path is as the account sees it.
func (m *Manager) Explain(ctx context.Context, e policy.Effective, door policy.Door, op policy.Operation, seen path.Path) (Explained, error) {
	return m.tree.Explain(ctx, guard.Config{Effective: e, Door: door}, op, seen)
}
