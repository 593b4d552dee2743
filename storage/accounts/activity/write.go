package activity

import (
	"context"
	"errors"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Flush writes what is only in memory.
func (s *Store) Flush(ctx context.Context) error {
	var all []error
	for _, id := range s.take() {
		if err := s.write(ctx, id); err != nil {
			s.mark(id)
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// write joins an account's activity with what other nodes wrote.
func (s *Store) write(ctx context.Context, accountID string) error {
	known, ok := s.credentials(accountID)
	if !ok {
		s.forget(accountID)
		return nil
	}
	return typed.Retry(func() error {
		r, err := s.state.Get(ctx, Scope, accountID)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		a := s.Of(accountID)
		if r.Revision != 0 {
			var stored Activity
			if err := typed.Decode(r, &stored); err != nil {
				return err
			}
			a.merge(stored)
		}
		a.forget(known, time.Now())
		p, err := typed.Put(accountID, a)
		if err != nil {
			return err
		}
		_, err = s.state.Apply(ctx, state.Batch{
			Scope: Scope, ID: state.NewOperationID(),
			Checks: []state.Check{{Name: accountID, Revision: r.Revision}}, Puts: []state.Put{p},
		})
		return typed.Again(err)
	})
}

// Drop removes what a deleted account leaves behind.
func (s *Store) Drop(ctx context.Context, accountID string) error {
	s.forget(accountID)
	_, err := typed.Settle(ctx, s.state, state.Batch{Scope: Scope, Deletes: []string{accountID}})
	return err
}

// load joins everything that is written with what is known.
func (s *Store) load(ctx context.Context) (uint64, error) {
	revision, err := s.state.Revision(ctx, Scope)
	if err != nil {
		return 0, err
	}
	return revision, typed.All(ctx, s.state, Scope, "", s.read)
}

// changed takes in what another node has written.
func (s *Store) changed(ctx context.Context, c state.Change) error {
	if c.Deleted {
		s.forget(c.Name)
		return nil
	}
	return s.Refresh(ctx, c.Name)
}

// Refresh reads what every node has written of an account, beside what this one
// has not written yet.
func (s *Store) Refresh(ctx context.Context, accountID string) error {
	r, err := s.state.Get(ctx, Scope, accountID)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.read(r)
}

func (s *Store) read(r state.Record) error {
	var a Activity
	if err := typed.Decode(r, &a); err != nil {
		return err
	}
	s.learn(r.Name, a)
	return nil
}
