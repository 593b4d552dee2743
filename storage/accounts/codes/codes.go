// Package codes remembers which one-time codes were used, so that none works
// twice, on whichever node. It has a scope of its own, that logins do not wait
// for changes of accounts.
package codes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// scope holds the latest time step whose code was used, by account and enrolment.
const scope = "codes"

// remembered is how long a used step is remembered: far longer than any code is good
// for, so that a clock that is set back does not bring old ones back.
const remembered = 48 * time.Hour

// ErrUsed says that a one-time code was used already, or is none of the account's.
var ErrUsed = errors.New("the code was used already, or never was one")

// A usedStep is the latest step that was used.
type usedStep struct {
	Step int64 `json:"step"`
}

// A Store remembers used codes in a state.
type Store struct{ state state.Store }

// New remembers used codes in st.
func New(st state.Store) *Store { return &Store{state: st} }

func name(accountID, enrolment string) string { return accountID + "/" + enrolment }

// Use uses up the code of a time step of RFC 6238 for an account's enrolment. Of
// several tries at once, on whichever nodes, one gets nil; a step that is not
// later than the latest used one is ErrUsed.
func (s *Store) Use(ctx context.Context, accountID, enrolment string, step int64) error {
	err := typed.Retry(func() error { return s.use(ctx, name(accountID, enrolment), step) })
	if err != nil && !errors.Is(err, ErrUsed) {
		return fmt.Errorf("note a used code: %w", err)
	}
	return err
}

func (s *Store) use(ctx context.Context, name string, step int64) error {
	r, err := s.state.Get(ctx, scope, name)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	if r.Revision != 0 {
		var last usedStep
		if err := typed.Decode(r, &last); err != nil {
			return err
		}
		if step <= last.Step {
			return ErrUsed
		}
	}
	p, err := typed.Put(name, usedStep{step})
	if err != nil {
		return err
	}
	p.TTL = remembered
	_, err = typed.Settle(ctx, s.state, state.Batch{
		Scope: scope, Checks: []state.Check{{Name: name, Revision: r.Revision}}, Puts: []state.Put{p},
	})
	return typed.Again(err)
}

// Drop forgets the used steps of a deleted account.
func (s *Store) Drop(ctx context.Context, accountID string) error {
	page, err := s.state.List(ctx, scope, accountID+"/", "", 0)
	if err != nil || len(page.Records) == 0 {
		return err
	}
	b := state.Batch{Scope: scope}
	for _, r := range page.Records {
		b.Deletes = append(b.Deletes, r.Name)
	}
	_, err = typed.Settle(ctx, s.state, b)
	return err
}
