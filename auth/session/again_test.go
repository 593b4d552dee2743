package session

import (
	"errors"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// lastRefusal is the event of the last login that was refused.
func (w *world) lastRefusal() events.Event {
	w.t.Helper()
	list := w.eventsOf(events.Refused)
	return list[len(list)-1]
}

// wantAgain judges the last refused login again.
func (w *world) wantAgain(what string, want policy.Rule) Again {
	w.t.Helper()
	again, err := w.Again(w.t.Context(), w.lastRefusal())
	w.must(err)
	if got := again.Effective.Admit(again.Attempt).Rule; got != want {
		w.t.Errorf("%s: got rule %q, want %q", what, got, want)
	}
	return again
}

// Somebody reads the reference of a refusal out to an administrator, who has
// mended what was wrong, or has not: the same attempt must say which.
func TestRefusedAttemptJudgedAgain(t *testing.T) {
	w := newWorld(t)
	public, key := newKey(t, 1)
	a := w.add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	w.changeSite(func(s *accounts.Site) { s.Lockout.Failures = 1; s.Ban.Failures = 0 })
	wrong, clear, withKey := sftp("alice"), sftp("alice"), sftp("alice")
	wrong.Password = "guess"
	clear.Door, clear.Transport = policy.FTP, policy.Clear
	withKey.Key, withKey.Password = public, ""
	keyed := a.Keys[0].ID

	w.refusedBy(wrong)
	w.wantAgain("a wrong password, now that it has locked the account", policy.RuleLockout)
	w.must(w.Unlock(t.Context(), "alice"))
	w.wantAgain("a wrong password, taken for right", policy.RuleAdmitted)

	w.refusedBy(clear)
	w.wantAgain("clear FTP", policy.RulePlainFTP)
	w.change("alice", func(a *accounts.Account) { a.PlainFTP = policy.Allow })
	w.wantAgain("clear FTP, allowed by now", policy.RuleAdmitted)

	w.change("alice", func(a *accounts.Account) { a.Status.Disabled = true })
	w.refusedBy(withKey)
	w.wantAgain("a key of a disabled account", policy.RuleStatus)
	w.change("alice", func(a *accounts.Account) { a.Status = policy.Status{} })
	again := w.wantAgain("a key", policy.RuleAdmitted)
	if c := again.Attempt.Credential; c.ID != keyed || again.Account.ID != a.ID || again.Attempt.Address != client || again.Attempt.Transport != policy.SSH {
		t.Errorf("got %+v, want alice's key from the same address", again.Attempt)
	}
	w.change("alice", func(a *accounts.Account) { a.Keys = nil })
	w.wantAgain("a key that is gone", policy.RuleCredential)

	w.must(w.DeleteAccount(t.Context(), "alice", 0, "delete", accounts.Guarded))
	if _, err := w.Again(t.Context(), w.lastRefusal()); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("of an account that is gone: got %v, want that there is none", err)
	}
	w.refusedBy(sftp("nobody"))
	if _, err := w.Again(t.Context(), w.lastRefusal()); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("of nobody: got %v, want that there is no account", err)
	}
}

// A code that was not given is not given again.
func TestRefusedForItsCodeJudgedAgain(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	_, _, s := w.enrol("alice")
	s.Close()
	w.refusedBy(webdav("alice"))
	w.wantAgain("a password at a door that asks for no code", policy.RuleSecondFactor)
	w.change("alice", func(a *accounts.Account) { a.TOTP = nil })
	w.wantAgain("after the factor was reset", policy.RuleAdmitted)
}
