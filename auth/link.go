package auth

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

// meetLink finds what holds for whoever comes with a reset link or an
// invitation: the rules of the link's account or, where that is still to be
// made, of what it will be. A link that is not good is nobody's.
func (z *Authenticator) meetLink(ctx context.Context, a Attempt) (p Proof, err error) {
	p.Link, err = z.accounts.Links().Look(ctx, a.Link)
	switch {
	case errors.Is(err, links.ErrGone):
		p.Effective, err = z.accounts.Effective(ctx, stranger())
		return p, err
	case err != nil:
		return p, fmt.Errorf("look at a link: %w", err)
	case p.Link.Kind == links.Reset:
		p.Account, p.Effective, err = z.accounts.LookByID(ctx, p.Link.Account)
		return p, err
	}
	draft, err := z.accounts.Draft(p.Link, stranger().Name)
	if err != nil {
		return p, fmt.Errorf("read an invitation: %w", err)
	}
	p.Effective, err = z.accounts.Effective(ctx, draft)
	return p, err
}

// stranger stands for whoever comes with what names no account: the rules of the
// site hold for them, and it is the credential that is wrong.
func stranger() accounts.Account {
	return accounts.Account{Account: policy.Account{Name: "stranger", Role: policy.RoleUser}}
}

// link judges a link: that it was found is the proof. It is taken by what it is
// for, not by being looked at.
func (z *Authenticator) link(p *Proof, a Attempt) {
	c := policy.Credential{Kind: policy.KindLink, ID: p.Link.ID, Proved: p.Link.ID != ""}
	if c.Proved {
		c.Expires = p.Link.Expires
	} else {
		p.failing, p.wrong = failsAddress, a.Link
		p.Why = "the link was used, has expired or was revoked"
	}
	p.Attempt.Credential = c
}
