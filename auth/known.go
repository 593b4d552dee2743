package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
	"gatehouse/storage/state/follow"
)

// reload is how often what is known is read anew: that a record expires is no
// change which anybody hears of.
const reload = time.Hour

// known is which locks and bans there are, as far as this node knows, so that a
// login that nothing stands against needs no look at the store. What this node
// writes it knows at once, what others write as soon as it hears of it; it may
// know of more than there is, and the store is asked about that.
type known struct {
	state     state.Store
	followers *follow.Followers

	mu    sync.Mutex
	names map[string]uint64 // the revision that each was written with; nil until it is read
}

func newKnown(st state.Store) *known { return &known{state: st, followers: follow.New(st)} }

// start reads what there is and follows it until ctx ends.
func (k *known) start(ctx context.Context) error {
	err := k.followers.Start(ctx, follow.Scope{Name: failureScope, Load: k.load, One: k.changed, All: func() {}})
	if err != nil {
		return fmt.Errorf("read the failures: %w", err)
	}
	go pause.Every(ctx, reload, func() { _, _ = k.load(ctx) }) // where it fails, what was known stays
	return nil
}

// get is state.Get of a record of failures, without asking where there is none.
func (k *known) get(ctx context.Context, name string) (state.Record, error) {
	revision, there := k.look(name)
	if !there {
		return state.Record{}, state.ErrNotFound
	}
	r, err := k.state.Get(ctx, failureScope, name)
	if errors.Is(err, state.ErrNotFound) {
		k.expired(name, revision)
	}
	return r, err
}

// look reports whether there may be a record.
func (k *known) look(name string) (revision uint64, there bool) {
	if k.followers.Err() != nil {
		return 0, true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.names == nil {
		return 0, true
	}
	revision, there = k.names[name]
	return revision, there
}

// wrote notes what this node has written.
func (k *known) wrote(name string, revision uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.names != nil {
		k.names[name] = max(revision, k.names[name])
	}
}

// expired forgets a record that is there no more, unless it was written again.
func (k *known) expired(name string, revision uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, there := k.names[name]; there && at == revision {
		delete(k.names, name)
	}
}

func (k *known) changed(_ context.Context, c state.Change) error {
	if !standing(c.Name) {
		return nil
	}
	if !c.Deleted {
		k.wrote(c.Name, c.Revision)
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.names[c.Name] <= c.Revision {
		delete(k.names, c.Name)
	}
	return nil
}

// load reads all names. What was written meanwhile, which the reading may have
// missed, is kept.
func (k *known) load(ctx context.Context) (uint64, error) {
	revision, err := k.state.Revision(ctx, failureScope)
	if err != nil {
		return 0, err
	}
	names := make(map[string]uint64)
	for _, prefix := range []string{lockPrefix, banPrefix} {
		err := eachRecord(ctx, k.state, prefix, "", func(r state.Record) (bool, error) {
			names[r.Name] = r.Revision
			return true, nil
		})
		if err != nil {
			return 0, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, at := range k.names {
		if at > revision {
			names[name] = max(at, names[name])
		}
	}
	k.names = names
	return revision, nil
}

// standing reports whether a name is of what stands against somebody.
func standing(name string) bool {
	return strings.HasPrefix(name, lockPrefix) || strings.HasPrefix(name, banPrefix)
}
