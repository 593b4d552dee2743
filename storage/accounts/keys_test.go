package accounts

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/state/memory"
)

func newEd25519(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

func TestAddAndRemoveKeys(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	add := func(name string) Key {
		t.Helper()
		k, err := credentials.ParseKey(newEd25519(t) + " " + name)
		if err != nil {
			t.Fatal(err)
		}
		made, _, err := s.AddKey(t.Context(), "alice", 0, k, Guarded)
		if err != nil || made.ID == "" || made.Added.IsZero() || made.Name != name {
			t.Fatalf("got %+v %v", made, err)
		}
		return made
	}
	one, two, three, four := add("laptop"), add("phone"), add("twin"), add("twin")
	var invalid *InvalidError
	if _, _, err := s.AddKey(t.Context(), "alice", 0, Key{PublicKey: one.PublicKey, Name: "again"}, Guarded); !errors.As(err, &invalid) {
		t.Errorf("the same key twice: got %v", err)
	}
	if _, err := s.RemoveKey(t.Context(), "alice", 0, "twin", Guarded); !errors.As(err, &invalid) {
		t.Errorf("an ambiguous name: got %v", err)
	}
	for _, which := range []string{one.ID, two.Fingerprint, three.Fingerprint, "twin"} {
		if _, err := s.RemoveKey(t.Context(), "alice", 0, which, Guarded); err != nil {
			t.Errorf("remove %q: %v", which, err)
		}
	}
	if a, _ := s.Account(t.Context(), "alice"); len(a.Keys) != 0 {
		t.Errorf("got %d keys, want none", len(a.Keys))
	}
	if _, err := s.RemoveKey(t.Context(), "alice", 0, four.ID, Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want %v", err, ErrNotFound)
	}
}
