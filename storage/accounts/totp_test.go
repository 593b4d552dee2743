package accounts

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"gatehouse/storage/accounts/codes"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// enrolled makes an account with a second factor and returns its recovery codes.
func enrolled(t *testing.T, s *Store, name string) (Account, []string) {
	t.Helper()
	create(t, s, name, nil)
	id := NewTOTPID()
	if _, err := s.EnrolTOTP(t.Context(), name, id, []byte("sealed"), Guarded); err != nil {
		t.Fatal(err)
	}
	texts, a, err := s.ConfirmTOTP(t.Context(), name, id, Guarded)
	if err != nil {
		t.Fatal(err)
	}
	return a, texts
}

// A second factor counts once a code has shown that its secret arrived, and is
// not quietly replaced by another.
func TestEnrolment(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	first, second := NewTOTPID(), NewTOTPID()
	if _, _, err := s.ConfirmTOTP(t.Context(), "alice", first, Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("confirmed without enrolment: got %v, want %v", err, ErrNotFound)
	}
	for _, id := range []string{first, second} {
		if a, err := s.EnrolTOTP(t.Context(), "alice", id, []byte("sealed"), Guarded); err != nil || a.HasCode() {
			t.Fatalf("got %v, counts %v", err, a.HasCode())
		}
	}
	if _, _, err := s.ConfirmTOTP(t.Context(), "alice", first, Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("an enrolment that was begun anew: got %v, want %v", err, ErrNotFound)
	}
	if _, _, err := s.RenewRecovery(t.Context(), "alice", Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("recovery codes before it counts: got %v, want %v", err, ErrNotFound)
	}
	texts, a, err := s.ConfirmTOTP(t.Context(), "alice", second, Guarded)
	if err != nil || !a.HasCode() || len(texts) != 10 {
		t.Fatalf("got %v, counts %v, %d codes", err, a.HasCode(), len(texts))
	}
	if _, _, err := s.ConfirmTOTP(t.Context(), "alice", second, Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("confirmed twice: got %v, want %v", err, ErrNotFound)
	}
	var invalid *InvalidError
	if _, err := s.EnrolTOTP(t.Context(), "alice", first, []byte("mallory's"), Guarded); !errors.As(err, &invalid) {
		t.Errorf("another one over it: got %v, want a refusal", err)
	}
	if a, err := s.RemoveTOTP(t.Context(), "alice", 0, Guarded); err != nil || a.TOTP != nil {
		t.Errorf("got %+v %v", a.TOTP, err)
	}
	if _, err := s.RemoveTOTP(t.Context(), "alice", 0, Guarded); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: got %v, want %v", err, ErrNotFound)
	}
}

// A recovery code works once, however it is typed and whichever nodes are asked
// at the same moment.
func TestRecoveryCodeWorksOnce(t *testing.T) {
	st := memory.New()
	nodes := []*Store{open(t, st), open(t, st)}
	a, texts := enrolled(t, nodes[0], "alice")
	waitFor(t, func() bool { b, _ := nodes[1].Account(t.Context(), "alice"); return b.HasCode() })
	for item := range st.Dump(t.Context()) {
		for _, code := range texts {
			if bytes.Contains(item.Value, []byte(code)) || bytes.Contains(item.Value, []byte(strings.ReplaceAll(code, "-", ""))) {
				t.Errorf("a code is kept in %s/%s", item.Scope, item.Name)
			}
		}
	}
	for i, code := range texts[:5] {
		won := atOnce(10, func(n int) error { return nodes[n%2].UseRecovery(t.Context(), a.ID, code) }, func(err error) {
			if !errors.Is(err, codes.ErrUsed) {
				t.Errorf("got %v, want %v", err, codes.ErrUsed)
			}
		})
		if won != 1 {
			t.Errorf("code %d worked %d times", i, won)
		}
	}
	if err := nodes[0].UseRecovery(t.Context(), a.ID, " "+strings.ToUpper(strings.ReplaceAll(texts[5], "-", " "))); err != nil {
		t.Errorf("in capitals: %v", err)
	}
	for _, wrong := range []string{"", "wrong", texts[0], a.TOTP.Recovery[7]} {
		if err := nodes[0].UseRecovery(t.Context(), a.ID, wrong); !errors.Is(err, codes.ErrUsed) {
			t.Errorf("%q: got %v, want %v", wrong, err, codes.ErrUsed)
		}
	}
	fresh, _, err := nodes[0].RenewRecovery(t.Context(), "alice", Guarded)
	if err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].UseRecovery(t.Context(), a.ID, texts[6]); !errors.Is(err, codes.ErrUsed) {
		t.Errorf("one that was replaced: got %v, want %v", err, codes.ErrUsed)
	}
	if err := nodes[0].UseRecovery(t.Context(), a.ID, fresh[6]); err != nil {
		t.Errorf("a new one: %v", err)
	}
}

// atOnce tries n times at once and returns how many tries went well.
func atOnce(n int, try func(int) error, lost func(error)) int {
	var all sync.WaitGroup
	results := make(chan error, n)
	for i := range n {
		all.Go(func() { results <- try(i) })
	}
	all.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
			continue
		}
		lost(err)
	}
	return won
}

// A deleted account leaves no used code behind.
func TestUsedCodesGoWithTheAccount(t *testing.T) {
	st := memory.New()
	s := open(t, st)
	a, _ := enrolled(t, s, "alice")
	if err := s.UseCode(t.Context(), a.ID, a.TOTP.ID, 7); err != nil {
		t.Fatal(err)
	}
	if err := s.UseCode(t.Context(), a.ID, a.TOTP.ID, 7); !errors.Is(err, codes.ErrUsed) {
		t.Errorf("got %v, want %v", err, codes.ErrUsed)
	}
	if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	for item := range st.Dump(t.Context()) {
		if item.Kind == state.ItemRecord && strings.Contains(item.Name, a.ID) {
			t.Errorf("%s/%s is left of the deleted account", item.Scope, item.Name)
		}
	}
}

func TestWhatIsNoSecondFactor(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	for name, c := range map[string]struct {
		field string
		totp  TOTP
	}{
		"no id":     {"totp", TOTP{Sealed: []byte("x")}},
		"no secret": {"totp", TOTP{ID: "1"}},
		"no hash":   {"recovery_codes", TOTP{ID: "1", Sealed: []byte("x"), Recovery: []string{"plain"}}},
		"too many":  {"recovery_codes", TOTP{ID: "1", Sealed: []byte("x"), Recovery: make([]string, 33)}},
	} {
		_, err := s.Update(t.Context(), "alice", 0, func(a *Account) error { a.TOTP = &c.totp; return nil }, Guarded)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != c.field {
			t.Errorf("%s: got %v, want a refusal of %q", name, err, c.field)
		}
	}
}
