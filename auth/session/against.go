package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Ban is an address that is refused before any work.
type Ban = auth.Ban

// A Lockout is an account whose passwords and codes are refused for a while or,
// with a zero Until, the failures that count towards it.
type Lockout struct {
	Account   string    `json:"account"`
	AccountID string    `json:"account_id"`
	Failures  int       `json:"failures"`
	Since     time.Time `json:"since,omitzero"`
	Until     time.Time `json:"until,omitzero"`
}

// Situation tells what stands against an account and an address now, for explain.
func (m *Manager) Situation(ctx context.Context, a accounts.Account, from netip.Addr) (banned, locked bool, counts policy.Sessions, err error) {
	if banned, err = m.auth.Banned(ctx, from); err != nil {
		return false, false, counts, err
	}
	until, err := m.auth.Locked(ctx, a.ID)
	if err != nil {
		return banned, false, counts, err
	}
	counts, err = m.open(ctx, a, policy.PlainAddress(from))
	return banned, !until.IsZero(), counts, err
}

// open counts the open sessions: on this node, and on all where a limit is on them.
func (m *Manager) open(ctx context.Context, a accounts.Account, from netip.Addr) (policy.Sessions, error) {
	counts := m.table.count(a.ID, from)
	if m.shared == nil {
		return counts, nil
	}
	e, err := m.accounts.Effective(ctx, a)
	if err != nil {
		return counts, err
	}
	return m.shared.count(ctx, counts, m.shared.placesOf(e, a.ID, from))
}

// ParseBanned reads the address of a ban as Bans shows it, or one within it.
func ParseBanned(text string) (netip.Addr, error) { return auth.ParseBanned(text) }

// Bans returns up to limit of the bans that are in force now, after the one with
// this address; next, where it is not empty, goes on. A limit of 0 is 500.
func (m *Manager) Bans(ctx context.Context, after string, limit int) (list []Ban, next string, err error) {
	return m.auth.Bans(ctx, after, limit)
}

// Unban lifts the ban of an address; false where it had none.
func (m *Manager) Unban(ctx context.Context, a netip.Addr) (lifted bool, err error) {
	return m.auth.Unban(ctx, a)
}

// Lockouts returns up to limit of the accounts that are locked now, after the one
// with this id; next, where it is not empty, goes on. A limit of 0 is 500.
func (m *Manager) Lockouts(ctx context.Context, after string, limit int) (list []Lockout, next string, err error) {
	found, next, err := m.auth.Lockouts(ctx, after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, l := range found {
		named, err := m.named(ctx, l)
		if errors.Is(err, accounts.ErrNotFound) {
			continue // deleted since it was locked
		}
		if err != nil {
			return nil, "", err
		}
		list = append(list, named)
	}
	return list, next, nil
}

// Lockout returns what stands against an account's passwords and codes now.
func (m *Manager) Lockout(ctx context.Context, accountID string) (Lockout, error) {
	l, err := m.auth.Lockout(ctx, accountID)
	if err != nil {
		return Lockout{}, err
	}
	return m.named(ctx, l)
}

func (m *Manager) named(ctx context.Context, l auth.Lockout) (Lockout, error) {
	a, err := m.accounts.ByID(ctx, l.AccountID)
	if err != nil {
		return Lockout{}, fmt.Errorf("look for who is locked: %w", err)
	}
	return Lockout{Account: a.Name, AccountID: a.ID, Failures: l.Failures, Since: l.Since, Until: l.Until}, nil
}

// Unlock ends an account's lockout before its time, and forgets its failures.
func (m *Manager) Unlock(ctx context.Context, name string) error {
	a, err := m.accounts.Account(ctx, name)
	if err != nil {
		return err
	}
	return m.auth.Unlock(ctx, a.ID)
}
