package accounts

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"gatehouse/storage/state"
)

// A follower keeps what is known of a scope up to date.
type follower struct {
	store *Store
	scope string
	// load reads everything, and returns the revision that it is at least of.
	load func(context.Context) (uint64, error)
	// one takes one change in.
	one func(context.Context, state.Change) error
	// all says that anything may have changed.
	all func()
}

// start reads everything and follows the changes until ctx ends.
func (f follower) start(ctx context.Context) error {
	revision, err := f.load(ctx)
	if err != nil {
		return err
	}
	changes, err := f.store.state.Watch(ctx, f.scope, revision)
	if err != nil {
		return err
	}
	f.store.running.Go(func() { f.run(ctx, changes) })
	return nil
}

// run applies changes until ctx ends. Where they break off it reads all anew.
func (f follower) run(ctx context.Context, changes <-chan state.Change) {
	for changes != nil {
		f.store.trouble.note(ctx, f.scope, f.consume(ctx, changes))
		changes = f.resume(ctx)
	}
}

// consume applies changes until the channel is closed or one cannot be applied.
func (f follower) consume(ctx context.Context, changes <-chan state.Change) error {
	for c := range changes {
		if !c.Resync {
			if err := f.one(ctx, c); err != nil {
				return err
			}
			continue
		}
		if _, err := f.load(ctx); err != nil {
			return err
		}
		f.all()
	}
	return nil
}

// resume reads all and opens a new watch, however long the state is away; nil
// when ctx ends.
func (f follower) resume(ctx context.Context) <-chan state.Change {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		revision, err := f.load(ctx)
		if err == nil {
			var changes <-chan state.Change
			if changes, err = f.store.state.Watch(ctx, f.scope, revision); err == nil {
				f.store.trouble.note(ctx, f.scope, nil)
				f.all()
				return changes
			}
		}
		f.store.trouble.note(ctx, f.scope, err)
	}
}

// trouble is why scopes cannot be followed.
type trouble struct {
	mu  sync.Mutex // guards why
	why map[string]error
}

// note sets or, with nil, ends a scope's trouble. The end of ctx is none.
func (t *trouble) note(ctx context.Context, scope string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil || ctx.Err() != nil {
		delete(t.why, scope)
		return
	}
	if t.why == nil {
		t.why = make(map[string]error)
	}
	t.why[scope] = err
}

func (t *trouble) first() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, scope := range slices.Sorted(maps.Keys(t.why)) {
		return t.why[scope]
	}
	return nil
}
