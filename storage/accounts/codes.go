package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

// codesScope holds the latest time step whose code was used, by account and
// enrolment: a scope of its own, that logins do not wait for changes of accounts.
const codesScope = "codes"

// codeMemory is how long a used step is remembered: far longer than any code is
// good for, so that a clock that is set back does not bring old ones back.
const codeMemory = 48 * time.Hour

// A usedStep is the latest step that was used.
type usedStep struct {
	Step int64 `json:"step"`
}

func codeName(accountID, totpID string) string { return accountID + "/" + totpID }

// UseCode uses up the code of a time step of RFC 6238 for the enrolment with
// this id. Of several tries at once, on whichever nodes, one gets nil; a step
// that is not later than the latest used one is ErrUsed.
func (s *Store) UseCode(ctx context.Context, accountID, totpID string, step int64) error {
	name := codeName(accountID, totpID)
	err := retry(func() error {
		r, err := s.state.Get(ctx, codesScope, name)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		if r.Revision != 0 {
			var last usedStep
			if err := decode(r, &last); err != nil {
				return err
			}
			if step <= last.Step {
				return ErrUsed
			}
		}
		p, err := put(name, usedStep{step})
		if err != nil {
			return err
		}
		p.TTL = codeMemory
		return again(s.settle(ctx, state.Batch{
			Scope: codesScope, Checks: []state.Check{{Name: name, Revision: r.Revision}}, Puts: []state.Put{p},
		}))
	})
	if err != nil && !errors.Is(err, ErrUsed) {
		return fmt.Errorf("note a used code: %w", err)
	}
	return err
}

// dropCodes forgets the used steps of a deleted account.
func (s *Store) dropCodes(ctx context.Context, accountID string) error {
	page, err := s.state.List(ctx, codesScope, accountID+"/", "", 0)
	if err != nil || len(page.Records) == 0 {
		return err
	}
	b := state.Batch{Scope: codesScope}
	for _, r := range page.Records {
		b.Deletes = append(b.Deletes, r.Name)
	}
	return s.settle(ctx, b)
}

// settle makes a batch that the index knows nothing of, and makes it again where
// the outcome is not known.
func (s *Store) settle(ctx context.Context, b state.Batch) error {
	b.ID = state.NewOperationID()
	for try := 0; ; try++ {
		_, err := s.state.Apply(ctx, b)
		if !errors.Is(err, state.ErrUnknown) || try == 3 || ctx.Err() != nil {
			return err
		}
	}
}
