package accounts

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state/memory"
)

// A login is no change of the account, and what goes with it goes when it does.
func TestActivityIsBesideTheAccount(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", func(a *Account) { a.Password = &Password{ID: "p", Hash: "x"} })
	s.Touch(a.ID, "p", time.Now(), "192.0.2.1", policy.WebDAV)
	s.Touch(a.ID, "gone", time.Now(), "192.0.2.1", policy.WebDAV)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, _ := s.ByID(t.Context(), a.ID); now.Revision != a.Revision {
		t.Error("activity changed the account's revision")
	}
	again := open(t, s.state)
	got, err := again.Activity(t.Context(), a.ID)
	if err != nil || got.LastUsed["p"].Address != "192.0.2.1" || len(got.LastUsed) != 1 {
		t.Errorf("got %+v %v", got, err)
	}
	if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Activity(t.Context(), a.ID); !got.LastLogin.IsZero() {
		t.Errorf("of the deleted account there is %+v", got)
	}
}

// Where a client came from is kept with its uses, and of nothing else.
func TestClientsAreSeen(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", func(a *Account) { a.Password = &Password{ID: "p", Hash: "x"} })
	laptop, _, err := s.AddCredential(t.Context(), "alice", 0, client("laptop"), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	for i, credential := range []string{laptop.ID, "p", laptop.ID} {
		s.Touch(a.ID, credential, time.Now(), fmt.Sprint("192.0.2.", i), policy.API)
	}
	got, _ := s.Activity(t.Context(), a.ID)
	if seen := got.Latest[laptop.ID]; len(got.Latest) != 1 || len(seen) != 2 || seen[0].Address != "192.0.2.2" {
		t.Errorf("got %+v", got.Latest)
	}
}
