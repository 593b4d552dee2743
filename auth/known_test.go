package auth

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state"
)

// asked is a store that counts how often failures are asked for.
type asked struct {
	state.Store
	gets atomic.Int64
}

func (a *asked) Get(ctx context.Context, scope, name string) (state.Record, error) {
	if scope == failureScope {
		a.gets.Add(1)
	}
	return a.Store.Get(ctx, scope, name)
}

// A login that nothing stands against asks nobody; who fails is asked about, and
// no more once that is over.
func TestNothingStandsUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st *asked
		w := newWorld(t, func(c *Config) { st = &asked{Store: c.State}; c.State = st })
		w.site(t, func(s *accounts.Site) { locking(3)(s); s.Ban.Failures = 10 })
		w.add(t, "alice", "correct horse", nil)
		synctest.Wait()
		login := func(want policy.Rule) int64 {
			t.Helper()
			before := st.gets.Load()
			if got := w.prove(t, attempt("alice", "correct horse"), Once); got != want {
				t.Fatalf("got rule %q, want %q", got, want)
			}
			return st.gets.Load() - before
		}
		if n := login(policy.RuleAdmitted); n != 0 {
			t.Errorf("%d questions about nothing", n)
		}
		w.prove(t, attempt("alice", "guess one"), Once)
		if n := login(policy.RuleAdmitted); n == 0 {
			t.Error("nobody was asked about a failure")
		}
		login(policy.RuleAdmitted)
		if n := login(policy.RuleAdmitted); n != 0 {
			t.Errorf("%d questions once the failures are forgotten", n)
		}
		for _, guess := range []string{"one", "two", "three"} {
			w.prove(t, attempt("alice", "guess "+guess), Once)
		}
		login(policy.RuleLockout)
		time.Sleep(15*time.Minute + time.Second)
		login(policy.RuleAdmitted)
		login(policy.RuleAdmitted)
		if n := login(policy.RuleAdmitted); n != 0 {
			t.Errorf("%d questions once the lockout is over", n)
		}
	})
}

// What another node locks holds here as soon as it is heard of, and where the
// changes cannot be followed the store is asked.
func TestLockoutsOfOtherNodesHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st state.Store
		key := random(32)
		w := newWorld(t, func(c *Config) { st = c.State; c.Key = key })
		w.site(t, locking(2))
		w.add(t, "alice", "correct horse", nil)
		other, err := New(Config{Accounts: w.accounts, State: st, Params: cheap, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		for _, guess := range []string{"guess one", "guess two"} {
			if _, err := other.Prove(t.Context(), attempt("alice", guess), Once); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleLockout {
			t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
		}
	})
}

// The names that are known are read anew while they change: none is lost that was
// written meanwhile, and none stays that has expired.
func TestKnownIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		k := w.failures.known
		put := func(name string, ttl time.Duration) {
			t.Helper()
			_, err := k.state.Apply(t.Context(), state.Batch{
				Scope: failureScope, ID: state.NewOperationID(), Puts: []state.Put{{Name: name, Value: []byte("{}"), TTL: ttl}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		put(lockPrefix+"short", time.Minute)
		put(banPrefix+"long", 48*time.Hour)
		synctest.Wait()
		k.wrote(lockPrefix+"meanwhile", 1<<40)
		time.Sleep(reload + time.Second)
		for name, want := range map[string]bool{lockPrefix + "short": false, banPrefix + "long": true, lockPrefix + "meanwhile": true} {
			if _, there := k.look(name); there != want {
				t.Errorf("%s: known %v, want %v", name, there, want)
			}
		}
	})
}
