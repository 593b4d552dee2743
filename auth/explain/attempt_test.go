package explain

import (
	"errors"
	"net/netip"
	"testing"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// lastRefusal is the event of the last login that was refused.
func (w *world) lastRefusal() events.Event {
	w.t.Helper()
	list := w.EventsOf(events.Refused)
	return list[len(list)-1]
}

// wantAgain judges the last refused login again.
func (w *world) wantAgain(what string, want policy.Rule) Again {
	w.t.Helper()
	again, err := w.Again(w.t.Context(), w.lastRefusal())
	w.Must(err)
	if got := again.Effective.Admit(again.Attempt).Rule; got != want {
		w.t.Errorf("%s: got rule %q, want %q", what, got, want)
	}
	return again
}

// Somebody reads the reference of a refusal out to an administrator, who has
// mended what was wrong, or has not: the same attempt must say which.
func TestRefusedAttemptJudgedAgain(t *testing.T) {
	w := newWorld(t)
	public, key := authtest.NewKey(t, 1)
	a := w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	w.ChangeSite(func(s *accounts.Site) { s.Lockout.Failures = 1; s.Ban.Failures = 0 })
	wrong, clear, withKey := authtest.SFTP("alice"), authtest.SFTP("alice"), authtest.SFTP("alice")
	wrong.Password = "guess"
	clear.Door, clear.Transport = policy.FTP, policy.Clear
	withKey.Key, withKey.Password = public, ""
	keyed := a.Keys[0].ID

	w.refusedBy(wrong)
	w.wantAgain("a wrong password, now that it has locked the account", policy.RuleLockout)
	w.Must(w.Auth.Unlock(t.Context(), a.ID))
	w.wantAgain("a wrong password, taken for right", policy.RuleAdmitted)

	w.refusedBy(clear)
	w.wantAgain("clear FTP", policy.RulePlainFTP)
	w.Change("alice", func(a *accounts.Account) { a.PlainFTP = policy.Allow })
	w.wantAgain("clear FTP, allowed by now", policy.RuleAdmitted)

	w.Change("alice", func(a *accounts.Account) { a.Status.Disabled = true })
	w.refusedBy(withKey)
	w.wantAgain("a key of a disabled account", policy.RuleStatus)
	w.Change("alice", func(a *accounts.Account) { a.Status = policy.Status{} })
	again := w.wantAgain("a key", policy.RuleAdmitted)
	if c := again.Attempt.Credential; c.ID != keyed || again.Account.ID != a.ID || again.Attempt.Address != authtest.Client() || again.Attempt.Transport != policy.SSH {
		t.Errorf("got %+v, want alice's key from the same address", again.Attempt)
	}
	w.Change("alice", func(a *accounts.Account) { a.Keys = nil })
	w.wantAgain("a key that is gone", policy.RuleCredential)

	_, err := w.Accounts.Remove(t.Context(), "alice", 0, accounts.DeleteFiles, accounts.Guarded)
	w.Must(err)
	if _, err := w.Again(t.Context(), w.lastRefusal()); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("of an account that is gone: got %v, want that there is none", err)
	}
	w.refusedBy(authtest.SFTP("nobody"))
	if _, err := w.Again(t.Context(), w.lastRefusal()); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("of nobody: got %v, want that there is no account", err)
	}
}

// A code that was not given is not given again.
func TestRefusedForItsCodeJudgedAgain(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	a, err := w.Accounts.Account(t.Context(), "alice")
	w.Must(err)
	made, err := w.Auth.NewTOTP(t.Context(), a)
	w.Must(err)
	a, err = w.Accounts.Account(t.Context(), "alice")
	w.Must(err)
	_, _, err = w.Auth.ConfirmTOTP(t.Context(), a, authtest.CodeOf(t, made.Secret, 0))
	w.Must(err)
	w.refusedBy(authtest.WebDAV("alice"))
	w.wantAgain("a password at a door that asks for no code", policy.RuleSecondFactor)
	w.Change("alice", func(a *accounts.Account) { a.TOTP = nil })
	w.wantAgain("after the factor was reset", policy.RuleAdmitted)
}

func TestSituation(t *testing.T) {
	w := newWorld(t)
	a := w.Add("alice", nil)
	s, err := w.door.Login(t.Context(), authtest.SFTP("alice"))
	w.Must(err)
	defer s.Close()
	banned, locked, counts, err := w.Situation(t.Context(), a, netip.MustParseAddr("::ffff:198.51.100.7"))
	if err != nil || banned || locked || counts != (policy.Sessions{Account: 1, Address: 1, All: 1}) {
		t.Errorf("got %v %v %+v %v", banned, locked, counts, err)
	}
}
