package selfservice

import (
	"errors"
	"testing"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Whoever sets up a second factor goes on; sessions that the password alone
// proved end, and those of other credentials do not.
func TestEnrolmentCutsWhatAPasswordAloneOpened(t *testing.T) {
	w := newWorld(t)
	public, key := authtest.NewKey(t, 1)
	w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	withKey := authtest.SFTP("alice")
	withKey.Key = public
	job, files := w.login(withKey), w.login(authtest.SFTP("alice"))
	codes, self := w.enrol("alice")
	if got := waitCut(t, files); got != policy.RuleSecondFactor {
		t.Errorf("got rule %q, want %q", got, policy.RuleSecondFactor)
	}
	if job.Context().Err() != nil || self.Context().Err() != nil {
		t.Error("the session that enrolled, or that of a key, was cut")
	}
	if len(codes) != 10 {
		t.Errorf("got %d recovery codes", len(codes))
	}
	withCode := authtest.SFTP("alice")
	withCode.Code = codes[0]
	other := w.login(withCode)
	renewed, err := w.NewRecoveryCodes(t.Context(), self)
	if err != nil || len(renewed) != 10 || renewed[1] == codes[1] {
		t.Errorf("got %v %v", renewed, err)
	}
	withCode.Code = codes[1]
	if got := w.refusedBy(withCode); got != policy.RuleSecondFactor {
		t.Errorf("an old recovery code: got rule %q", got)
	}
	_, err = w.admins.RemoveTOTP(t.Context(), "alice", 0, accounts.Guarded)
	w.Must(err)
	for _, cut := range []*session.Session{self, other} {
		if got := waitCut(t, cut); got != policy.RuleCredential {
			t.Errorf("after a reset: got rule %q, want %q", got, policy.RuleCredential)
		}
	}
	if job.Context().Err() != nil {
		t.Error("the session of a key was cut")
	}
}

// Whoever takes the own second factor away goes on; what else it proved ends.
func TestRemoveTOTP(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	codes, s := w.enrol("alice")
	other := authtest.SFTP("alice")
	other.Code = codes[0]
	files := w.login(other)
	w.Must(w.RemoveTOTP(t.Context(), s, 0))
	waitCut(t, files)
	w.door.JudgeAccount(s.AccountID())
	if s.Context().Err() != nil {
		t.Error("the session that took it away was cut")
	}
	if got := w.refusedBy(authtest.SFTP("alice")); got != "" {
		t.Errorf("the password alone: got rule %q", got)
	}
}

// An account that must have a second factor and has none comes in to set one up,
// and to do nothing else.
func TestEnrolOnly(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.ChangeSite(func(s *accounts.Site) { s.SecondFactor = policy.SecondFactorRequired })
	if got := w.refusedBy(authtest.SFTP("alice")); got != policy.RuleEnrol {
		t.Errorf("got rule %q, want %q", got, policy.RuleEnrol)
	}
	s := w.login(authtest.API("alice"))
	if !s.MustEnrol() || s.MustChange() || s.Only() != session.OnlyEnrol {
		t.Errorf("got %q", s.Only())
	}
	if err := w.ChangePassword(t.Context(), s, "battery staple"); !errors.Is(err, ErrLimited) {
		t.Errorf("a session that is to enrol changes the password: %v", err)
	}
	made, err := w.BeginTOTP(t.Context(), s)
	w.Must(err)
	if _, err := w.ConfirmTOTP(t.Context(), s, "0"); !errors.Is(err, auth.ErrWrongCode) {
		t.Errorf("got %v, want %v", err, auth.ErrWrongCode)
	}
	if s.Context().Err() != nil {
		t.Fatal("a wrong code cut the session")
	}
	_, err = w.ConfirmTOTP(t.Context(), s, authtest.CodeOf(t, made.Secret, 0))
	w.Must(err)
	if s.Only() != session.OnlyNothing || s.Context().Err() != nil || !s.Fresh() {
		t.Errorf("after the enrolment: only %q, fresh %v, %v", s.Only(), s.Fresh(), s.Context().Err())
	}
}
