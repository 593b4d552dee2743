// Package follow keeps what a node knows of the scopes of a state up to date: it
// reads a scope once, takes each change in, and reads all anew where changes
// break off.
package follow

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"gatehouse/storage/state"
)

// A Scope is what is followed, and who takes it in.
type Scope struct {
	Name string
	// Load reads everything, and returns the revision that it is at least of.
	Load func(context.Context) (uint64, error)
	// One takes one change in.
	One func(context.Context, state.Change) error
	// All says that anything may have changed.
	All func()
}

// Followers follow scopes of one state. Safe for concurrent use once made by New.
type Followers struct {
	state   state.Store
	running sync.WaitGroup

	mu  sync.Mutex // guards why
	why map[string]error
}

// New makes followers of a state, which follow nothing yet.
func New(st state.Store) *Followers {
	return &Followers{state: st, why: make(map[string]error)}
}

// Start reads a scope and follows its changes until ctx ends.
func (f *Followers) Start(ctx context.Context, s Scope) error {
	w, err := f.open(ctx, s)
	if err != nil {
		return err
	}
	f.running.Go(func() { f.run(ctx, s, w) })
	return nil
}

// A watch is what comes of a scope after it was read, until it is ended.
type watch struct {
	changes <-chan state.Change
	end     context.CancelFunc
}

func (f *Followers) open(ctx context.Context, s Scope) (*watch, error) {
	revision, err := s.Load(ctx)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	changes, err := f.state.Watch(ctx, s.Name, revision)
	if err != nil {
		end()
		return nil, err
	}
	return &watch{changes, end}, nil
}

// Wait waits for all to end, which they do with the ctx that they began with.
func (f *Followers) Wait() { f.running.Wait() }

// Err says why a scope cannot be followed, so that what is known of it may be
// old; nil while all can.
func (f *Followers) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.why) == 0 { // asked with every request
		return nil
	}
	return f.why[slices.Min(slices.Collect(maps.Keys(f.why)))]
}

// run applies changes until ctx ends. Where they break off it reads all anew.
func (f *Followers) run(ctx context.Context, s Scope, w *watch) {
	for w != nil {
		err := consume(ctx, s, w.changes)
		w.end() // nobody reads it any more
		f.note(ctx, s, err)
		w = f.resume(ctx, s)
	}
}

// consume applies changes until the channel is closed or one cannot be applied.
func consume(ctx context.Context, s Scope, changes <-chan state.Change) error {
	for c := range changes {
		if !c.Resync {
			if err := s.One(ctx, c); err != nil {
				return err
			}
			continue
		}
		if _, err := s.Load(ctx); err != nil {
			return err
		}
		s.All()
	}
	return nil
}

// resume reads all and opens a new watch, however long the state is away; nil
// when ctx ends.
func (f *Followers) resume(ctx context.Context, s Scope) *watch {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		w, err := f.open(ctx, s)
		f.note(ctx, s, err)
		if err == nil {
			s.All()
			return w
		}
	}
}

// note sets or, with nil, ends a scope's trouble. The end of ctx is none.
func (f *Followers) note(ctx context.Context, s Scope, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || ctx.Err() != nil {
		delete(f.why, s.Name)
		return
	}
	f.why[s.Name] = err
}
