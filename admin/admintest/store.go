package admintest

import (
	"context"
	"sync/atomic"

	"gatehouse/storage/state"
)

// A Store is a state that counts what it is asked, and can be away.
type Store struct {
	state.Store
	calls atomic.Int64
	away  atomic.Bool
	got   atomic.Pointer[func(scope, name string)]
	apply atomic.Pointer[func(state.Batch) error]
}

// Got has do called after a record was read, and before whoever reads it has it;
// nil calls nothing any more.
func (s *Store) Got(do func(scope, name string)) { set(&s.got, do, do == nil) }

// Applying has do called before a batch is made, which its error prevents; nil
// calls nothing any more.
func (s *Store) Applying(do func(state.Batch) error) { set(&s.apply, do, do == nil) }

func set[F any](hook *atomic.Pointer[F], do F, none bool) {
	if none {
		hook.Store(nil)
		return
	}
	hook.Store(&do)
}

// Away has the store answer nothing, or answer again.
func (s *Store) Away(yes bool) { s.away.Store(yes) }

// Calls is how often it was asked.
func (s *Store) Calls() int64 { return s.calls.Load() }

func (s *Store) ask() error {
	s.calls.Add(1)
	if s.away.Load() {
		return state.ErrAway
	}
	return nil
}

// asked makes a call, where the store is not away.
func asked[T any](s *Store, call func() (T, error)) (T, error) {
	if err := s.ask(); err != nil {
		var none T
		return none, err
	}
	return call()
}

// Get is state.Store's.
func (s *Store) Get(ctx context.Context, scope, name string) (state.Record, error) {
	r, err := asked(s, func() (state.Record, error) { return s.Store.Get(ctx, scope, name) })
	if got := s.got.Load(); got != nil {
		(*got)(scope, name)
	}
	return r, err
}

// List is state.Store's.
func (s *Store) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	return asked(s, func() (state.Page, error) { return s.Store.List(ctx, scope, prefix, after, limit) })
}

// Apply is state.Store's.
func (s *Store) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	return asked(s, func() (state.Result, error) {
		if apply := s.apply.Load(); apply != nil {
			if err := (*apply)(b); err != nil {
				return state.Result{}, err
			}
		}
		return s.Store.Apply(ctx, b)
	})
}

// Count is state.Store's.
func (s *Store) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	return asked(s, func() (state.CounterValue, error) { return s.Store.Count(ctx, scope, op) })
}

// Append is state.Store's.
func (s *Store) Append(ctx context.Context, stream string, op state.OperationID, entries ...[]byte) (uint64, error) {
	return asked(s, func() (uint64, error) { return s.Store.Append(ctx, stream, op, entries...) })
}

// Read is state.Store's.
func (s *Store) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	return asked(s, func() ([]state.Entry, error) { return s.Store.Read(ctx, stream, after, limit) })
}

// ReadBack is state.Store's.
func (s *Store) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	return asked(s, func() ([]state.Entry, error) { return s.Store.ReadBack(ctx, stream, before, limit) })
}

// Revision is state.Store's.
func (s *Store) Revision(ctx context.Context, scope string) (uint64, error) {
	return asked(s, func() (uint64, error) { return s.Store.Revision(ctx, scope) })
}
