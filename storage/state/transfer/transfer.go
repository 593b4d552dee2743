// Package transfer copies a state from one store to another of any kind, and
// shows that both then hold the same.
package transfer

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/storage/state"
)

// ErrNothing says that there is nothing in the store that is to be copied.
var ErrNothing = errors.New("there is no state to copy")

// Copy fills an empty store with all that another holds, then reads both and
// compares them. Nothing is written to the first, and nobody may write to either
// meanwhile. What breaks off leaves the second empty, or whole and not yet
// compared: done again, Copy then only compares. A store that holds anything
// else is a state.ErrNotEmpty and stays as it is.
func Copy(ctx context.Context, from, to state.Store) (Sum, error) {
	held, err := holdsAnything(ctx, from)
	if err != nil {
		return Sum{}, fmt.Errorf("read the state: %w", err)
	}
	if !held {
		return Sum{}, ErrNothing
	}
	loaded := to.Load(ctx, from.Dump(ctx))
	if loaded != nil && !errors.Is(loaded, state.ErrNotEmpty) {
		return Sum{}, fmt.Errorf("copy the state: %w", loaded)
	}
	sum, err := Compare(ctx, from, to)
	var differ *DifferenceError
	if loaded != nil && errors.As(err, &differ) {
		return sum, fmt.Errorf("copy the state: %w", loaded)
	}
	return sum, err
}

func holdsAnything(ctx context.Context, s state.Store) (bool, error) {
	scopes, err := s.Scopes(ctx, "", 1)
	if err != nil || len(scopes) > 0 {
		return len(scopes) > 0, err
	}
	for _, err := range s.Dump(ctx) {
		return err == nil, err
	}
	return false, nil
}
