package session

import (
	"context"
	"errors"
	"fmt"

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
	if err := m.prepareQuota(ctx, a, effective); err != nil {
		return accounts.Account{}, err
	}
	made, err := m.accounts.Create(ctx, a)
	if err != nil {
		// Where somebody made it meanwhile the quota is theirs.
		m.keepQuota(accountOwner(a.ID))
		if other, lerr := m.accounts.Account(ctx, a.Name); lerr == nil {
			m.keepQuota(accountOwner(other.ID))
		}
		return accounts.Account{}, err
	}
	m.keepQuota(accountOwner(made.ID))
	return made, nil
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
	now, err := m.accounts.Update(ctx, name, revision, change, o)
	if err != nil {
		return accounts.Account{}, err
	}
	m.homes.quotas.Lock()
	defer m.homes.quotas.Unlock()
	return now, m.followQuota(ctx, accountOwner(now.ID))
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
	return m.setPassword(ctx, a, made)
}

// changeSame changes an account that was read before, and not another that has
// its name by now; accounts.ErrNotFound.
func (m *Manager) changeSame(ctx context.Context, a accounts.Account, change func(*accounts.Account)) (accounts.Account, error) {
	return m.accounts.Update(ctx, a.Name, 0, func(now *accounts.Account) error {
		if now.ID != a.ID {
			return accounts.ErrNotFound
		}
		change(now)
		return nil
	}, accounts.Guarded)
}

func (m *Manager) setPassword(ctx context.Context, a accounts.Account, made *accounts.Password) (accounts.Account, error) {
	changed, err := m.changeSame(ctx, a, func(now *accounts.Account) { now.Password = made })
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
