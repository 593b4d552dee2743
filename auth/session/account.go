package session

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// CreateAccount makes an account with its home and the quota on it. A password
// is optional. Where the home is there already it is accounts.ErrHome, unless it
// is to be adopted. Where it is cut short, the same call again goes on.
func (m *Manager) CreateAccount(ctx context.Context, a accounts.Account, password string, mustChange, adoptHome bool) (accounts.Account, error) {
	a, err := m.accounts.Prepare(ctx, a)
	if err != nil {
		return accounts.Account{}, err
	}
	if password != "" {
		if a.Password, err = m.auth.NewPassword(ctx, a, password); err != nil {
			return accounts.Account{}, err
		}
		a.Password.MustChange = mustChange
	}
	effective, err := m.accounts.Effective(ctx, a)
	if err != nil {
		return accounts.Account{}, err
	}
	if err := m.makeHome(ctx, a, adoptHome); err != nil {
		return accounts.Account{}, err
	}
	if err := m.setQuota(ctx, a.Home, effective.HomeQuota()); err != nil {
		return accounts.Account{}, err
	}
	made, err := m.accounts.Create(ctx, a)
	if errors.Is(err, accounts.ErrExists) {
		// Somebody made it meanwhile: the quota is theirs.
		return accounts.Account{}, errors.Join(err, m.restoreQuota(ctx, a))
	}
	return made, err
}

// restoreQuota puts back what an account of the same name and home is to have.
func (m *Manager) restoreQuota(ctx context.Context, a accounts.Account) error {
	other, effective, err := m.accounts.Look(ctx, a.Name)
	if err != nil || other.Home != a.Home {
		return err
	}
	return m.setQuota(ctx, other.Home, effective.HomeQuota())
}

// ChangeAccount is accounts.Update, with what a change asks for around it: a new
// home is made where it is missing, and the quota follows.
func (m *Manager) ChangeAccount(ctx context.Context, name string, revision uint64, change func(*accounts.Account) error, o accounts.Option) (accounts.Account, error) {
	before, err := m.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Account{}, err
	}
	planned, err := m.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Account{}, err
	}
	if err := change(&planned); err != nil {
		return accounts.Account{}, err
	}
	if planned.Home != before.Home && !planned.Home.IsRoot() {
		if err := m.newHome(ctx, planned); err != nil {
			return accounts.Account{}, err
		}
	}
	m.homes.quotas.Lock()
	defer m.homes.quotas.Unlock()
	had, err := m.accounts.Effective(ctx, before)
	if err != nil {
		return accounts.Account{}, err
	}
	if err := m.liftQuota(ctx, before, had, planned); err != nil {
		return accounts.Account{}, err
	}
	now, err := m.accounts.Update(ctx, name, revision, change, o)
	if err != nil {
		return accounts.Account{}, errors.Join(err, m.restoreQuota(ctx, before))
	}
	return now, m.moveQuota(ctx, before, had, now)
}

// liftQuota takes away the quota that an account is not to have any more, before
// the account says so: where it is cut short there, the next start puts it back.
// The other way round nobody would know whose quota it was.
func (m *Manager) liftQuota(ctx context.Context, before accounts.Account, had policy.Effective, planned accounts.Account) error {
	has, err := m.accounts.Effective(ctx, planned)
	if err != nil {
		return err
	}
	was, is := had.HomeQuota(), has.HomeQuota()
	if was.Bytes == nil && was.Files == nil || before.Home == planned.Home && (is.Bytes != nil || is.Files != nil) {
		return nil
	}
	return m.setQuota(ctx, before.Home, policy.Quota{})
}

// newHome makes the folder that an account's home is to be from now on, where
// it is missing.
func (m *Manager) newHome(ctx context.Context, a accounts.Account) error {
	if err := m.finishBelow(ctx, a.Home); err != nil {
		return err
	}
	there, err := m.homeThere(ctx, a.Home)
	if err != nil || there {
		return err
	}
	return m.mkdirHome(ctx, a)
}

// moveQuota brings the ledger in line with a changed account.
func (m *Manager) moveQuota(ctx context.Context, before accounts.Account, had policy.Effective, now accounts.Account) error {
	has, err := m.accounts.Effective(ctx, now)
	if err != nil {
		return err
	}
	was, is := had.HomeQuota(), has.HomeQuota()
	moved := before.Home != now.Home
	if moved && (was.Bytes != nil || was.Files != nil) {
		if err := m.setQuota(ctx, before.Home, policy.Quota{}); err != nil {
			return err
		}
	}
	if !moved && sameFigure(was.Bytes, is.Bytes) && sameFigure(was.Files, is.Files) {
		return nil
	}
	return m.setQuota(ctx, now.Home, is)
}

func sameFigure(a, b *int64) bool { return orUnlimited(a) == orUnlimited(b) }

// SetPassword gives an account a new password. Sessions that the old one proved
// are cut.
func (m *Manager) SetPassword(ctx context.Context, name, password string, mustChange bool) (accounts.Account, error) {
	a, err := m.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Account{}, err
	}
	made, err := m.auth.NewPassword(ctx, a, password)
	if err != nil {
		return accounts.Account{}, err
	}
	made.MustChange = mustChange
	changed, err := m.accounts.Update(ctx, name, 0, func(a *accounts.Account) error {
		a.Password = made
		return nil
	}, accounts.Guarded)
	if err != nil {
		return accounts.Account{}, err
	}
	m.judgeAccount(changed.ID)
	return changed, m.auth.Unlock(ctx, changed.ID)
}

// DeleteAccount deletes an account at once and for good. files says what becomes
// of its home: keep or delete. What of that cannot be done now is done later,
// also after a restart; the account is gone all the same.
func (m *Manager) DeleteAccount(ctx context.Context, name string, revision uint64, files string, o accounts.Option) error {
	m.homes.quotas.Lock()
	left, err := m.accounts.Remove(ctx, name, revision, accounts.Files(files), o)
	m.homes.quotas.Unlock()
	if err != nil {
		return err
	}
	m.judgeAccount(left.ID)
	if err := m.finish(ctx, left); err != nil {
		if errors.Is(err, context.Canceled) {
			return fmt.Errorf("the account is deleted, its home will be: %w", err)
		}
		m.log.Warn("the home of a deleted account is still there", "account", left.Name, "error", err)
	}
	return nil
}
