package selfservice

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	public, key := authtest.NewKey(t, 1)
	alice := w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	w.Add("bot", func(a *accounts.Account) { a.Shared = true })
	w.Add("guest", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{alice.ID} })
	withKey := authtest.SFTP("alice")
	withKey.Key = public
	s, files, job := w.login(authtest.API("alice")), w.login(authtest.SFTP("alice")), w.login(withKey)
	for _, bad := range []string{"correct horse", "short"} {
		if _, ok := errors.AsType[*accounts.InvalidError](w.ChangePassword(t.Context(), s, bad)); !ok {
			t.Errorf("%q is taken", bad)
		}
	}
	w.Must(w.ChangePassword(t.Context(), s, "battery staple"))
	waitCut(t, files)
	if got := waitCut(t, job); got != policy.RuleEnded {
		t.Errorf("got rule %q, want %q", got, policy.RuleEnded)
	}
	w.door.JudgeAccount(s.AccountID())
	if s.Context().Err() != nil || !s.Fresh() || s.Only() != session.OnlyNothing {
		t.Errorf("the session that changed it does not go on: %v", s.Context().Err())
	}
	if got := w.refusedBy(authtest.SFTP("alice")); got != policy.RuleCredential {
		t.Errorf("the old password: got rule %q", got)
	}
	_, err := w.admins.SetPassword(t.Context(), "alice", 0, "correct horse", true)
	w.Must(err)
	if got := waitCut(t, s); got != policy.RuleCredential {
		t.Errorf("an administrator's change: got rule %q, want %q", got, policy.RuleCredential)
	}
	s = w.login(authtest.API("alice"))
	if s.Only() != session.OnlyPassword {
		t.Errorf("got %q, want %q", s.Only(), session.OnlyPassword)
	}
	if _, err := w.BeginTOTP(t.Context(), s); !errors.Is(err, ErrLimited) {
		t.Errorf("a session that is to change the password enrols: %v", err)
	}
	w.Must(w.ChangePassword(t.Context(), s, "battery staple"))
	if s.Only() != session.OnlyNothing {
		t.Errorf("got %q after the change", s.Only())
	}
	if _, ok := errors.AsType[*accounts.InvalidError](w.ChangePassword(t.Context(), w.login(authtest.API("bot")), "battery staple")); !ok {
		t.Error("a shared account changes its password")
	}
	if _, ok := errors.AsType[*accounts.InvalidError](w.ChangePassword(t.Context(), w.login(authtest.API("guest")), "battery staple")); !ok {
		t.Error("a guest changes its password")
	}
	if _, err := w.BeginTOTP(t.Context(), w.login(authtest.API("bot"))); err == nil {
		t.Error("a shared account sets up a second factor")
	}
}

// What an account is proved with is changed by a person who has just proved it, and
// by no token.
func TestWhoMayChangeWhatProvesAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		_, s := w.enrol("alice")
		time.Sleep(10 * time.Minute)
		_, text, err := w.Accounts.AddCredential(t.Context(), "alice", 0, accounts.Credential{Kind: policy.KindToken, Name: "a job's"}, accounts.Guarded)
		w.Must(err)
		job, done, err := w.door.Request(t.Context(), auth.Attempt{Token: text, Door: policy.API, Transport: policy.TLS, Address: authtest.Client()})
		w.Must(err)
		defer done()
		for who, s := range map[string]*session.Session{"who proved it 10 minutes ago": s, "a token": job} {
			for name, do := range map[string]func() error{
				"password": func() error { return w.ChangePassword(t.Context(), s, "battery staple") },
				"begin":    func() error { _, err := w.BeginTOTP(t.Context(), s); return err },
				"confirm":  func() error { _, err := w.ConfirmTOTP(t.Context(), s, "0"); return err },
				"recovery": func() error { _, err := w.NewRecoveryCodes(t.Context(), s); return err },
				"removal":  func() error { return w.RemoveTOTP(t.Context(), s, 0) },
			} {
				if err := do(); !errors.Is(err, ErrNotFresh) {
					t.Errorf("%s, %s: got %v, want %v", who, name, err, ErrNotFresh)
				}
			}
		}
	})
}
