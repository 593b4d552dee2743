// Package selfservice is what accounts do themselves about what they are proved with:
// in a session that a person has just proved, or with a reset link. Who does it goes
// on; sessions that the old proof opened are cut.
package selfservice

import (
	"context"
	"errors"
	"log/slog"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Errors of who would change what an account is proved with: a person must prove
// the session anew first, or it is there for something else only.
var (
	ErrNotFresh = errors.New("the login is not fresh enough: prove it once more")
	ErrLimited  = errors.New("the login is good for something else only")
)

// Sessions is the part of the sessions that a desk asks.
type Sessions interface {
	// Admit judges an attempt that becomes no session, and refuses as a login does;
	// further is asked last.
	Admit(ctx context.Context, a auth.Attempt, further session.Further) (auth.Proof, error)
	// Rebind has a session go on by what next makes of its proof, once change has come
	// about, and cuts those that the old proof opened.
	Rebind(s *session.Session, next func(*auth.Proved) *auth.Proved, change func() (accounts.Account, error)) error
	// EndOthers ends every other session of the account of s, on whichever node.
	EndOthers(ctx context.Context, s *session.Session, why string) error
	// JudgeAccount has the sessions of an account that are open here judged anew.
	JudgeAccount(id string)
}

// Config is what a Desk is made of.
type Config struct {
	Accounts *accounts.Store
	Auth     *auth.Authenticator
	Sessions Sessions
	Log      *slog.Logger
}

// A Desk serves accounts that change what they are proved with. Safe for concurrent
// use.
type Desk struct {
	accounts *accounts.Store
	auth     *auth.Authenticator
	sessions Sessions
	log      *slog.Logger
}

// New makes a desk.
func New(c Config) *Desk {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{c.Accounts, c.Auth, c.Sessions, c.Log}
}

// own reads the account of a session that changes what the account is proved
// with. One that is limited may do it where that is what it is there for.
func (d *Desk) own(ctx context.Context, s *session.Session, field string, purpose session.Only) (accounts.Account, error) {
	if !s.Fresh() || s.Context().Err() != nil {
		return accounts.Account{}, ErrNotFresh
	}
	if only := s.Only(); only != session.OnlyNothing && only != purpose {
		return accounts.Account{}, ErrLimited
	}
	a, err := d.accounts.ByID(ctx, s.AccountID())
	if err != nil {
		return accounts.Account{}, err
	}
	if a.Shared {
		return accounts.Account{}, errShared(field)
	}
	if a.Role == policy.RoleGuest && field == "password" {
		return accounts.Account{}, &accounts.InvalidError{Field: field, Why: "of a guest is set by its managers and by administrators"}
	}
	return a, nil
}

// errShared is the answer to a shared account that would change what all who
// share it log in with.
func errShared(field string) error {
	return &accounts.InvalidError{Field: field, Why: "is changed by an administrator: the account is shared"}
}

// changeSame changes an account that was read before, and not another that has
// its name by now; accounts.ErrNotFound.
func (d *Desk) changeSame(ctx context.Context, a accounts.Account, revision uint64, change func(*accounts.Account)) (accounts.Account, error) {
	return d.accounts.Update(ctx, a.Name, revision, func(now *accounts.Account) error {
		if now.ID != a.ID {
			return accounts.ErrNotFound
		}
		change(now)
		return nil
	}, accounts.Guarded)
}
