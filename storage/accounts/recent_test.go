package accounts

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/state/memory"
)

// openWith opens a store that keeps so much, with accounts u0, u1, ...
func openWith(t *testing.T, most, accounts int) *Store {
	t.Helper()
	s, err := Open(t.Context(), memory.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	s.recent.most = most
	for i := range accounts {
		if _, err := s.Create(t.Context(), Account{Account: policy.Account{Name: fmt.Sprint("u", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *Store) look(t *testing.T, name string) {
	t.Helper()
	if _, _, err := s.Look(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// keeping names the accounts for which something is kept, in order.
func (s *Store) keeping() []string {
	var names []string
	for _, e := range s.index.all() {
		if e.resolved.Load() != nil {
			names = append(names, e.folded)
		}
	}
	slices.Sort(names)
	return names
}

// However many log in, what is kept is bounded, and who is in use stays in it.
func TestWhatIsKeptIsBoundedAndInUse(t *testing.T) {
	s := openWith(t, 3, 20)
	s.look(t, "u0")
	used, _ := s.index.byName("u0")
	kept := used.resolved.Load()
	for i := 1; i < 20; i++ {
		s.look(t, "u0")
		s.look(t, fmt.Sprint("u", i))
		if used.resolved.Load() != kept {
			t.Fatalf("after %d others u0, which is in use, was let go", i)
		}
	}
	if got := s.keeping(); len(got) != 3 || !slices.Contains(got, "u0") || !slices.Contains(got, "u19") {
		t.Errorf("kept for %v, want for 3, u0 and u19 among them", got)
	}
}

// Where all that is kept is in use, the next one still is kept.
func TestWhereAllAreInUseOneMakesRoom(t *testing.T) {
	s := openWith(t, 2, 3)
	for _, name := range []string{"u0", "u1", "u0", "u1", "u2"} {
		s.look(t, name)
	}
	if got := s.keeping(); len(got) != 2 || !slices.Contains(got, "u2") {
		t.Errorf("kept for %v, want for u2 and another", got)
	}
}

// Lists, and questions about all accounts one by one, keep nothing.
func TestOneOffQuestionsKeepNothing(t *testing.T) {
	s := openWith(t, 5, 5)
	if _, _, err := s.Rows(t.Context(), Query{}); err != nil {
		t.Fatal(err)
	}
	for _, id := range s.All() {
		if _, err := s.Row(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		a, err := s.ByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Effective(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.keeping(); got != nil {
		t.Errorf("kept for %v", got)
	}
}

// Many who ask at once, while accounts and rules change, leave no more behind
// than there is room for, and no entry that keeps something unknown to it.
func TestKeepingIsBoundedWhileAllChanges(t *testing.T) {
	s := openWith(t, 3, 8)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 200 {
				name := fmt.Sprint("u", (i*(worker+1))%8)
				s.look(t, name)
				if i%20 != worker {
					continue
				}
				_, err := s.Update(t.Context(), name, 0, func(a *Account) error { a.Notes = newID(); return nil }, Guarded)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := s.keeping(); len(got) > 3 || len(s.recent.entries) != 3 {
		t.Errorf("kept for %v, with room for %d", got, len(s.recent.entries))
	}
	for _, e := range s.recent.entries {
		if e.resolved.Load() == nil {
			t.Errorf("%s has a place and keeps nothing", e.folded)
		}
	}
}
