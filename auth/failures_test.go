package auth

import (
	"errors"
	"fmt"
	"net/netip"
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

func banning(failures int) func(*accounts.Site) {
	return func(s *accounts.Site) {
		s.Ban = policy.Ban{Failures: failures, Period: "10m"}
		s.Lockout.Failures = 0
	}
}

func TestBanAfterManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.site(t, banning(3))
		w.add(t, "alice", "correct horse", nil)
		for i := range 3 {
			p, err := w.Prove(t.Context(), attempt(fmt.Sprint("user", i), "guess"), Once)
			if err != nil {
				t.Fatal(err)
			}
			if p.BanStarted != (i == 2) {
				t.Errorf("name %d: ban started %v", i, p.BanStarted)
			}
		}
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleBan {
			t.Errorf("got rule %q, want %q", got, policy.RuleBan)
		}
		elsewhere := attempt("alice", "correct horse")
		elsewhere.Address = netip.MustParseAddr("198.51.100.8")
		if got := w.prove(t, elsewhere, Once); got != policy.RuleAdmitted {
			t.Errorf("from another address: got rule %q, want %q", got, policy.RuleAdmitted)
		}
		if list, err := w.Bans(t.Context()); err != nil || len(list) != 1 || list[0].Address != home.String() {
			t.Errorf("got %v %v, want the one ban", list, err)
		}
		time.Sleep(10 * time.Minute)
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
			t.Errorf("after the period: got rule %q, want %q", got, policy.RuleAdmitted)
		}
		_ = w.accounts.Close(t.Context())
	})
}

func TestBanOfOneNameAndUnban(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, banning(3))
	w.add(t, "alice", "correct horse", nil)
	for range 9 {
		w.prove(t, attempt("alice", "stale"), Once)
	}
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
		t.Fatalf("a stale secret bans: rule %q", got)
	}
	for i := range 2 {
		w.prove(t, attempt("alice", fmt.Sprint("guess ", i)), Once)
	}
	if banned, err := w.Banned(t.Context(), home); err != nil || !banned {
		t.Fatalf("got %v %v, want banned", banned, err)
	}
	if err := w.Unban(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	w.prove(t, attempt("alice", "guess 7"), Once)
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q: the count did not begin anew", got, policy.RuleAdmitted)
	}
}

func TestWhatABanIsOn(t *testing.T) {
	f := failures{trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"127.0.0.1":         "", "127.8.8.8": "", "::1": "", "::ffff:127.0.0.1": "", "10.1.2.3": "", "0.0.0.0": "",
	} {
		got, ok := f.origin(netip.MustParseAddr(address))
		if got != want || ok != (want != "") {
			t.Errorf("%s: got %q %v, want %q", address, got, ok, want)
		}
	}
	if _, ok := f.origin(netip.Addr{}); ok {
		t.Error("no address is banned")
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
