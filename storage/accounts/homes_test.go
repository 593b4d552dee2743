package accounts

import (
	"errors"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/state/memory"
)

func TestMakingNoteEndsWithCreate(t *testing.T) {
	s := open(t, memory.New())
	note := Making{Home: path.MustParse("/home/alice")}
	if _, err := s.Making(t.Context(), "alice"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want %v", err, ErrNotFound)
	}
	for range 2 {
		if err := s.Begin(t.Context(), "Alice", note); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Making(t.Context(), "ALICE"); err != nil || got != note {
		t.Errorf("got %v %v, want %v", got, err, note)
	}
	create(t, s, "alice", nil)
	if _, err := s.Making(t.Context(), "alice"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want %v", err, ErrNotFound)
	}
	if err := s.Begin(t.Context(), "alice", note); !errors.Is(err, ErrExists) {
		t.Errorf("got %v for an account there is, want %v", err, ErrExists)
	}
}

func TestLeavingNoteStaysUntilDone(t *testing.T) {
	st := memory.New()
	s := open(t, st)
	a := create(t, s, "alice", nil)
	create(t, s, "within", func(b *Account) { b.Home = path.MustParse("/home/alice/within") })
	var invalid *InvalidError
	if _, err := s.Remove(t.Context(), "alice", 0, "burn", Guarded); !errors.As(err, &invalid) || invalid.Field != "files" {
		t.Errorf("got %v, want a refusal of the files", err)
	}
	if _, err := s.Remove(t.Context(), "alice", 0, DeleteFiles, Guarded); !errors.As(err, &invalid) || invalid.Field != "files" {
		t.Errorf("got %v: another's home would be deleted", err)
	}
	left, err := s.Remove(t.Context(), "alice", 0, KeepFiles, Guarded)
	if err != nil || !left.Home.IsRoot() {
		t.Errorf("got %+v %v: another's home would be moved", left, err)
	}
	left, err = s.Remove(t.Context(), "within", 0, DeleteFiles, Guarded)
	if err != nil || left.Home.String() != "/home/alice/within" {
		t.Fatalf("got %+v %v", left, err)
	}
	list, err := open(t, st).Leavings(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("got %v %v, want two", list, err)
	}
	for _, id := range []string{a.ID, left.ID} {
		if err := s.Left(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.Leavings(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("got %v %v, want none", list, err)
	}
}
