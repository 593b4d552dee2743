package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gatehouse/storage/accounts/names"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// manyAtOnce is how many accounts are made in one batch: each batch is one wait
// for the disk, and holds the others up for a moment only.
const manyAtOnce = 200

// CreateMany makes accounts as Create does, in bounded batches of which each is
// made whole or not at all. It returns those that were made, in their order, and
// the error that ended it, which names the account.
func (s *Store) CreateMany(ctx context.Context, list []Account) ([]Account, error) {
	made := make([]Account, 0, len(list))
	for part := range slices.Chunk(list, manyAtOnce) {
		some, err := s.createSome(ctx, part)
		made = append(made, some...)
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

func (s *Store) createSome(ctx context.Context, list []Account) ([]Account, error) {
	var made []Account
	err := typed.Retry(func() error {
		var b state.Batch
		made = made[:0]
		taken := make(map[string]bool, len(list))
		for _, a := range list {
			ready, err := s.Prepare(ctx, a)
			if err == nil {
				err = s.insertion(&b, &ready, taken)
			}
			if err != nil {
				return fmt.Errorf("create %q: %w", a.Name, err)
			}
			made = append(made, ready)
		}
		revision, err := s.apply(ctx, b)
		for i := range made {
			made[i].Revision = revision
		}
		return typed.Again(err)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// insertion adds to b what making an account asks for; taken are the names of the
// others in it.
func (s *Store) insertion(b *state.Batch, a *Account, taken map[string]bool) error {
	folded, err := names.Canonical(a.Name)
	if err != nil {
		return err
	}
	if taken[folded] {
		return ErrExists
	}
	taken[folded] = true
	account, err := typed.Put(record.AccountPrefix+a.ID, a)
	if err != nil {
		return err
	}
	name, err := typed.Put(namePrefix+folded, a.ID)
	if err != nil {
		return err
	}
	b.Checks = append(b.Checks, state.Check{Name: record.AccountPrefix + a.ID}, state.Check{Name: namePrefix + folded})
	for _, check := range s.groupChecks(a.Groups, nil) {
		if !slices.Contains(b.Checks, check) {
			b.Checks = append(b.Checks, check)
		}
	}
	b.Puts = append(b.Puts, account, name)
	b.Deletes = append(b.Deletes, makingPrefix+folded)
	return nil
}

// insert makes one account.
func (s *Store) insert(ctx context.Context, a *Account) error {
	var b state.Batch
	if err := s.insertion(&b, a, make(map[string]bool, 1)); err != nil {
		return err
	}
	revision, err := s.apply(ctx, b)
	a.Revision = revision
	var conflict *state.ConflictError
	if errors.As(err, &conflict) && conflict.Name == b.Puts[1].Name {
		return ErrExists
	}
	return typed.Again(err)
}
