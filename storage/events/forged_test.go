package events

import (
	"context"
	"slices"
	"sync"

	"gatehouse/storage/state"
)

// forged is a store whose stream somebody has changed behind the gateway's back.
type forged struct {
	state.Store
	mu     sync.Mutex
	change func([]state.Entry) []state.Entry
}

func (f *forged) all(ctx context.Context) ([]state.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries, err := f.Store.Read(ctx, Stream, 0, 1<<20)
	if err == nil && f.change != nil {
		entries = f.change(entries)
	}
	return entries, err
}

func (f *forged) Read(ctx context.Context, _ string, after uint64, limit int) ([]state.Entry, error) {
	entries, err := f.all(ctx)
	entries = slices.DeleteFunc(entries, func(e state.Entry) bool { return e.Position <= after })
	return entries[:min(len(entries), state.Limit(limit))], err
}

func (f *forged) ReadBack(ctx context.Context, _ string, before uint64, limit int) ([]state.Entry, error) {
	entries, err := f.all(ctx)
	entries = slices.DeleteFunc(entries, func(e state.Entry) bool { return before > 0 && e.Position >= before })
	slices.Reverse(entries)
	return entries[:min(len(entries), state.Limit(limit))], err
}
