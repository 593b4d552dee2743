package selfservice

import (
	"context"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/storage/accounts"
)

// ChangePassword gives the account of a fresh session a new password, or of one
// that is there for nothing else. The session goes on; every other one of the
// account ends.
func (d *Desk) ChangePassword(ctx context.Context, s *session.Session, password string) error {
	a, err := d.own(ctx, s, "password", session.OnlyPassword)
	if err != nil {
		return err
	}
	made, err := d.otherPassword(ctx, a, password)
	if err != nil {
		return err
	}
	next := func(v *auth.Proved) *auth.Proved { return v.WithPassword(made.ID) }
	err = d.sessions.Rebind(s, next, func() (accounts.Account, error) {
		return d.changeSame(ctx, a, 0, func(now *accounts.Account) { now.Password = made })
	})
	if err != nil {
		return err
	}
	return d.sessions.EndOthers(ctx, s, "the account's password was changed")
}

// otherPassword makes a password for who must give another than the present one.
func (d *Desk) otherPassword(ctx context.Context, a accounts.Account, password string) (*accounts.Password, error) {
	same, err := d.auth.HasPassword(ctx, a, password)
	if err != nil {
		return nil, err
	}
	if same {
		return nil, &accounts.InvalidError{Field: "password", Why: "is the present one"}
	}
	return d.auth.NewPassword(ctx, a, password)
}
