package session

import (
	"context"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
)

// Explained is what would become of an operation, Spot one end of it, Upload the
// size of a write, Move the question about a rename or copy, and Reader who is told.
type (
	Explained = guard.Explained
	Spot      = guard.Spot
	Upload    = guard.Upload
	Move      = guard.Move
	Reader    = guard.Reader
)

// Readers see what the account does, or all of the tree.
const (
	AsTheAccount = guard.AsTheAccount
	WholeTree    = guard.WholeTree
)

// Explain judges an operation of an account at a door as its session would, and
// does nothing. The path is as the account sees it.
func (m *Manager) Explain(ctx context.Context, e policy.Effective, door policy.Door, reader Reader, op policy.Operation, seen path.Path) (Explained, error) {
	found, err := m.tree.Explain(ctx, guard.Config{Effective: e, Door: door}, reader, op, seen)
	return m.withUse(ctx, e, op, found, err)
}

// ExplainUpload is Explain for writing or creating a file of so many bytes.
func (m *Manager) ExplainUpload(ctx context.Context, e policy.Effective, door policy.Door, reader Reader, op policy.Operation, seen path.Path, size int64) (Explained, error) {
	found, err := m.tree.ExplainUpload(ctx, guard.Config{Effective: e, Door: door}, reader, op, seen, size)
	return m.withUse(ctx, e, op, found, err)
}

func (m *Manager) withUse(ctx context.Context, e policy.Effective, op policy.Operation, found Explained, err error) (Explained, error) {
	if err != nil {
		return found, err
	}
	use, err := m.TrafficUse(ctx, e)
	if err != nil {
		return found, err
	}
	found.ExplainUse(op, use)
	return found, nil
}

// ExplainMove is Explain for a rename or copy.
func (m *Manager) ExplainMove(ctx context.Context, e policy.Effective, door policy.Door, reader Reader, q Move) (Explained, error) {
	return m.tree.ExplainMove(ctx, guard.Config{Effective: e, Door: door}, reader, q)
}

// Seen returns a tree path as the account sees it through a door; ok is false
// where it is not in what it sees.
func (m *Manager) Seen(ctx context.Context, e policy.Effective, door policy.Door, tree path.Path) (seen path.Path, ok bool, err error) {
	return m.tree.Seen(ctx, guard.Config{Effective: e, Door: door}, tree)
}

// Behind returns the shared folders that a session of an account at a door does
// not show: the account has something of its own by their names.
func (m *Manager) Behind(ctx context.Context, e policy.Effective, door policy.Door) ([]policy.Entry, error) {
	return m.tree.Behind(ctx, guard.Config{Effective: e, Door: door})
}
