package accounts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatehouse/storage/state"
)

// A Store reads and writes the records. Names are compared by PRECIS
// UsernameCaseMapped (RFC 8265). Reads come from an index in memory that
// follows the state, and know at once what was written through the same Store.
// Safe for concurrent use.
type Store struct {
	state state.Store
	index *index
	// recent bounds what index keeps resolved.
	recent recent
	// feed orders reading a record from the state and indexing it against
	// indexing what was just written.
	feed     sync.Mutex
	watchers watchers
	uses     uses
	trouble  trouble
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Open reads the index and follows the state's changes until ctx ends or Close.
func Open(ctx context.Context, st state.Store) (*Store, error) {
	s := &Store{state: st, index: newIndex(), recent: recent{most: maxRecent}, uses: uses{all: make(map[string]*Activity), dirty: make(map[string]bool)}}
	ctx, s.stop = context.WithCancel(ctx)
	for _, f := range []follower{
		{scope: scope, load: s.load, one: s.changed, all: func() { s.watchers.publish(Change{Kind: KindAll}) }},
		{scope: activityScope, load: s.loadActivity, one: s.used, all: func() {}},
	} {
		f.store = s
		if err := f.start(ctx); err != nil {
			s.stop()
			s.running.Wait()
			return nil, fmt.Errorf("read the accounts: %w", err)
		}
	}
	s.running.Go(func() { s.flushEvery(ctx, time.Minute) })
	return s, nil
}

// Err says why what this node knows may be old: it cannot follow the changes.
// nil while it can.
func (s *Store) Err() error { return s.trouble.first() }

// Close stops following and writes the activity that is still in memory.
func (s *Store) Close(ctx context.Context) error {
	s.stop()
	s.running.Wait()
	return s.Flush(ctx)
}

// load reads every record and returns the revision that it is at least of.
func (s *Store) load(ctx context.Context) (uint64, error) {
	revision, err := s.state.Revision(ctx, scope)
	if err != nil {
		return 0, err
	}
	s.feed.Lock()
	defer s.feed.Unlock()
	seen := make(map[string]bool)
	for after, more := "", true; more; {
		page, err := s.state.List(ctx, scope, "", after, 500)
		if err != nil {
			return 0, err
		}
		for _, r := range page.Records {
			seen[r.Name] = true
			if _, err := s.index.put(r); err != nil {
				return 0, err
			}
			after = r.Name
		}
		more = page.More && len(page.Records) > 0
	}
	s.index.keepOnly(seen, revision)
	return revision, nil
}

// changed takes a change in, unless it is known already.
func (s *Store) changed(ctx context.Context, c state.Change) error {
	if !s.index.behind(c) {
		return nil
	}
	return s.pull(ctx, c.Name)
}

// pull brings the index up to date with one record of the state.
func (s *Store) pull(ctx context.Context, name string) error {
	s.feed.Lock()
	defer s.feed.Unlock()
	r, err := s.state.Get(ctx, scope, name)
	if errors.Is(err, state.ErrNotFound) {
		s.watchers.publish(s.index.remove(name)...)
		return nil
	}
	if err != nil {
		return err
	}
	changed, err := s.index.put(r)
	if err != nil {
		return err
	}
	s.watchers.publish(changed...)
	return nil
}

// apply makes a batch, and makes it again where the outcome is not known.
func (s *Store) apply(ctx context.Context, b state.Batch) (uint64, error) {
	b.Scope, b.ID = scope, state.NewOperationID()
	for try := 0; ; try++ {
		r, err := s.state.Apply(ctx, b)
		if err == nil {
			s.indexed(b, r.Revision)
			return r.Revision, nil
		}
		var conflict *state.ConflictError
		if errors.As(err, &conflict) {
			if err := s.pull(ctx, conflict.Name); err != nil {
				return 0, err
			}
			return 0, conflict
		}
		if !errors.Is(err, state.ErrUnknown) || try == 3 || ctx.Err() != nil {
			return 0, err
		}
	}
}

// indexed takes into the index what a batch has written.
func (s *Store) indexed(b state.Batch, revision uint64) {
	s.feed.Lock()
	defer s.feed.Unlock()
	for _, p := range b.Puts {
		// What this program has just encoded decodes.
		changed, _ := s.index.put(state.Record{Name: p.Name, Value: p.Value, Revision: revision})
		s.watchers.publish(changed...)
	}
	for _, name := range b.Deletes {
		s.watchers.publish(s.index.remove(name)...)
	}
}
