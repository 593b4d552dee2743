package auth

import (
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
)

// Whoever changes what the account is proved with must not be cut in the moment
// between the change and its being known, however it is judged in between; nor
// may the proof go on where the change did not happen.
func TestProofOfWhoChangesIt(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(0))
	alice := w.add(t, "alice", "correct horse", nil)
	proved := func(a Attempt) *Proved {
		t.Helper()
		p, err := w.Prove(t.Context(), a, Once)
		if err != nil || !p.Effective.Admit(p.Attempt).Allowed {
			t.Fatal(p.Effective.Admit(p.Attempt), err)
		}
		return p.Proved
	}
	good := func(v *Proved) bool {
		t.Helper()
		a, e, err := w.accounts.LookByID(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		c := w.Present(a, e, v)
		return c.Proved && c.Code != policy.CodeNeeded
	}
	now := func() accounts.Account {
		t.Helper()
		a, err := w.accounts.ByID(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}

	before := proved(attempt("alice", "correct horse"))
	made, err := w.NewPassword(t.Context(), alice, "battery staple")
	if err != nil {
		t.Fatal(err)
	}
	both := before.WithPassword(made.ID)
	if !good(both) {
		t.Error("the proof is no good before the password is changed")
	}
	w.change(t, "alice", func(a *accounts.Account) { a.Password = made })
	if good(before) || !good(both) || !good(both.Settled(now())) || both.Settled(alice).nextPassword != "" {
		t.Errorf("a changed password: before %v, both %v, settled %v", good(before), good(both), good(both.Settled(now())))
	}

	before = both.Settled(now())
	if _, err := w.NewTOTP(t.Context(), now()); err != nil {
		t.Fatal(err)
	}
	id := now().TOTP.ID
	both = before.WithFactor(id)
	_, codes, err := confirm(w, t, id)
	if err != nil {
		t.Fatal(err)
	}
	if good(before) || !good(both) || !good(both.Settled(now())) || good(both.Settled(alice)) {
		t.Errorf("a new factor: before %v, both %v, settled %v", good(before), good(both), good(both.Settled(now())))
	}

	before = proved(withCode(attempt("alice", "battery staple"), codes[0]))
	both = before.WithoutFactor()
	if !good(both) {
		t.Error("the proof is no good before the factor is taken away")
	}
	if _, err := w.accounts.RemoveTOTP(t.Context(), "alice", 0, accounts.Guarded); err != nil {
		t.Fatal(err)
	}
	if good(before) || !good(both) || !good(both.Settled(now())) {
		t.Errorf("a factor taken away: before %v, both %v, settled %v", good(before), good(both), good(both.Settled(now())))
	}
}

func confirm(w *world, t *testing.T, id string) (accounts.Account, []string, error) {
	codes, a, err := w.accounts.ConfirmTOTP(t.Context(), "alice", id, accounts.Guarded)
	return a, codes, err
}

// An id that two accounts give to their keys must not make one of them the other.
func TestProofIsOfOneAccount(t *testing.T) {
	w := newWorld(t, nil)
	key := func(seed ssh.Signer) []accounts.Key {
		k, err := credentials.ParseKey(line(seed.PublicKey()))
		if err != nil {
			t.Fatal(err)
		}
		k.ID = "laptop"
		return []accounts.Key{k}
	}
	signer := ed(t)
	w.add(t, "alice", "", func(a *accounts.Account) { a.Keys = key(signer) })
	bob := w.add(t, "bob", "", func(a *accounts.Account) { a.Keys = key(ed(t)) })
	a := attempt("alice", "")
	a.Key = signer.PublicKey()
	p, err := w.Prove(t.Context(), a, Once)
	if err != nil {
		t.Fatal(err)
	}
	if c := w.Present(p.Account, p.Effective, p.Proved); !c.Proved {
		t.Error("the proof is not good for its own account")
	}
	if c := w.Present(bob, p.Effective, p.Proved); c.Proved {
		t.Error("the proof of one account is good for another")
	}
}
