package session

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// enrol sets up a second factor from a login of its account, and returns the
// secret, the recovery codes and the login. The present code is used up.
func (w *world) enrol(name string) (secret string, codes []string, s *Session) {
	w.t.Helper()
	s = w.login(authtest.API(name))
	a, err := w.Accounts.ByID(w.t.Context(), s.AccountID())
	w.Must(err)
	made, err := w.Auth.NewTOTP(w.t.Context(), a)
	w.Must(err)
	a, err = w.Accounts.ByID(w.t.Context(), a.ID)
	w.Must(err)
	next := func(v *auth.Proved) *auth.Proved { return v.WithFactor(a.TOTP.ID) }
	w.Must(w.Rebind(s, next, func() (now accounts.Account, err error) {
		codes, now, err = w.Auth.ConfirmTOTP(w.t.Context(), a, authtest.CodeOf(w.t, made.Secret, 0))
		return now, err
	}))
	return made.Secret, codes, s
}

// asked logs in and returns the proof that a code is asked for with.
func (w *world) asked(a auth.Attempt) *auth.Proved {
	w.t.Helper()
	s, err := w.Login(w.t.Context(), a)
	needed, ok := errors.AsType[*auth.CodeNeededError](err)
	if !ok {
		w.t.Fatalf("got %v %v, want that a code is asked for", s, err)
	}
	return needed.Proved
}

// The code is asked for after the password was right and never before, and the
// main password alone opens no door.
func TestLoginInTwoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // within one step
		w := newWorld(t)
		w.Add("alice", nil)
		secret, _, _ := w.enrol("alice")
		wrong := authtest.SFTP("alice")
		wrong.Password = "guess"
		if got := w.refusedBy(wrong); got != policy.RuleCredential {
			t.Errorf("wrong password: got rule %q, want %q", got, policy.RuleCredential)
		}
		ftp := authtest.SFTP("alice")
		ftp.Door, ftp.Transport = policy.FTP, policy.TLS
		if got := w.refusedBy(ftp); got != policy.RuleSecondFactor {
			t.Errorf("FTP: got rule %q, want %q", got, policy.RuleSecondFactor)
		}
		if _, _, err := w.Request(t.Context(), authtest.WebDAV("alice")); err == nil {
			t.Error("WebDAV takes the password alone")
		}
		second := authtest.SFTP("alice")
		second.Password, second.Proved = "", w.asked(authtest.SFTP("alice"))
		w.noted(KindCodeAsked)
		if n := len(w.EventsOf(events.Login)); n != 1 {
			t.Errorf("got %d logins, want that of the enrolment alone", n)
		}
		second.Code = "000000000"
		if got := w.refusedBy(second); got != policy.RuleSecondFactor {
			t.Errorf("wrong code: got rule %q, want %q", got, policy.RuleSecondFactor)
		}
		second.Code = authtest.CodeOf(t, secret, 0)
		if got := w.refusedBy(second); got != policy.RuleSecondFactor {
			t.Errorf("the code of the enrolment: got rule %q, want %q", got, policy.RuleSecondFactor)
		}
		second.Code = authtest.CodeOf(t, secret, 1)
		s := w.login(second)
		defer s.Close()
		if s.Only() != OnlyNothing || s.Credential().Code != policy.CodeProved {
			t.Errorf("got %q %+v", s.Only(), s.Credential())
		}
	})
}

// A key that needs a code is worth nothing without it, during a lockout no less.
func TestKeyThenCode(t *testing.T) {
	w := newWorld(t)
	public, key := authtest.NewKey(t, 1)
	w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	secret, _, _ := w.enrol("alice")
	w.ChangeSite(func(s *accounts.Site) { s.Lockout.Failures, s.Ban.Failures = 2, 0 })
	withKey := authtest.SFTP("alice")
	withKey.Password, withKey.Key = "", public
	open := w.login(withKey)
	w.Change("alice", func(a *accounts.Account) { a.SecondFactor.WithKey = true })
	if got := waitCut(t, open); got != policy.RuleSecondFactor {
		t.Errorf("the session of a key alone: got rule %q, want %q", got, policy.RuleSecondFactor)
	}
	both := withKey
	both.Proved = w.asked(withKey)
	both.Code = authtest.CodeOf(t, secret, 1)
	s := w.login(both)
	defer s.Close()
	for range 2 {
		both.Code = "0"
		if got := w.refusedBy(both); got != policy.RuleSecondFactor {
			t.Errorf("wrong code: got rule %q, want %q", got, policy.RuleSecondFactor)
		}
	}
	if got := w.refusedBy(both); got != policy.RuleLockout {
		t.Errorf("locked: got rule %q, want %q", got, policy.RuleLockout)
	}
	if s.Context().Err() != nil {
		t.Error("a lockout cut an open session")
	}
}

// A session is fresh for 10 minutes after a person has proved it, and once more by who
// proves it anew.
func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		w.Add("bob", nil)
		secret, _, s := w.enrol("alice")
		time.Sleep(freshness - time.Second)
		if !s.Fresh() {
			t.Error("the session is not fresh after less than 10 minutes")
		}
		time.Sleep(time.Second)
		if s.Fresh() {
			t.Error("the session is fresh after 10 minutes")
		}
		again := auth.Attempt{Account: "bob", Password: "guess", Code: authtest.CodeOf(t, secret, 0), Address: authtest.Client(), Transport: policy.TLS}
		refused, ok := errors.AsType[*auth.RefusedError](w.StepUp(t.Context(), s, again))
		if !ok || refused.Decision.Rule != policy.RuleCredential {
			t.Errorf("wrong password: got %v", refused)
		}
		again.Password, again.Code = "correct horse", ""
		if _, ok := errors.AsType[*auth.CodeNeededError](w.StepUp(t.Context(), s, again)); !ok {
			t.Error("no code: it is not asked for")
		}
		if s.Fresh() {
			t.Error("a refusal made the session fresh")
		}
		again.Code = authtest.CodeOf(t, secret, 0)
		w.Must(w.StepUp(t.Context(), s, again))
		if !s.Fresh() || s.Account() != "alice" {
			t.Error("the session is not fresh after it was proved again")
		}
		s.Close()
		// The world's own goroutines end with the bubble.
	})
}

// A failed step-up counts as every failed login does.
func TestStepUpCountsFailures(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.ChangeSite(func(s *accounts.Site) { s.Lockout.Failures, s.Ban.Failures = 2, 0 })
	s := w.login(authtest.API("alice"))
	for _, guess := range []string{"one", "two", "correct horse"} {
		err := w.StepUp(t.Context(), s, auth.Attempt{Password: guess, Address: authtest.Client(), Transport: policy.TLS})
		if err == nil {
			t.Fatalf("%q makes the session fresh", guess)
		}
	}
	if got := w.refusedBy(authtest.SFTP("alice")); got != policy.RuleLockout {
		t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
	}
	if s.Context().Err() != nil {
		t.Error("a failed step-up cut the session")
	}
}

// No key, token or app password becomes a person's login.
func TestStepUpIsForPeople(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	token := w.token("alice", policy.KindToken, nil)
	s, done, err := w.Request(t.Context(), bearer(token))
	w.Must(err)
	defer done()
	if s.Fresh() || s.Interactive() {
		t.Error("a token is a person")
	}
	err = w.StepUp(t.Context(), s, auth.Attempt{Password: "correct horse", Address: authtest.Client(), Transport: policy.TLS})
	if err == nil || s.Fresh() {
		t.Errorf("a token's session was made fresh: %v", err)
	}
}

// noted waits until an event of a kind is in the log: it is not waited for at
// the door.
func (w *world) noted(kind events.Kind) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(w.EventsOf(kind)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("there is no event %q", kind)
		}
	}
}

// A change that fails leaves the session with what it was proved with.
func TestFailedChangeChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	s := w.login(authtest.API("alice"))
	before := s.proved.Load()
	w.Store.FailAfter(0)
	if err := w.changeOwnPassword(s, "battery staple"); err == nil {
		t.Fatal("the password was changed without the store")
	}
	w.Store.Heal()
	if s.proved.Load() != before || s.Context().Err() != nil {
		t.Error("the session goes by a password that was not set")
	}
	w.login(authtest.SFTP("alice")).Close()
}

// A session that sets up a second factor and takes it away stays, however often it is
// judged meanwhile: once in a thousand times it was cut, being judged by the proof of
// after the change and the account of before.
func TestRebindWhileJudged(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	_, _, s := w.enrol("alice")
	a, err := w.Accounts.ByID(t.Context(), s.AccountID())
	w.Must(err)
	factor := a.TOTP
	var judging sync.WaitGroup
	defer judging.Wait()
	judged := make(chan struct{})
	defer close(judged)
	for range 8 {
		judging.Go(func() {
			for {
				select {
				case <-judged:
					return
				default:
					w.JudgeAccount(a.ID)
				}
			}
		})
	}
	change := func(next func(*auth.Proved) *auth.Proved, totp *accounts.TOTP) {
		t.Helper()
		w.Must(w.Rebind(s, next, func() (accounts.Account, error) {
			return w.Accounts.Update(t.Context(), a.Name, 0, func(now *accounts.Account) error {
				now.TOTP = totp
				return nil
			}, accounts.Guarded)
		}))
	}
	for i := range 400 {
		change((*auth.Proved).WithoutFactor, nil)
		change(func(v *auth.Proved) *auth.Proved { return v.WithFactor(factor.ID) }, factor)
		if err := context.Cause(s.Context()); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}
