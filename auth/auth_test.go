package auth

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cheap keeps tests quick; the cost is counted, not timed.
var cheap = Params{Memory: 64, Time: 1, Threads: 1}

// A world is an authenticator over a memory store, and how often it hashed.
type world struct {
	*Authenticator
	accounts *accounts.Store
	hashes   atomic.Int64
}

func newWorld(t testing.TB, change func(*Config)) *world {
	t.Helper()
	st := memory.New()
	store, err := accounts.Open(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{accounts: store}
	c := Config{Accounts: store, State: st, Params: cheap, Hash: func(password, salt []byte, p Params) []byte {
		if p == w.hasher.params {
			w.hashes.Add(1)
		}
		return argon2id(password, salt, p)
	}}
	if change != nil {
		change(&c)
	}
	if w.Authenticator, err = New(c); err != nil {
		t.Fatal(err)
	}
	if err := w.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// add makes an account with a password.
func (w *world) add(t testing.TB, name, password string, change func(*accounts.Account)) accounts.Account {
	t.Helper()
	a := accounts.Account{Account: policy.Account{Name: name}}
	if password != "" {
		made, err := w.NewPassword(t.Context(), a, password)
		if err != nil {
			t.Fatal(err)
		}
		a.Password = made
	}
	if change != nil {
		change(&a)
	}
	made, err := w.accounts.Create(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (w *world) site(t testing.TB, change func(*accounts.Site)) {
	t.Helper()
	_, err := w.accounts.UpdateSite(t.Context(), 0, func(s *accounts.Site) error {
		change(s)
		return nil
	}, accounts.Forced)
	if err != nil {
		t.Fatal(err)
	}
}

var home = netip.MustParseAddr("198.51.100.7")

func attempt(name, password string) Attempt {
	return Attempt{Account: name, Password: password, Door: policy.SFTP, Transport: policy.SSH, Address: home}
}

// prove returns the rule that decides an attempt.
func (w *world) prove(t testing.TB, a Attempt, how How) policy.Rule {
	t.Helper()
	p, err := w.Prove(t.Context(), a, how)
	if err != nil {
		t.Fatal(err)
	}
	return p.Effective.Admit(p.Attempt).Rule
}

func TestClosedDoorAndBanCostNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, "alice", "correct horse", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.WebDAV} })
	before := w.hashes.Load()
	if got := w.prove(t, attempt("alice", "correct horse"), Once); got != policy.RuleDoorAccount {
		t.Errorf("got rule %q, want %q", got, policy.RuleDoorAccount)
	}
	if err := w.failures.ban(t.Context(), Ban{Address: home.String()}, time.Hour); err != nil {
		t.Fatal(err)
	}
	a := attempt("bob", "x")
	a.Door, a.Transport = policy.WebDAV, policy.TLS
	p, err := w.Prove(t.Context(), a, Repeated)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Effective.Admit(p.Attempt).Rule; got != policy.RuleBan {
		t.Errorf("got rule %q, want %q", got, policy.RuleBan)
	}
	if p.Attempt.Credential.Proved {
		t.Error("an attempt that was not looked at counts as proved")
	}
	if got := w.hashes.Load() - before; got != 0 {
		t.Errorf("got %d hashes, want none", got)
	}
}

// Passwords must reach no log, however an attempt is printed.
func TestSecretsAreNotPrinted(t *testing.T) {
	a := attempt("alice", "hunter2hunter2")
	a.Code, a.Token, a.Link = "hunter2-code", "hunter2-token", "hunter2-link"
	a.Proved = &Proved{account: "hunter2"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "attempt", a, "pointer", &a)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "attempt", a, "pointer", &a)
	fmt.Fprintf(&log, "%v %+v %#v %s %q %v %+v", a, a, a, a, a, &a, []Attempt{a})
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the password is in %s", log.String())
	}
}
