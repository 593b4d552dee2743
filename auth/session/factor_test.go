package session

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// codeOf is what an authenticator app shows, so many steps from now.
func codeOf(t *testing.T, secret string, steps int64) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()/30+steps)))
	sum := mac.Sum(nil)
	at := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000)
}

func api(name string) auth.Attempt {
	a := sftp(name)
	a.Door, a.Transport = policy.API, policy.TLS
	return a
}

// enrol sets up a second factor from a login of its account, and returns the
// secret, the recovery codes and the login. The present code is used up.
func (w *world) enrol(name string) (secret string, codes []string, s *Session) {
	w.t.Helper()
	s = w.login(api(name))
	made, err := w.BeginTOTP(w.t.Context(), s)
	w.must(err)
	codes, err = w.ConfirmTOTP(w.t.Context(), s, codeOf(w.t, made.Secret, 0))
	w.must(err)
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
		w.add("alice", nil)
		secret, _, _ := w.enrol("alice")
		wrong := sftp("alice")
		wrong.Password = "guess"
		if got := w.refusedBy(wrong); got != policy.RuleCredential {
			t.Errorf("wrong password: got rule %q, want %q", got, policy.RuleCredential)
		}
		ftp := sftp("alice")
		ftp.Door, ftp.Transport = policy.FTP, policy.TLS
		if got := w.refusedBy(ftp); got != policy.RuleSecondFactor {
			t.Errorf("FTP: got rule %q, want %q", got, policy.RuleSecondFactor)
		}
		if _, _, err := w.Request(t.Context(), webdav("alice")); err == nil {
			t.Error("WebDAV takes the password alone")
		}
		second := sftp("alice")
		second.Password, second.Proved = "", w.asked(sftp("alice"))
		w.noted(KindCodeAsked)
		if n := len(w.eventsOf(events.Login)); n != 1 {
			t.Errorf("got %d logins, want that of the enrolment alone", n)
		}
		second.Code = "000000000"
		if got := w.refusedBy(second); got != policy.RuleSecondFactor {
			t.Errorf("wrong code: got rule %q, want %q", got, policy.RuleSecondFactor)
		}
		second.Code = codeOf(t, secret, 0)
		if got := w.refusedBy(second); got != policy.RuleSecondFactor {
			t.Errorf("the code of the enrolment: got rule %q, want %q", got, policy.RuleSecondFactor)
		}
		second.Code = codeOf(t, secret, 1)
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
	public, key := newKey(t, 1)
	w.add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	secret, _, _ := w.enrol("alice")
	w.changeSite(func(s *accounts.Site) { s.Lockout.Failures, s.Ban.Failures = 2, 0 })
	withKey := sftp("alice")
	withKey.Password, withKey.Key = "", public
	open := w.login(withKey)
	w.change("alice", func(a *accounts.Account) { a.SecondFactor.WithKey = true })
	if got := waitCut(t, open); got != policy.RuleSecondFactor {
		t.Errorf("the session of a key alone: got rule %q, want %q", got, policy.RuleSecondFactor)
	}
	both := withKey
	both.Proved = w.asked(withKey)
	both.Code = codeOf(t, secret, 1)
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

// Whoever sets up a second factor goes on; sessions that the password alone
// proved end, and those of other credentials do not.
func TestEnrolmentCutsWhatAPasswordAloneOpened(t *testing.T) {
	w := newWorld(t)
	public, key := newKey(t, 1)
	w.add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	withKey := sftp("alice")
	withKey.Key = public
	job, files := w.login(withKey), w.login(sftp("alice"))
	_, codes, self := w.enrol("alice")
	if got := waitCut(t, files); got != policy.RuleSecondFactor {
		t.Errorf("got rule %q, want %q", got, policy.RuleSecondFactor)
	}
	if job.Context().Err() != nil || self.Context().Err() != nil {
		t.Error("the session that enrolled, or that of a key, was cut")
	}
	if len(codes) != 10 {
		t.Errorf("got %d recovery codes", len(codes))
	}
	withCode := sftp("alice")
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
	_, err = w.RemoveTOTP(t.Context(), "alice", 0, accounts.Guarded)
	w.must(err)
	for _, cut := range []*Session{self, other} {
		if got := waitCut(t, cut); got != policy.RuleCredential {
			t.Errorf("after a reset: got rule %q, want %q", got, policy.RuleCredential)
		}
	}
	if job.Context().Err() != nil {
		t.Error("the session of a key was cut")
	}
}

// Whoever takes the own second factor away goes on; what else it proved ends.
func TestRemoveOwnTOTP(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	_, codes, s := w.enrol("alice")
	other := sftp("alice")
	other.Code = codes[0]
	files := w.login(other)
	w.must(w.RemoveOwnTOTP(t.Context(), s, 0))
	waitCut(t, files)
	w.judge(s)
	if s.Context().Err() != nil {
		t.Error("the session that took it away was cut")
	}
	if got := w.refusedBy(sftp("alice")); got != "" {
		t.Errorf("the password alone: got rule %q", got)
	}
}

// An account that must have a second factor and has none comes in to set one up,
// and to do nothing else.
func TestEnrolOnly(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	w.changeSite(func(s *accounts.Site) { s.SecondFactor = policy.SecondFactorRequired })
	if got := w.refusedBy(sftp("alice")); got != policy.RuleEnrol {
		t.Errorf("got rule %q, want %q", got, policy.RuleEnrol)
	}
	s := w.login(api("alice"))
	if !s.MustEnrol() || s.MustChange() || s.Only() != OnlyEnrol {
		t.Errorf("got %q", s.Only())
	}
	if err := w.ChangeOwnPassword(t.Context(), s, "battery staple"); !errors.Is(err, ErrLimited) {
		t.Errorf("a session that is to enrol changes the password: %v", err)
	}
	made, err := w.BeginTOTP(t.Context(), s)
	w.must(err)
	if _, err := w.ConfirmTOTP(t.Context(), s, "0"); !errors.Is(err, auth.ErrWrongCode) {
		t.Errorf("got %v, want %v", err, auth.ErrWrongCode)
	}
	if s.Context().Err() != nil {
		t.Fatal("a wrong code cut the session")
	}
	_, err = w.ConfirmTOTP(t.Context(), s, codeOf(t, made.Secret, 0))
	w.must(err)
	if s.Only() != OnlyNothing || s.Context().Err() != nil || !s.Fresh() {
		t.Errorf("after the enrolment: only %q, fresh %v, %v", s.Only(), s.Fresh(), s.Context().Err())
	}
}

// What an account is proved with is changed by a person who has just proved it.
func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("alice", nil)
		w.add("bob", nil)
		secret, _, s := w.enrol("alice")
		time.Sleep(freshness - time.Second)
		if !s.Fresh() {
			t.Error("the session is not fresh after less than 10 minutes")
		}
		time.Sleep(time.Second)
		if s.Fresh() {
			t.Error("the session is fresh after 10 minutes")
		}
		for name, do := range map[string]func() error{
			"password": func() error { return w.ChangeOwnPassword(t.Context(), s, "battery staple") },
			"begin":    func() error { _, err := w.BeginTOTP(t.Context(), s); return err },
			"confirm":  func() error { _, err := w.ConfirmTOTP(t.Context(), s, "0"); return err },
			"recovery": func() error { _, err := w.NewRecoveryCodes(t.Context(), s); return err },
		} {
			if err := do(); !errors.Is(err, ErrNotFresh) {
				t.Errorf("%s: got %v, want %v", name, err, ErrNotFresh)
			}
		}
		again := auth.Attempt{Account: "bob", Password: "guess", Code: codeOf(t, secret, 0), Address: client, Transport: policy.TLS}
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
		again.Code = codeOf(t, secret, 0)
		w.must(w.StepUp(t.Context(), s, again))
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
	w.add("alice", nil)
	w.changeSite(func(s *accounts.Site) { s.Lockout.Failures, s.Ban.Failures = 2, 0 })
	s := w.login(api("alice"))
	for _, guess := range []string{"one", "two", "correct horse"} {
		err := w.StepUp(t.Context(), s, auth.Attempt{Password: guess, Address: client, Transport: policy.TLS})
		if err == nil {
			t.Fatalf("%q makes the session fresh", guess)
		}
	}
	if got := w.refusedBy(sftp("alice")); got != policy.RuleLockout {
		t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
	}
	if s.Context().Err() != nil {
		t.Error("a failed step-up cut the session")
	}
}

// No key, token or app password becomes a person's login.
func TestStepUpIsForPeople(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	token := w.token("alice", policy.KindToken, nil)
	s, done, err := w.Request(t.Context(), bearer(token))
	w.must(err)
	defer done()
	if s.Fresh() || s.Interactive() {
		t.Error("a token is a person")
	}
	err = w.StepUp(t.Context(), s, auth.Attempt{Password: "correct horse", Address: client, Transport: policy.TLS})
	if err == nil || s.Fresh() {
		t.Errorf("a token's session was made fresh: %v", err)
	}
	if err := w.ChangeOwnPassword(t.Context(), s, "battery staple"); !errors.Is(err, ErrNotFresh) {
		t.Errorf("a token changes the password: %v", err)
	}
	if _, err := w.BeginTOTP(t.Context(), s); !errors.Is(err, ErrNotFresh) {
		t.Errorf("a token sets up a second factor: %v", err)
	}
}

func TestChangeOwnPassword(t *testing.T) {
	w := newWorld(t)
	public, key := newKey(t, 1)
	alice := w.add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	w.add("bot", func(a *accounts.Account) { a.Shared = true })
	w.add("guest", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{alice.ID} })
	withKey := sftp("alice")
	withKey.Key = public
	s, files, job := w.login(api("alice")), w.login(sftp("alice")), w.login(withKey)
	for _, bad := range []string{"correct horse", "short"} {
		if _, ok := errors.AsType[*accounts.InvalidError](w.ChangeOwnPassword(t.Context(), s, bad)); !ok {
			t.Errorf("%q is taken", bad)
		}
	}
	w.must(w.ChangeOwnPassword(t.Context(), s, "battery staple"))
	waitCut(t, files)
	if got := waitCut(t, job); got != policy.RuleEnded {
		t.Errorf("got rule %q, want %q", got, policy.RuleEnded)
	}
	w.judge(s)
	if s.Context().Err() != nil || !s.Fresh() || s.Only() != OnlyNothing {
		t.Errorf("the session that changed it does not go on: %v", s.Context().Err())
	}
	if got := w.refusedBy(sftp("alice")); got != policy.RuleCredential {
		t.Errorf("the old password: got rule %q", got)
	}
	_, err := w.SetPassword(t.Context(), "alice", 0, "correct horse", true)
	w.must(err)
	if got := waitCut(t, s); got != policy.RuleCredential {
		t.Errorf("an administrator's change: got rule %q, want %q", got, policy.RuleCredential)
	}
	s = w.login(api("alice"))
	if s.Only() != OnlyPassword {
		t.Errorf("got %q, want %q", s.Only(), OnlyPassword)
	}
	if _, err := w.BeginTOTP(t.Context(), s); !errors.Is(err, ErrLimited) {
		t.Errorf("a session that is to change the password enrols: %v", err)
	}
	w.must(w.ChangeOwnPassword(t.Context(), s, "battery staple"))
	if s.Only() != OnlyNothing {
		t.Errorf("got %q after the change", s.Only())
	}
	if _, ok := errors.AsType[*accounts.InvalidError](w.ChangeOwnPassword(t.Context(), w.login(api("bot")), "battery staple")); !ok {
		t.Error("a shared account changes its password")
	}
	if _, ok := errors.AsType[*accounts.InvalidError](w.ChangeOwnPassword(t.Context(), w.login(api("guest")), "battery staple")); !ok {
		t.Error("a guest changes its password")
	}
	if _, err := w.BeginTOTP(t.Context(), w.login(api("bot"))); err == nil {
		t.Error("a shared account sets up a second factor")
	}
}

// noted waits until an event of a kind is in the log: it is not waited for at
// the door.
func (w *world) noted(kind events.Kind) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(w.eventsOf(kind)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("there is no event %q", kind)
		}
	}
}

// A change that fails leaves the session with what it was proved with.
func TestFailedChangeChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	s := w.login(api("alice"))
	before := s.proved.Load()
	w.store.failAfter(0)
	if err := w.ChangeOwnPassword(t.Context(), s, "battery staple"); err == nil {
		t.Fatal("the password was changed without the store")
	}
	w.store.heal()
	if s.proved.Load() != before || s.Context().Err() != nil {
		t.Error("the session goes by a password that was not set")
	}
	w.login(sftp("alice")).Close()
}
