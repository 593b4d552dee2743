package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// PlainFTP says whether USER may go on without TLS: nil, or the refusal, an
// *auth.RefusedError. The client hears the same of every account; the event has
// the first rule that refuses, as for any other attempt.
func (m *Manager) PlainFTP(ctx context.Context, a auth.Attempt) error {
	p, err := m.unproved(ctx, a)
	if err != nil {
		return err
	}
	if p.Effective.PlainFTP().Allowed {
		return nil
	}
	if p.Attempt.Banned, err = m.auth.Banned(ctx, a.Address); err != nil {
		return err
	}
	until, err := m.auth.Locked(ctx, p.Account.ID)
	if err != nil {
		return err
	}
	p.Attempt.Locked = !until.IsZero() && p.Account.ID != ""
	return m.turnAway(ctx, unruled(a, p), a, p, p.Effective.Admit(p.Attempt))
}

// Refuse refuses an attempt for what its door knows without looking at the
// credential: nothing is proved and no failure counted.
func (m *Manager) Refuse(ctx context.Context, a auth.Attempt, d policy.Decision) error {
	p, err := m.unproved(ctx, a)
	if err != nil {
		return err
	}
	return m.turnAway(ctx, unruled(a, p), a, p, d)
}

// unruled is the key of a refusal whose reference the client hears. Its rule is
// left out: who runs through made-up names must not learn by the reference that
// another rule refuses a name, so that there is such an account.
func unruled(a auth.Attempt, p auth.Proof) refusalKey {
	return refusalKey{address: origin(p.Attempt.Address), door: a.Door, account: a.Account}
}

// unproved is an attempt whose password is still to come.
func (m *Manager) unproved(ctx context.Context, a auth.Attempt) (auth.Proof, error) {
	account, effective, err := m.accounts.Look(ctx, a.Account)
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return auth.Proof{}, fmt.Errorf("read the account: %w", err)
	}
	return auth.Proof{Account: account, Effective: effective, Attempt: policy.Attempt{
		Door: a.Door, Address: policy.PlainAddress(a.Address), Transport: a.Transport, Time: time.Now(),
		Credential: policy.Credential{Kind: policy.KindPassword, Proved: true},
	}}, nil
}

// turnAway records a refusal that cost nobody any work, once in a while only: a
// flood must not fill the log, and names can be made up. Of those that come at the
// same moment one is recorded, and the others wait for its reference.
func (m *Manager) turnAway(ctx context.Context, key refusalKey, a auth.Attempt, p auth.Proof, d policy.Decision) error {
	key = m.refused.named(key)
	unlock, err := m.refused.turns.Lock(ctx, key)
	if err != nil {
		return fmt.Errorf("wait for the reference of a refusal: %w", err)
	}
	defer unlock()
	if known, ok := m.refused.get(key); ok {
		return &auth.RefusedError{Reference: known, Decision: d}
	}
	reference, err := m.reference(ctx, time.Now(), a, p, d)
	if err != nil {
		return err
	}
	m.refused.put(key, reference)
	return &auth.RefusedError{Reference: reference, Decision: d}
}
