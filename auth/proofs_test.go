package auth

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A burst of parallel requests costs one hash, further ones none, and a changed
// password misses at once.
func TestRepeatedProofsAreRemembered(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, "alice", "correct horse", nil)
	a := attempt("alice", "correct horse")
	before := w.hashes.Load()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if p, err := w.Prove(t.Context(), a, Repeated); err != nil || !p.Attempt.Credential.Proved {
				t.Errorf("got %v %v, want proved", p.Attempt.Credential, err)
			}
		})
	}
	all.Wait()
	if got := w.hashes.Load() - before; got != 1 {
		t.Errorf("got %d hashes for 50 requests, want 1", got)
	}
	made, err := w.NewPassword(t.Context(), accounts.Account{}, "another horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.accounts.Update(t.Context(), "alice", 0, func(a *accounts.Account) error {
		a.Password = made
		return nil
	}, accounts.Guarded); err != nil {
		t.Fatal(err)
	}
	if got := w.prove(t, a, Repeated); got != policy.RuleCredential {
		t.Errorf("the old password is remembered after a change: rule %q", got)
	}
	a.Password = "another horse"
	if got := w.prove(t, a, Repeated); got != policy.RuleAdmitted {
		t.Errorf("got rule %q, want %q", got, policy.RuleAdmitted)
	}
}

func TestWrongPasswordsAreNeverRemembered(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, "alice", "correct horse", nil)
	before := w.hashes.Load()
	for range 3 {
		if got := w.prove(t, attempt("alice", "wrong"), Repeated); got != policy.RuleCredential {
			t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
		}
	}
	if got := w.hashes.Load() - before; got != 3 {
		t.Errorf("got %d hashes for 3 wrong passwords, want 3", got)
	}
}

func TestProofsExpireAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProofs(2, 5*time.Minute)
		asked := 0
		verify := func(who string) {
			ok, err := p.verify(t.Context(), p.keyOf(who, "c", "pw"), func() (bool, error) { asked++; return true, nil })
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		verify("a")
		for range 4 {
			time.Sleep(time.Minute)
			verify("a")
		}
		if asked != 1 {
			t.Errorf("asked %d times within the life, want once", asked)
		}
		time.Sleep(time.Minute)
		verify("a")
		if asked != 2 {
			t.Errorf("asked %d times: use must not lengthen the life", asked)
		}
		for _, who := range []string{"b", "c", "a"} {
			verify(who)
		}
		if asked != 5 || p.recent.Len() != 2 || len(p.known) != 2 {
			t.Errorf("asked %d times, holds %d, want 5 and 2", asked, p.recent.Len())
		}
	})
}

// Who asks first may go away; the others must not fail for it.
func TestProofOfVanishedClientIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProofs(10, time.Minute)
		k := p.keyOf("a")
		gone, cancel := context.WithCancel(t.Context())
		go func() {
			_, _ = p.verify(gone, k, func() (bool, error) { <-gone.Done(); return false, gone.Err() })
		}()
		synctest.Wait()
		var ok bool
		var err error
		go func() { ok, err = p.verify(t.Context(), k, func() (bool, error) { return true, nil }) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !ok || err != nil {
			t.Errorf("got %v %v, want proved", ok, err)
		}
	})
}

func TestKeyOfTellsPartsApart(t *testing.T) {
	p := newProofs(10, time.Minute)
	if p.keyOf("ab", "c") == p.keyOf("a", "bc") {
		t.Error("parts run into one another")
	}
	if p.keyOf("a") == newProofs(10, time.Minute).keyOf("a") {
		t.Error("two processes have the same keys")
	}
}
