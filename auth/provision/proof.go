package provision

import (
	"context"

	"gatehouse/storage/accounts"
)

// SetPassword gives an account a new password. Sessions that the old one proved
// are cut, and a reset link that was made before is worth nothing any more. It
// lifts no lockout. revision is that of accounts.Store.Update.
func (p *Provisioner) SetPassword(ctx context.Context, name string, revision uint64, password string, mustChange bool) (accounts.Account, error) {
	a, err := p.accounts.Account(ctx, name)
	if err != nil {
		return accounts.Account{}, err
	}
	made, err := p.auth.NewPassword(ctx, a, password)
	if err != nil {
		return accounts.Account{}, err
	}
	made.MustChange = mustChange
	return p.setPassword(ctx, a, revision, made)
}

// setPassword changes an account that was read before, and not another that has its
// name by now; accounts.ErrNotFound.
func (p *Provisioner) setPassword(ctx context.Context, a accounts.Account, revision uint64, made *accounts.Password) (accounts.Account, error) {
	changed, err := p.accounts.Update(ctx, a.Name, revision, func(now *accounts.Account) error {
		if now.ID != a.ID {
			return accounts.ErrNotFound
		}
		now.Password = made
		return nil
	}, accounts.Guarded)
	if err != nil {
		return accounts.Account{}, err
	}
	p.sessions.JudgeAccount(changed.ID)
	return changed, nil
}

// RemoveTOTP takes an account's second factor away. Sessions that were proved with
// it are cut. revision is that of accounts.Store.Update.
func (p *Provisioner) RemoveTOTP(ctx context.Context, name string, revision uint64, o accounts.Option) (accounts.Account, error) {
	a, err := p.accounts.RemoveTOTP(ctx, name, revision, o)
	if err != nil {
		return accounts.Account{}, err
	}
	p.sessions.JudgeAccount(a.ID)
	return a, nil
}
