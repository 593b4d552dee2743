package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state"
)

func locking(failures int) func(*accounts.Site) {
	return func(s *accounts.Site) {
		s.Lockout = policy.Lockout{Failures: failures, Period: "15m", Scope: policy.LockoutPasswords}
		s.Ban = policy.Ban{Failures: 0, Period: "15m"}
	}
}

func TestLockoutAfterDifferentSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.site(t, locking(3))
		a := w.add(t, "alice", "correct horse", nil)
		for i, guess := range []string{"one", "two", "three"} {
			p, err := w.Prove(t.Context(), attempt("alice", guess), Once)
			if err != nil {
				t.Fatal(err)
			}
			if p.LockStarted != (i == 2) {
				t.Errorf("guess %d: lock started %v", i, p.LockStarted)
			}
		}
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleLockout {
			t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
		}
		// More failures do not lengthen the lock.
		time.Sleep(14 * time.Minute)
		w.prove(t, attempt("alice", "four"), Once)
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleLockout {
			t.Errorf("a failure while locked unlocks: rule %q", got)
		}
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleLockout {
			t.Errorf("the right password while locked unlocks: rule %q", got)
		}
		time.Sleep(time.Minute)
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
			t.Errorf("after the period: got rule %q, want %q", got, policy.RuleAdmitted)
		}
		if until, err := w.Locked(t.Context(), a.ID); err != nil || !until.IsZero() {
			t.Errorf("got %v %v, want not locked", until, err)
		}
		_ = w.accounts.Close(t.Context())
	})
}

// A phone that goes on with yesterday's password must not lock its owner out.
func TestStaleSecretCountsOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(2))
	w.add(t, "alice", "correct horse", nil)
	for range 10 {
		w.prove(t, attempt("alice", "yesterday's"), Once)
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
	}
}

func TestSuccessEndsTheRow(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(2))
	w.add(t, "alice", "correct horse", nil)
	for i := range 5 {
		w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
			t.Fatalf("after single failure %d: got rule %q, want %q", i, got, policy.RuleAdmitted)
		}
	}
}

// A sync client that is in all the time must not clear the way for somebody who
// guesses meanwhile.
func TestRememberedProofDoesNotEndTheRow(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(3))
	w.add(t, "alice", "correct horse", nil)
	w.prove(t, attempt("alice", "correct horse"), Repeated)
	for i := range 3 {
		w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
		w.prove(t, attempt("alice", "correct horse"), Repeated)
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleLockout {
		t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
	}
}

func TestUnlock(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(1))
	a := w.add(t, "alice", "correct horse", nil)
	w.prove(t, attempt("alice", "guess"), Once)
	if until, err := w.Locked(t.Context(), a.ID); err != nil || until.IsZero() {
		t.Fatalf("got %v %v, want locked", until, err)
	}
	if err := w.Unlock(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
	}
}

// An administrator sees who is locked, since when and by how much, and of who is
// not yet how near it is.
func TestListLockouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.site(t, locking(2))
		began := time.Now()
		locked := map[string]bool{}
		for i := range 3 {
			a := w.add(t, fmt.Sprint("user", i), "correct horse", nil)
			w.prove(t, attempt(a.Name, "one"), Once)
			w.prove(t, attempt(a.Name, "two"), Once)
			w.prove(t, attempt("nobody"+a.Name, "one"), Once)
			w.prove(t, attempt("nobody"+a.Name, "two"), Once)
			locked[a.ID] = true
		}
		near := w.add(t, "near", "correct horse", nil)
		w.prove(t, attempt("near", "one"), Once)

		first, next, err := w.Lockouts(t.Context(), "", 2)
		if err != nil || len(first) != 2 || next != first[1].AccountID {
			t.Fatalf("got %v, then %q, %v, want two of three", first, next, err)
		}
		rest, next, err := w.Lockouts(t.Context(), next, 2)
		if err != nil || len(rest) != 1 || next != "" {
			t.Fatalf("got %v, then %q, %v, want the last one", rest, next, err)
		}
		for _, l := range append(first, rest...) {
			if !locked[l.AccountID] || l.Failures != 2 || !l.Since.Equal(began) || !l.Until.Equal(began.Add(15*time.Minute)) {
				t.Errorf("got %+v, want one of %v, by 2 failures, for 15 minutes", l, locked)
			}
			delete(locked, l.AccountID)
		}
		if l, err := w.Lockout(t.Context(), near.ID); err != nil || l.Failures != 1 || !l.Until.IsZero() || !l.Since.Equal(began) {
			t.Errorf("got %+v %v, want one failure and no lockout", l, err)
		}
		time.Sleep(15 * time.Minute)
		if list, _, err := w.Lockouts(t.Context(), "", 0); err != nil || len(list) != 0 {
			t.Errorf("after the period: got %v %v, want none", list, err)
		}
		if l, err := w.Lockout(t.Context(), near.ID); err != nil || l.Failures != 0 {
			t.Errorf("after the period: got %+v %v, want nothing", l, err)
		}
		_ = w.accounts.Close(t.Context())
	})
}

func TestLockoutOffCountsNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(0))
	w.add(t, "alice", "correct horse", nil)
	for i := range 50 {
		w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
	}
}

func TestFailuresSurviveRestart(t *testing.T) {
	key := random(32)
	var st state.Store
	w := newWorld(t, func(c *Config) { c.Key = key; st = c.State })
	w.site(t, locking(2))
	w.add(t, "alice", "correct horse", nil)
	w.prove(t, attempt("alice", "guess one"), Once)
	again, err := New(Config{Accounts: w.accounts, State: st, Params: cheap, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	w.Authenticator = again
	w.prove(t, attempt("alice", "guess one"), Once)
	if got := w.prove(t, attempt("alice", "guess two"), Once); got != policy.RuleCredential {
		t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleLockout {
		t.Errorf("got rule %q, want %q: the first failure is forgotten, or the stale secret counted twice", got, policy.RuleLockout)
	}
}

// What is kept of failures must not let anybody who reads the store find out
// what was typed.
func TestFailedSecretsAreNotStored(t *testing.T) {
	var st state.Store
	w := newWorld(t, func(c *Config) { st = c.State })
	w.add(t, "alice", "correct horse", nil)
	w.prove(t, attempt("alice", "my other password"), Once)
	for item, err := range st.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		text := item.Scope + item.Name + string(item.Value)
		if strings.Contains(text, "my other password") || strings.Contains(text, "correct horse") {
			t.Errorf("a secret is in %s", text)
		}
	}
}

// Two attempts that fail at the same moment must both count.
func TestConcurrentFailuresAllCount(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(8))
	a := w.add(t, "alice", "correct horse", nil)
	site, err := w.accounts.Site(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for i := range 8 {
		go func() {
			_, err := w.failures.fail(t.Context(), site.Site, a.ID, fmt.Sprint("guess ", i))
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil && !errors.Is(err, state.ErrConflict) {
			t.Error(err)
		}
	}
	if until, err := w.Locked(t.Context(), a.ID); err != nil || until.IsZero() {
		t.Errorf("got %v %v, want locked after 8 of 8", until, err)
	}
}

// Of many guesses at once, the right one must not come in after the others have
// locked the account.
func TestRightGuessThatComesLate(t *testing.T) {
	var w *world
	var meanwhile func()
	w = newWorld(t, func(c *Config) {
		c.Slots = 4
		c.Hash = func(password, salt []byte, p Params) []byte {
			if meanwhile != nil {
				do := meanwhile
				meanwhile = nil
				do()
			}
			return argon2id(password, salt, p)
		}
	})
	w.site(t, locking(3))
	w.add(t, "alice", "correct horse", nil)
	meanwhile = func() {
		for i := range 3 {
			w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
		}
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleLockout {
		t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
	}
}

// A guess that is made twice at once is hashed once: the one that only waits for
// the answer must not come in after the account was locked.
func TestRightGuessThatWasAskedAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		w := newWorld(t, func(c *Config) {
			c.Slots = 4
			c.Hash = func(password, salt []byte, p Params) []byte {
				if string(password) == "correct horse" {
					<-hold
				}
				return argon2id(password, salt, p)
			}
		})
		w.site(t, locking(3))
		close(hold)
		w.add(t, "alice", "correct horse", nil)
		hold = make(chan struct{})
		rules := make(chan policy.Rule, 2)
		for range cap(rules) {
			go func() { rules <- w.prove(t, attempt("alice", "correct horse"), Repeated) }()
		}
		synctest.Wait()
		for i := range 3 {
			w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
		}
		close(hold)
		for range cap(rules) {
			if got := <-rules; got != policy.RuleLockout {
				t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
			}
		}
		_ = w.accounts.Close(t.Context())
	})
}
