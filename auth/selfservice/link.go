package selfservice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

// ByLink judges an attempt that comes with a reset link or an invitation: the
// link is good, and status, expiry and addresses let its account in. It uses
// nothing up, and refuses as a login does.
func (d *Desk) ByLink(ctx context.Context, a auth.Attempt) (links.Link, error) {
	proof, err := d.sessions.Admit(ctx, a, d.stillMay)
	return proof.Link, err
}

// stillMay judges anew whether who made a reset link may set that password: a
// link that was put aside is worth nothing to who has lost the right since. What
// an invitation promises is judged as a whole, by who accepts it.
func (d *Desk) stillMay(ctx context.Context, p auth.Proof) (policy.Decision, error) {
	if p.Link.Kind == links.Reset && setsNone(p.Account) {
		return policy.Decision{Rule: policy.RuleCredential, Because: "the account is a shared one or a guest's by now, and sets no password of its own"}, nil
	}
	maker, effective, err := d.accounts.LookByID(ctx, p.Link.By)
	switch {
	case p.Link.Kind != links.Reset, errors.Is(err, accounts.ErrNotFound):
		// The local socket makes links, too; those of an account end with it.
		return policy.Decision{Allowed: true, Rule: policy.RuleLink}, nil
	case err != nil:
		return policy.Decision{}, fmt.Errorf("look for who made a link: %w", err)
	case maker.State(time.Now()) != accounts.Enabled:
		return policy.Decision{Rule: policy.RuleCredential, Because: "who made the link, " + maker.Name + ", is disabled or has expired"}, nil
	}
	groups, err := d.accounts.Groups(ctx)
	if err != nil {
		return policy.Decision{}, fmt.Errorf("look for the groups of who made a link: %w", err)
	}
	actor := policy.Actor{Effective: effective}
	for _, g := range groups {
		if slices.Contains(g.Managers, maker.ID) {
			actor.Heads = append(actor.Heads, g.Group)
		}
	}
	v := actor.MaySetPassword(p.Account.Account)
	if !v.Allowed {
		v.Rule, v.Because = policy.RuleCredential, "who made the link, "+maker.Name+", may do so no more: "+v.Because
	}
	return v.Decision, nil
}

// setsNone reports whether an account's password is for others to set.
func setsNone(a accounts.Account) bool { return a.Shared || a.Role == policy.RoleGuest }

// ResetByLink sets the password of a reset link's account, and uses the link up:
// not before the password is known to be one that can stand. The account's
// sessions that the old one proved are cut. It lifts no lockout.
func (d *Desk) ResetByLink(ctx context.Context, a auth.Attempt, password string) (accounts.Account, error) {
	link, err := d.ByLink(ctx, a)
	if err != nil {
		return accounts.Account{}, err
	}
	if link.Kind != links.Reset {
		return accounts.Account{}, links.ErrGone
	}
	account, err := d.accounts.ByID(ctx, link.Account)
	if err != nil {
		return accounts.Account{}, err
	}
	made, err := d.otherPassword(ctx, account, password)
	if err != nil {
		return accounts.Account{}, err
	}
	if link, err = d.accounts.Links().Take(ctx, a.Link); err != nil {
		return accounts.Account{}, err
	}
	changed, err := d.setByLink(ctx, account, made)
	if err != nil {
		if back := d.accounts.Links().Return(context.WithoutCancel(ctx), link); back != nil {
			d.log.Warn("a link that was not used could not be put back", "account", account.Name, "error", back)
		}
		return accounts.Account{}, err
	}
	return changed, nil
}

// setByLink sets the password of an account that still has the one that it had
// when its link was taken, and sets its own: of two new ones at once the link's
// gives way.
func (d *Desk) setByLink(ctx context.Context, a accounts.Account, made *accounts.Password) (accounts.Account, error) {
	changed, err := d.accounts.Update(ctx, a.Name, 0, func(now *accounts.Account) error {
		if now.ID != a.ID || passwordID(*now) != passwordID(a) || setsNone(*now) {
			return links.ErrGone
		}
		now.Password = made
		return nil
	}, accounts.Guarded)
	if err != nil {
		return accounts.Account{}, err
	}
	d.sessions.JudgeAccount(changed.ID)
	return changed, nil
}

func passwordID(a accounts.Account) string {
	if a.Password == nil {
		return ""
	}
	return a.Password.ID
}
