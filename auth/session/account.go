package session

import (
	"context"

	"gatehouse/storage/accounts"
)

// CreateAccount makes an account with its home and the quota on it. A password
// is optional; to have it changed asks for one. Where the home is there already it
// is accounts.ErrHome, unless it is to be adopted. Where it is cut short, the same
// call again goes on.
func (m *Manager) CreateAccount(ctx context.Context, a accounts.Account, password string, mustChange, adoptHome bool) (accounts.Account, error) {
	a, err := m.prepareAccount(ctx, a, password, mustChange)
	if err != nil {
		return accounts.Account{}, err
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

// prepareAccount judges what an account will be before a password is hashed for it.
func (m *Manager) prepareAccount(ctx context.Context, a accounts.Account, password string, mustChange bool) (accounts.Account, error) {
	switch {
	case password != "":
		a.Password = &accounts.Password{MustChange: mustChange}
	case mustChange:
		return a, &accounts.InvalidError{Field: "must_change", Why: "the account has no password"}
	}
	a, err := m.accounts.Prepare(ctx, a)
	if err != nil || password == "" {
		return a, err
	}
	made, err := m.auth.NewPassword(ctx, a, password)
	if err != nil {
		return a, err
	}
	made.MustChange = mustChange
	a.Password = made
	return a, nil
}

// ChangeAccount is accounts.Update, with what a change asks for around it: a new
// home is made, and the quota follows. A new home that is there already is
// accounts.ErrHome.
func (m *Manager) ChangeAccount(ctx context.Context, name string, revision uint64, change func(*accounts.Account) error, o accounts.Option) (accounts.Account, error) {
	return m.changeAccount(ctx, name, revision, change, o, false)
}

// ChangeAdopting is ChangeAccount that takes a new home as it is, where it is
// there already.
func (m *Manager) ChangeAdopting(ctx context.Context, name string, revision uint64, change func(*accounts.Account) error, o accounts.Option) (accounts.Account, error) {
	return m.changeAccount(ctx, name, revision, change, o, true)
}

func (m *Manager) changeAccount(ctx context.Context, name string, revision uint64, change func(*accounts.Account) error, o accounts.Option, adopt bool) (accounts.Account, error) {
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
	made := false
	if planned.Home != before.Home && !planned.Home.IsRoot() {
		if made, err = m.newHome(ctx, planned, adopt); err != nil {
			return accounts.Account{}, err
		}
	}
	now, err := m.accounts.Update(ctx, name, revision, change, o)
	if err != nil {
		if made {
			m.dropHome(context.WithoutCancel(ctx), planned)
		}
		return accounts.Account{}, err
	}
	return now, m.followQuota(ctx, accountOwner(now.ID))
}

// newHome makes the folder that an account's home is to be from now on, and
// reports whether it did: one that is there already is for who adopts it.
func (m *Manager) newHome(ctx context.Context, a accounts.Account, adopt bool) (made bool, err error) {
	if err := m.finishBelow(ctx, a.Home); err != nil {
		return false, err
	}
	there, err := m.takesHome(ctx, a, adopt)
	if err != nil || there {
		return false, err
	}
	return true, m.mkdirHome(ctx, a)
}

// dropHome takes back the home of a change that did not come about, so that the
// next try does not find it there.
func (m *Manager) dropHome(ctx context.Context, a accounts.Account) {
	if err := m.System(actor).RemoveDir(ctx, a.Home); err != nil {
		m.log.Warn("a home that was made for nothing could not be taken back", "account", a.Name, "home", a.Home.String(), "error", err)
	}
}

// SetPassword gives an account a new password. Sessions that the old one proved
// are cut, and a reset link that was made before is worth nothing any more. It
// lifts no lockout. revision is that of accounts.Store.Update.
func (m *Manager) SetPassword(ctx context.Context, name string, revision uint64, password string, mustChange bool) (accounts.Account, error) {
	a, err := m.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Account{}, err
	}
	made, err := m.auth.NewPassword(ctx, a, password)
	if err != nil {
		return accounts.Account{}, err
	}
	made.MustChange = mustChange
	return m.setPassword(ctx, a, revision, made)
}

// changeSame changes an account that was read before, and not another that has
// its name by now; accounts.ErrNotFound.
func (m *Manager) changeSame(ctx context.Context, a accounts.Account, revision uint64, change func(*accounts.Account)) (accounts.Account, error) {
	return m.accounts.Update(ctx, a.Name, revision, func(now *accounts.Account) error {
		if now.ID != a.ID {
			return accounts.ErrNotFound
		}
		change(now)
		return nil
	}, accounts.Guarded)
}

func (m *Manager) setPassword(ctx context.Context, a accounts.Account, revision uint64, made *accounts.Password) (accounts.Account, error) {
	changed, err := m.changeSame(ctx, a, revision, func(now *accounts.Account) { now.Password = made })
	if err != nil {
		return accounts.Account{}, err
	}
	m.judgeAccount(changed.ID)
	return changed, nil
}

// DeleteAccount deletes an account at once and for good. files says what becomes
// of its home: keep or delete. What of that cannot be done now is done later,
// also after a restart; the account is gone all the same.
func (m *Manager) DeleteAccount(ctx context.Context, name string, revision uint64, files string, o accounts.Option) error {
	left, err := m.remove(ctx, name, revision, accounts.Files(files), o)
	if err != nil {
		return err
	}
	m.judgeAccount(left.ID)
	if err := m.finish(ctx, left); err != nil {
		m.log.Warn("the home of a deleted account is still there", "account", left.Name, "error", err)
	}
	return nil
}

// remove deletes an account while nobody looks at it to set its quota, which
// would then come after its home is gone.
func (m *Manager) remove(ctx context.Context, name string, revision uint64, files accounts.Files, o accounts.Option) (accounts.Leaving, error) {
	a, err := m.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Leaving{}, err
	}
	unlock, err := m.homes.owners.Lock(ctx, accountOwner(a.ID))
	if err != nil {
		return accounts.Leaving{}, err
	}
	defer unlock()
	return m.accounts.Remove(ctx, name, revision, files, o)
}
