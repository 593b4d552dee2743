package explain

import (
	"context"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/traffic"
)

// Operation judges an operation of an account at a door as its session would. The
// path is as the account sees it.
func (x *Explainer) Operation(ctx context.Context, e policy.Effective, door policy.Door, reader guard.Reader, op policy.Operation, seen path.Path) (guard.Explained, error) {
	found, err := x.tree.Explain(ctx, guard.Config{Effective: e, Door: door}, reader, op, seen)
	return x.withUse(ctx, e, op, found, err)
}

// Upload is Operation for writing or creating a file of so many bytes.
func (x *Explainer) Upload(ctx context.Context, e policy.Effective, door policy.Door, reader guard.Reader, op policy.Operation, seen path.Path, size int64) (guard.Explained, error) {
	found, err := x.tree.ExplainUpload(ctx, guard.Config{Effective: e, Door: door}, reader, op, seen, size)
	return x.withUse(ctx, e, op, found, err)
}

func (x *Explainer) withUse(ctx context.Context, e policy.Effective, op policy.Operation, found guard.Explained, err error) (guard.Explained, error) {
	if err != nil {
		return found, err
	}
	use, err := x.Use(ctx, e)
	if err != nil {
		return found, err
	}
	found.ExplainUse(op, use)
	return found, nil
}

// Move is Operation for a rename or copy.
func (x *Explainer) Move(ctx context.Context, e policy.Effective, door policy.Door, reader guard.Reader, q guard.Move) (guard.Explained, error) {
	return x.tree.ExplainMove(ctx, guard.Config{Effective: e, Door: door}, reader, q)
}

// Use returns what an account has moved today and this month, where that is
// bounded.
func (x *Explainer) Use(ctx context.Context, e policy.Effective) (traffic.Use, error) {
	if x.traffic == nil {
		return traffic.Use{}, nil
	}
	return x.traffic.Use(ctx, e.Account().ID, guard.TrafficLimits(e))
}

// Seen returns a tree path as the account sees it through a door; ok is false
// where it is not in what it sees.
func (x *Explainer) Seen(ctx context.Context, e policy.Effective, door policy.Door, tree path.Path) (seen path.Path, ok bool, err error) {
	return x.tree.Seen(ctx, guard.Config{Effective: e, Door: door}, tree)
}

// Behind returns the shared folders that a session of an account at a door does
// not show: the account has something of its own by their names.
func (x *Explainer) Behind(ctx context.Context, e policy.Effective, door policy.Door) ([]policy.Entry, error) {
	return x.tree.Behind(ctx, guard.Config{Effective: e, Door: door})
}
