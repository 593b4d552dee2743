package accounts

import (
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/state/memory"
)

func TestSmoke(t *testing.T) {
	st := memory.New()
	s, err := Open(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	a, err := s.Create(t.Context(), Account{Account: policy.Account{Name: "Bob Smith", Role: policy.RoleAdmin}, Password: &Password{ID: "1", Hash: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", a)
	if _, err = s.Create(t.Context(), Account{Account: policy.Account{Name: "bob smith"}}); err != ErrExists {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "BOB SMITH", 0, Guarded); err != ErrLastAdmin {
		t.Fatal(err)
	}
	b, err := s.Update(t.Context(), "BOB SMITH", 0, func(a *Account) error { a.Email = "x@example.org"; return nil }, Guarded)
	if err != nil || b.Revision == a.Revision {
		t.Fatal(b, err)
	}
	s2, err := Open(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	defer s2.Close(t.Context())
	c, err := s2.Account(t.Context(), "bob smith")
	if err != nil || c.Email != b.Email {
		t.Fatal(c, err)
	}
}
