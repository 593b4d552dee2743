package accounts

import (
	"context"
	"errors"

	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// load reads every record and returns the revision that it is at least of.
func (s *Store) load(ctx context.Context) (uint64, error) {
	revision, err := s.state.Revision(ctx, record.Scope)
	if err != nil {
		return 0, err
	}
	s.feed.Lock()
	defer s.feed.Unlock()
	seen := make(map[string]bool)
	err = typed.All(ctx, s.state, record.Scope, "", func(r state.Record) error {
		seen[r.Name] = true
		return s.index.Load(r)
	})
	if err != nil {
		return 0, err
	}
	s.index.KeepOnly(seen)
	s.progress.reach(revision)
	return revision, nil
}

// changed takes a change in, unless it is known already.
func (s *Store) changed(ctx context.Context, c state.Change) error {
	if c.Name == latestName && !c.Deleted {
		s.progress.reach(c.Revision)
		return nil
	}
	if !s.index.Behind(c) {
		return nil
	}
	return s.pull(ctx, c.Name)
}

// pull brings the index up to date with one record of the state.
func (s *Store) pull(ctx context.Context, name string) error {
	s.feed.Lock()
	defer s.feed.Unlock()
	r, err := s.state.Get(ctx, record.Scope, name)
	if errors.Is(err, state.ErrNotFound) {
		s.watchers.publish(s.index.Remove(name)...)
		return nil
	}
	if err != nil {
		return err
	}
	changed, err := s.index.Read(r)
	if err != nil {
		return err
	}
	s.watchers.publish(changed...)
	return nil
}

// apply makes a batch, and makes it again where the outcome is not known.
func (s *Store) apply(ctx context.Context, b state.Batch) (uint64, error) {
	b.Scope = record.Scope
	b, err := s.marked(b)
	if err != nil {
		return 0, err
	}
	r, err := typed.Settle(ctx, s.state, b)
	if err == nil {
		s.indexed(b, r.Revision)
		return r.Revision, nil
	}
	var conflict *state.ConflictError
	if !errors.As(err, &conflict) {
		return 0, err
	}
	if err := s.pull(ctx, conflict.Name); err != nil {
		return 0, err
	}
	return 0, conflict
}

// indexed takes into the index what a batch has written.
func (s *Store) indexed(b state.Batch, revision uint64) {
	s.feed.Lock()
	defer s.feed.Unlock()
	for _, p := range b.Puts {
		// What this program has just encoded decodes.
		changed, _ := s.index.Put(state.Record{Name: p.Name, Value: p.Value, Revision: revision})
		s.watchers.publish(changed...)
	}
	for _, name := range b.Deletes {
		s.watchers.publish(s.index.Remove(name)...)
	}
}
