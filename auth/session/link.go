package session

import (
	"context"
	"fmt"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// ByLink judges an attempt that comes with a reset link or an invitation: the
// link is good, and status, expiry and addresses let its account in. It uses
// nothing up, and refuses as Login does.
func (m *Manager) ByLink(ctx context.Context, a auth.Attempt) (accounts.Link, error) {
	began := time.Now()
	proof, err := m.auth.Prove(ctx, a, auth.Once)
	if err != nil {
		return accounts.Link{}, fmt.Errorf("prove a link: %w", err)
	}
	// Nobody comes in, so nobody is counted.
	d := judged(proof)(policy.Sessions{Account: -1, Address: -1, All: -1})
	if !d.Allowed {
		return accounts.Link{}, m.refuse(ctx, began, a, proof, d)
	}
	return proof.Link, nil
}

// ResetByLink sets the password of a reset link's account, and uses the link up:
// not before the password is known to be one that can stand. The account's
// sessions that the old one proved are cut.
func (m *Manager) ResetByLink(ctx context.Context, a auth.Attempt, password string) (accounts.Account, error) {
	link, err := m.ByLink(ctx, a)
	if err != nil {
		return accounts.Account{}, err
	}
	if link.Kind != accounts.LinkReset {
		return accounts.Account{}, accounts.ErrLink
	}
	account, err := m.accounts.ByID(ctx, link.Account)
	if err != nil {
		return accounts.Account{}, err
	}
	made, err := m.otherPassword(ctx, account, password)
	if err != nil {
		return accounts.Account{}, err
	}
	if link, err = m.accounts.TakeLink(ctx, a.Link); err != nil {
		return accounts.Account{}, err
	}
	changed, err := m.setPassword(ctx, account.Name, made)
	if err != nil {
		if back := m.accounts.ReturnLink(context.WithoutCancel(ctx), link); back != nil {
			m.log.Warn("a link that was not used could not be put back", "account", account.Name, "error", back)
		}
		return accounts.Account{}, err
	}
	return changed, nil
}
