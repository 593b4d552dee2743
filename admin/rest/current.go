package rest

import (
	"context"
	"time"
)

// mostBehind is how long a request waits for what other nodes have changed. Where
// the store is away what is known here is answered with.
const mostBehind = time.Second

// InTurn does one thing of a name at a time, over all nodes, knowing all that the
// one before has changed. Alone it orders nothing: the caller does.
func (a *API) InTurn(ctx context.Context, name string, do func(context.Context) error) error {
	return a.Nodes.Exclusively(ctx, name, func(ctx context.Context) error {
		if err := a.Accounts.CatchUpAll(ctx); err != nil {
			return err
		}
		return do(ctx)
	})
}

// current begins to catch up with what other nodes have changed, so that a client
// that goes from one to the other sees what it has done; wait returns when that is
// done. It asks the store at the same time as whoever calls it.
func (a *API) current(ctx context.Context) (wait func()) {
	if !a.Accounts.Shared() {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(ctx, mostBehind)
		defer cancel()
		if _, err := a.Accounts.Current(ctx); err != nil {
			a.Log.Debug("a request is answered with what is known here", "error", err)
		}
	}()
	return func() { <-done }
}
