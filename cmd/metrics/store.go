package metrics

import (
	"context"
	"errors"
	"iter"
	"time"

	"gatehouse/storage/state"
)

// measured is a store whose calls are measured. What is no failure of the store
// (not found, a conflict, an append that comes too late) counts as ok.
type measured struct {
	inner state.Store
	m     *Metrics
	heard func(error)
}

// Store wraps a store so that its calls are measured. heard is told how each ended.
func (m *Metrics) Store(inner state.Store, heard func(error)) state.Store {
	return &measured{inner, m, heard}
}

func (s *measured) end(call string, began time.Time, err error) {
	s.heard(err)
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrConflict) || errors.Is(err, state.ErrOvertaken) {
		err = nil
	}
	s.m.observe(call, began, err)
}

func (s *measured) Get(ctx context.Context, scope, name string) (r state.Record, err error) {
	began := time.Now()
	defer func() { s.end("get", began, err) }()
	return s.inner.Get(ctx, scope, name)
}

func (s *measured) List(ctx context.Context, scope, prefix, after string, limit int) (p state.Page, err error) {
	began := time.Now()
	defer func() { s.end("list", began, err) }()
	return s.inner.List(ctx, scope, prefix, after, limit)
}

func (s *measured) Scopes(ctx context.Context, after string, limit int) ([]string, error) {
	return s.inner.Scopes(ctx, after, limit)
}

func (s *measured) Apply(ctx context.Context, b state.Batch) (r state.Result, err error) {
	began := time.Now()
	defer func() { s.end("apply", began, err) }()
	return s.inner.Apply(ctx, b)
}

func (s *measured) Count(ctx context.Context, scope string, op state.CounterOp) (v state.CounterValue, err error) {
	began := time.Now()
	defer func() { s.end("count", began, err) }()
	return s.inner.Count(ctx, scope, op)
}

func (s *measured) Append(ctx context.Context, stream string, op state.OperationID, entries ...[]byte) (n uint64, err error) {
	began := time.Now()
	defer func() { s.end("append", began, err) }()
	return s.inner.Append(ctx, stream, op, entries...)
}

func (s *measured) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	return s.inner.Read(ctx, stream, after, limit)
}

func (s *measured) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	return s.inner.ReadBack(ctx, stream, before, limit)
}

func (s *measured) Trim(ctx context.Context, stream string, upTo uint64) error {
	return s.inner.Trim(ctx, stream, upTo)
}

func (s *measured) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	return s.inner.Watch(ctx, scope, after)
}

func (s *measured) Revision(ctx context.Context, scope string) (n uint64, err error) {
	began := time.Now()
	defer func() { s.end("revision", began, err) }()
	return s.inner.Revision(ctx, scope)
}

func (s *measured) Dump(ctx context.Context) iter.Seq2[state.Item, error] { return s.inner.Dump(ctx) }

func (s *measured) Load(ctx context.Context, items iter.Seq2[state.Item, error]) error {
	return s.inner.Load(ctx, items)
}

func (s *measured) Close() error { return s.inner.Close() }
