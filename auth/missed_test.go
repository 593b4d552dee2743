package auth

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// late is a state whose changes are heard of only once somebody has asked for the
// latest one, as on a node that is always a moment behind.
type late struct {
	state.Store
	asked chan struct{}
	looks atomic.Int64
}

func (l *late) Get(ctx context.Context, scope, name string) (state.Record, error) {
	if scope == "accounts" && name == "latest" {
		l.looks.Add(1)
		select {
		case l.asked <- struct{}{}:
		default:
		}
	}
	return l.Store.Get(ctx, scope, name)
}

func (l *late) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	in, err := l.Store.Watch(ctx, scope, after)
	if err != nil || scope != "accounts" {
		return in, err
	}
	out := make(chan state.Change)
	go func() {
		defer close(out)
		for {
			select {
			case <-l.asked:
			case <-ctx.Done():
				return
			}
			for more := true; more; {
				select {
				case c := <-in:
					out <- c
					more = c.Name != "latest"
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out, nil
}

// Whoever is given an account on one node and logs in on another a moment later is
// let in; so is who comes with a password, or a key, that was just set. What is
// right costs no look for it.
func TestALoginIsNotRefusedForWhatThisNodeHasNotHeard(t *testing.T) {
	st := memory.New()
	behind := &late{Store: st, asked: make(chan struct{}, 1)}
	there := newWorld(t, func(c *Config) { *c = sharedConfig(t, *c, st) })
	here := newWorld(t, func(c *Config) { *c = sharedConfig(t, *c, behind) })
	there.accounts, here.accounts = there.Authenticator.accounts, here.Authenticator.accounts
	there.add(t, "alice", "correct horse", nil)
	if rule := here.prove(t, attempt("alice", "correct horse"), Once); rule == policy.RuleCredential {
		t.Error("a new account is refused")
	}
	looks := behind.looks.Load()
	here.prove(t, attempt("alice", "correct horse"), Once)
	if n := behind.looks.Load() - looks; n != 0 {
		t.Errorf("a right password took %d looks", n)
	}
	alice, err := there.accounts.Account(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	made, err := there.NewPassword(t.Context(), alice, "battery staple")
	if err != nil {
		t.Fatal(err)
	}
	there.change(t, "alice", func(a *accounts.Account) { a.Password = made })
	if rule := here.prove(t, attempt("alice", "battery staple"), Once); rule == policy.RuleCredential {
		t.Error("a new password is refused")
	}
	until, err := here.Locked(t.Context(), alice.ID)
	if l, lerr := here.Lockout(t.Context(), alice.ID); err != nil || lerr != nil || !until.IsZero() || l.Failures != 0 {
		t.Errorf("what was right counts as %d failures", l.Failures)
	}
	signer := ed(t)
	there.change(t, "alice", func(a *accounts.Account) {
		k, err := credentials.ParseKey(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
		if err != nil {
			t.Fatal(err)
		}
		a.Keys = []accounts.Key{k}
	})
	if a := attempt("alice", ""); !here.OffersKey(t.Context(), Attempt{Account: a.Account, Door: a.Door, Address: a.Address, Transport: a.Transport, Key: signer.PublicKey()}) {
		t.Error("a new key is not known")
	}
	if rule := here.prove(t, attempt("alice", "wrong"), Once); rule != policy.RuleCredential {
		t.Errorf("a wrong password is answered with %q", rule)
	}
}

// sharedConfig has an authenticator work on accounts of its own over a state that
// others write to as well.
func sharedConfig(t *testing.T, c Config, st state.Store) Config {
	t.Helper()
	store, err := accounts.Open(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	store.Share()
	c.Accounts, c.State, c.Key = store, st, []byte("the same on every node")
	return c
}

// Nodes on which accounts change all the time hash as often as others: once, whatever
// the outcome, or a guess would be told from another by what it costs.
func TestOneHashWhateverOthersChange(t *testing.T) {
	st := memory.New()
	behind := &late{Store: st, asked: make(chan struct{}, 1)}
	there := newWorld(t, func(c *Config) { *c = sharedConfig(t, *c, st) })
	here := newWorld(t, func(c *Config) { *c = sharedConfig(t, *c, behind) })
	there.accounts, here.accounts = there.Authenticator.accounts, here.Authenticator.accounts
	all := there.outcomes(t)
	there.add(t, "other", "", nil)
	for i, c := range all {
		hearAll(t, here.accounts)
		there.change(t, "other", func(a *accounts.Account) { a.DisplayName = fmt.Sprint(i) })
		before := here.hashes.Load()
		here.prove(t, c.attempt, Once)
		most := int64(1)
		if c.name == "dearer hash, disabled, right" {
			most = 2 // its hash is brought up to date by it, once
		}
		if got := here.hashes.Load() - before; got < 1 || got > most {
			t.Errorf("%s: got %d hashes, want 1", c.name, got)
		}
	}
}

// hearAll has a node that hears of one change at a time hear of all.
func hearAll(t *testing.T, s *accounts.Store) {
	t.Helper()
	for t.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := s.Current(ctx)
		cancel()
		if err == nil {
			return
		}
	}
}
