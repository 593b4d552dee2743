package accounts

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/policy"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, st state.Store) *Store {
	t.Helper()
	s, err := Open(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func create(t *testing.T, s *Store, name string, change func(*Account)) Account {
	t.Helper()
	a := Account{Account: policy.Account{Name: name}}
	if change != nil {
		change(&a)
	}
	made, err := s.Create(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func admin(a *Account) {
	a.Role = policy.RoleAdmin
	a.Password = &Password{ID: "p", Hash: "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA"}
}

// waitFor waits for long on a busy machine, and for moments on another.
func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not so after a long while")
		}
	}
}

func TestNewerRecordsAreRefused(t *testing.T) {
	for name, value := range map[string]string{
		"empty":         `{"format":2,"data":{}}`,
		"another shape": `{"format":2,"data":{"doors":{"sftp":true},"allowed_ips":["everywhere"]}}`,
	} {
		st := memory.New()
		_, err := st.Apply(t.Context(), state.Batch{Scope: record.Scope, Puts: []state.Put{{Name: "site", Value: []byte(value)}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), st); !errors.Is(err, state.ErrNewer) {
			t.Errorf("%s: got %v, want %v", name, err, state.ErrNewer)
		}
	}
}

func TestDamagedRecordsAreRefused(t *testing.T) {
	for _, value := range []string{"", "{", `{"format":1,"data":{"doors":7}}`, `{"format":1,"data":{"allowed_ips":["everywhere"]}}`} {
		st := memory.New()
		_, err := st.Apply(t.Context(), state.Batch{Scope: record.Scope, Puts: []state.Put{{Name: "site", Value: []byte(value)}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), st); err == nil {
			t.Errorf("%q was taken", value)
		}
	}
}
