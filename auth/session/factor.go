package session

import (
	"context"
	"errors"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Errors of who would change what an account is proved with: a person must prove
// the session anew first, or it is there for something else only.
var (
	ErrNotFresh = errors.New("the login is not fresh enough: prove it once more")
	ErrLimited  = errors.New("the login is good for something else only")
)

// errShared is the answer to a shared account that would change what all who
// share it log in with.
func errShared(field string) error {
	return &accounts.InvalidError{Field: field, Why: "is changed by an administrator: the account is shared"}
}

// own reads the account of a session that changes what the account is proved
// with. One that is limited may do it where that is what it is there for.
func (m *Manager) own(ctx context.Context, s *Session, field string, purpose Only) (accounts.Account, error) {
	if !s.Fresh() || s.ctx.Err() != nil {
		return accounts.Account{}, ErrNotFresh
	}
	if only := s.Only(); only != OnlyNothing && only != purpose {
		return accounts.Account{}, ErrLimited
	}
	a, err := m.accounts.ByID(ctx, s.accountID)
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

// BeginTOTP gives the account of a fresh session a second factor, which counts
// once ConfirmTOTP has seen a code of it.
func (m *Manager) BeginTOTP(ctx context.Context, s *Session) (auth.Enrolment, error) {
	a, err := m.own(ctx, s, "totp", OnlyEnrol)
	if err != nil {
		return auth.Enrolment{}, err
	}
	return m.auth.NewTOTP(ctx, a)
}

// ConfirmTOTP makes the second factor count that a session began with, and
// returns the recovery codes, which are shown once; auth.ErrWrongCode. The session
// has proved it and goes on; those that a password alone proved are cut.
func (m *Manager) ConfirmTOTP(ctx context.Context, s *Session, code string) ([]string, error) {
	a, err := m.own(ctx, s, "totp", OnlyEnrol)
	if err != nil {
		return nil, err
	}
	if a.TOTP == nil {
		return nil, accounts.ErrNotFound
	}
	var codes []string
	next := func(v *auth.Proved) *auth.Proved { return v.WithFactor(a.TOTP.ID) }
	err = m.rebind(s, next, func() (now accounts.Account, err error) {
		codes, now, err = m.auth.ConfirmTOTP(ctx, a, code)
		return now, err
	})
	return codes, err
}

// NewRecoveryCodes replaces all recovery codes of the account of a fresh session.
func (m *Manager) NewRecoveryCodes(ctx context.Context, s *Session) ([]string, error) {
	a, err := m.own(ctx, s, "recovery_codes", OnlyNothing)
	if err != nil {
		return nil, err
	}
	codes, _, err := m.accounts.RenewRecovery(ctx, a.Name, accounts.Guarded)
	return codes, err
}

// RemoveOwnTOTP takes the second factor of a fresh session's account away. The
// session goes on; others that were proved with it are cut. revision is that of
// accounts.Store.Update.
func (m *Manager) RemoveOwnTOTP(ctx context.Context, s *Session, revision uint64) error {
	a, err := m.own(ctx, s, "totp", OnlyNothing)
	if err != nil {
		return err
	}
	if a.TOTP == nil {
		return accounts.ErrNotFound
	}
	return m.rebind(s, (*auth.Proved).WithoutFactor, func() (accounts.Account, error) {
		return m.changeSame(ctx, a, revision, func(now *accounts.Account) { now.TOTP = nil })
	})
}

// RemoveTOTP takes an account's second factor away. Sessions that were proved
// with it are cut. revision is that of accounts.Store.Update.
func (m *Manager) RemoveTOTP(ctx context.Context, name string, revision uint64, o accounts.Option) (accounts.Account, error) {
	a, err := m.accounts.RemoveTOTP(ctx, name, revision, o)
	if err != nil {
		return accounts.Account{}, err
	}
	m.judgeAccount(a.ID)
	return a, nil
}

// rebind makes a change of what an account is proved with, by a session that
// goes on with the new in the place of the old.
func (m *Manager) rebind(s *Session, next func(*auth.Proved) *auth.Proved, change func() (accounts.Account, error)) error {
	s.proving.Lock()
	defer s.proving.Unlock()
	before := s.proved.Load()
	both := next(before)
	s.proved.Store(both)
	now, err := change()
	if err != nil {
		s.proved.Store(before)
		m.judge(s)
		return err
	}
	s.proved.Store(both.Settled(now))
	m.judgeAccount(now.ID)
	return nil
}

// ChangeOwnPassword gives the account of a fresh session a new password, or of
// one that is there for nothing else. The session goes on; every other one of the
// account ends.
func (m *Manager) ChangeOwnPassword(ctx context.Context, s *Session, password string) error {
	a, err := m.own(ctx, s, "password", OnlyPassword)
	if err != nil {
		return err
	}
	made, err := m.otherPassword(ctx, a, password)
	if err != nil {
		return err
	}
	next := func(v *auth.Proved) *auth.Proved { return v.WithPassword(made.ID) }
	err = m.rebind(s, next, func() (accounts.Account, error) {
		return m.changeSame(ctx, a, 0, func(now *accounts.Account) { now.Password = made })
	})
	if err != nil {
		return err
	}
	return m.endOthers(ctx, s, "the account's password was changed")
}

// otherPassword is NewPassword for who must give another than the present one.
func (m *Manager) otherPassword(ctx context.Context, a accounts.Account, password string) (*accounts.Password, error) {
	same, err := m.auth.HasPassword(ctx, a, password)
	if err != nil {
		return nil, err
	}
	if same {
		return nil, &accounts.InvalidError{Field: "password", Why: "is the present one"}
	}
	return m.auth.NewPassword(ctx, a, password)
}

// endOthers ends every other session of the account of s, on whichever node.
func (m *Manager) endOthers(ctx context.Context, s *Session, why string) error {
	e := ending{Why: why, But: s.id, At: time.Now()}
	m.ended.note(endAccount+s.accountID, e)
	for _, other := range m.table.of(s.accountID) {
		if other != s {
			m.end(other, policy.Decision{Rule: policy.RuleEnded, Because: why})
		}
	}
	return m.shared.wish(ctx, endAccount+s.accountID, e)
}
