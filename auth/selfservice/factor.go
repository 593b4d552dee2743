package selfservice

import (
	"context"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/storage/accounts"
)

// BeginTOTP gives the account of a fresh session a second factor, which counts
// once ConfirmTOTP has seen a code of it.
func (d *Desk) BeginTOTP(ctx context.Context, s *session.Session) (auth.Enrolment, error) {
	a, err := d.own(ctx, s, "totp", session.OnlyEnrol)
	if err != nil {
		return auth.Enrolment{}, err
	}
	return d.auth.NewTOTP(ctx, a)
}

// ConfirmTOTP makes the second factor count that a session began with, and
// returns the recovery codes, which are shown once; auth.ErrWrongCode. The session
// has proved it and goes on; those that a password alone proved are cut.
func (d *Desk) ConfirmTOTP(ctx context.Context, s *session.Session, code string) ([]string, error) {
	a, err := d.own(ctx, s, "totp", session.OnlyEnrol)
	if err != nil {
		return nil, err
	}
	if a.TOTP == nil {
		return nil, accounts.ErrNotFound
	}
	var codes []string
	next := func(v *auth.Proved) *auth.Proved { return v.WithFactor(a.TOTP.ID) }
	err = d.sessions.Rebind(s, next, func() (now accounts.Account, err error) {
		codes, now, err = d.auth.ConfirmTOTP(ctx, a, code)
		return now, err
	})
	return codes, err
}

// NewRecoveryCodes replaces all recovery codes of the account of a fresh session.
func (d *Desk) NewRecoveryCodes(ctx context.Context, s *session.Session) ([]string, error) {
	a, err := d.own(ctx, s, "recovery_codes", session.OnlyNothing)
	if err != nil {
		return nil, err
	}
	codes, _, err := d.accounts.RenewRecovery(ctx, a.Name, accounts.Guarded)
	return codes, err
}

// RemoveTOTP takes the second factor of a fresh session's account away. The
// session goes on; others that were proved with it are cut. revision is that of
// accounts.Store.Update.
func (d *Desk) RemoveTOTP(ctx context.Context, s *session.Session, revision uint64) error {
	a, err := d.own(ctx, s, "totp", session.OnlyNothing)
	if err != nil {
		return err
	}
	if a.TOTP == nil {
		return accounts.ErrNotFound
	}
	return d.sessions.Rebind(s, (*auth.Proved).WithoutFactor, func() (accounts.Account, error) {
		return d.changeSame(ctx, a, revision, func(now *accounts.Account) { now.TOTP = nil })
	})
}
