package provision

import (
	"context"

	"gatehouse/storage/accounts"
)

// Create makes an account with its home and the quota on it. A password is optional;
// to have it changed asks for one. Where the home is there already it
// is accounts.ErrHome, unless it is to be adopted. Where it is cut short, the same
// call again goes on.
func (p *Provisioner) Create(ctx context.Context, a accounts.Account, password string, mustChange, adoptHome bool) (accounts.Account, error) {
	a, err := p.prepareAccount(ctx, a, password, mustChange)
	if err != nil {
		return accounts.Account{}, err
	}
	effective, err := p.accounts.Effective(ctx, a)
	if err != nil {
		return accounts.Account{}, err
	}
	if err := p.makeHome(ctx, a, adoptHome); err != nil {
		return accounts.Account{}, err
	}
	if err := p.prepareQuota(ctx, a, effective); err != nil {
		return accounts.Account{}, err
	}
	made, err := p.accounts.Create(ctx, a)
	if err != nil {
		// Where somebody made it meanwhile the quota is theirs.
		p.keepQuota(accountOwner(a.ID))
		if other, lerr := p.accounts.Account(ctx, a.Name); lerr == nil {
			p.keepQuota(accountOwner(other.ID))
		}
		return accounts.Account{}, err
	}
	p.keepQuota(accountOwner(made.ID))
	return made, nil
}

// prepareAccount judges what an account will be before a password is hashed for it.
func (p *Provisioner) prepareAccount(ctx context.Context, a accounts.Account, password string, mustChange bool) (accounts.Account, error) {
	switch {
	case password != "":
		a.Password = &accounts.Password{MustChange: mustChange}
	case mustChange:
		return a, &accounts.InvalidError{Field: "must_change", Why: "the account has no password"}
	}
	a, err := p.accounts.Prepare(ctx, a)
	if err != nil || password == "" {
		return a, err
	}
	made, err := p.auth.NewPassword(ctx, a, password)
	if err != nil {
		return a, err
	}
	made.MustChange = mustChange
	a.Password = made
	return a, nil
}

// Change is accounts.Store.Update, with what a change asks for around it: a new home
// is made, and the quota follows. A new home that is there already is
// accounts.ErrHome.
func (p *Provisioner) Change(ctx context.Context, name string, revision uint64, change func(*accounts.Account) error, o accounts.Option) (accounts.Account, error) {
	return p.change(ctx, name, revision, change, o, false)
}

// ChangeAdopting is Change that takes a new home as it is, where it is there already.
func (p *Provisioner) ChangeAdopting(ctx context.Context, name string, revision uint64, change func(*accounts.Account) error, o accounts.Option) (accounts.Account, error) {
	return p.change(ctx, name, revision, change, o, true)
}

func (p *Provisioner) change(ctx context.Context, name string, revision uint64, change func(*accounts.Account) error, o accounts.Option, adopt bool) (accounts.Account, error) {
	before, err := p.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Account{}, err
	}
	planned, err := p.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Account{}, err
	}
	if err := change(&planned); err != nil {
		return accounts.Account{}, err
	}
	made := false
	if planned.Home != before.Home && !planned.Home.IsRoot() {
		if made, err = p.newHome(ctx, planned, adopt); err != nil {
			return accounts.Account{}, err
		}
	}
	now, err := p.accounts.Update(ctx, name, revision, change, o)
	if err != nil {
		if made {
			p.dropHome(context.WithoutCancel(ctx), planned)
		}
		return accounts.Account{}, err
	}
	return now, p.followQuota(ctx, accountOwner(now.ID))
}

// Delete deletes an account at once and for good, and its sessions here with it.
// files says what becomes of its home: keep or delete. What of that cannot be done
// now is done later, also after a restart; the account is gone all the same.
func (p *Provisioner) Delete(ctx context.Context, name string, revision uint64, files string, o accounts.Option) error {
	left, err := p.remove(ctx, name, revision, accounts.Files(files), o)
	if err != nil {
		return err
	}
	p.sessions.JudgeAccount(left.ID)
	if err := p.finish(ctx, left); err != nil {
		p.log.Warn("the home of a deleted account is still there", "account", left.Name, "error", err)
	}
	return nil
}

// remove deletes an account while nobody looks at it to set its quota, which
// would then come after its home is gone.
func (p *Provisioner) remove(ctx context.Context, name string, revision uint64, files accounts.Files, o accounts.Option) (accounts.Leaving, error) {
	a, err := p.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Leaving{}, err
	}
	unlock, err := p.order.owners.Lock(ctx, accountOwner(a.ID))
	if err != nil {
		return accounts.Leaving{}, err
	}
	defer unlock()
	return p.accounts.Remove(ctx, name, revision, files, o)
}
