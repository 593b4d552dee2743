package installation

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"gatehouse/storage/state"
)

// Bound is a store as long as it has the state of one installation. Who there is,
// what all nodes have alike and who is a node are written in the state of that
// installation, or not at all: each such batch demands it, at no further round trip.
// Once the store was met without it, nothing of it is given or taken any more. The nil
// Bound is a store that is nobody else's: never foreign.
type Bound struct {
	state.Store
	installation *Installation

	once    sync.Once
	foreign chan struct{}
	why     atomic.Pointer[ForeignError]
}

// Bind returns a store as that of this installation.
func (i *Installation) Bind(st state.Store) *Bound {
	return &Bound{Store: st, installation: i, foreign: make(chan struct{})}
}

// Foreign is closed once the store was met without the state of the installation.
func (b *Bound) Foreign() <-chan struct{} {
	if b == nil {
		return nil
	}
	return b.foreign
}

// Err is a *ForeignError once Foreign is closed.
func (b *Bound) Err() error {
	if why := b.why.Load(); why != nil {
		return why
	}
	return nil
}

// lost notes that the state of the installation is not there.
func (b *Bound) lost(ctx context.Context) error {
	found, _ := b.Store.Get(ctx, scopes[0], mark) // for people alone
	b.once.Do(func() {
		b.why.Store(&ForeignError{Known: b.installation.ID, Found: string(found.Value)})
		close(b.foreign)
	})
	return b.Err()
}

// Apply implements state.Store.
func (b *Bound) Apply(ctx context.Context, batch state.Batch) (state.Result, error) {
	if err := b.Err(); err != nil {
		return state.Result{}, err
	}
	mine, marked := b.installation.marks[batch.Scope]
	if marked {
		batch.Checks = slices.Concat([]state.Check{mine}, batch.Checks)
	}
	r, err := b.Store.Apply(ctx, batch)
	var conflict *state.ConflictError
	if marked && errors.As(err, &conflict) && conflict.Name == mine.Name {
		return state.Result{}, b.lost(ctx)
	}
	return r, err
}

// Revision implements state.Store. Who reads a scope anew begins with it: one that
// is another installation's has none.
func (b *Bound) Revision(ctx context.Context, scope string) (uint64, error) {
	if err := b.Err(); err != nil {
		return 0, err
	}
	if mine, marked := b.installation.marks[scope]; marked {
		_, err := b.Store.Get(ctx, scope, mine.Name)
		if errors.Is(err, state.ErrNotFound) {
			return 0, b.lost(ctx)
		}
		if err != nil {
			return 0, err
		}
	}
	return b.Store.Revision(ctx, scope)
}

// Get implements state.Store.
func (b *Bound) Get(ctx context.Context, scope, name string) (state.Record, error) {
	if err := b.Err(); err != nil {
		return state.Record{}, err
	}
	return b.Store.Get(ctx, scope, name)
}

// List implements state.Store.
func (b *Bound) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	if err := b.Err(); err != nil {
		return state.Page{}, err
	}
	return b.Store.List(ctx, scope, prefix, after, limit)
}

// Count implements state.Store.
func (b *Bound) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if err := b.Err(); err != nil {
		return state.CounterValue{}, err
	}
	return b.Store.Count(ctx, scope, op)
}

// Append implements state.Store.
func (b *Bound) Append(ctx context.Context, stream string, op state.OperationID, entries ...[]byte) (uint64, error) {
	if err := b.Err(); err != nil {
		return 0, err
	}
	return b.Store.Append(ctx, stream, op, entries...)
}

// Trim implements state.Store.
func (b *Bound) Trim(ctx context.Context, stream string, upTo uint64) error {
	if err := b.Err(); err != nil {
		return err
	}
	return b.Store.Trim(ctx, stream, upTo)
}

// Dump implements state.Store.
func (b *Bound) Dump(ctx context.Context) iter.Seq2[state.Item, error] {
	if err := b.Err(); err != nil {
		return func(yield func(state.Item, error) bool) { yield(state.Item{}, err) }
	}
	return b.Store.Dump(ctx)
}
