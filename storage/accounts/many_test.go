package accounts

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func numberedList(n int) []Account {
	list := make([]Account, n)
	for i := range list {
		list[i] = numbered(i)
	}
	return list
}

func TestCreateMany(t *testing.T) {
	st := memory.New()
	s := open(t, st)
	made, err := s.CreateMany(t.Context(), numberedList(3*manyAtOnce+7))
	if err != nil || len(made) != 3*manyAtOnce+7 {
		t.Fatalf("got %d %v", len(made), err)
	}
	for _, i := range []int{0, manyAtOnce, 3*manyAtOnce + 6} {
		got, err := open(t, st).Account(t.Context(), fmt.Sprintf("USER%06d", i))
		if err != nil || got.ID != made[i].ID || got.Revision != made[i].Revision {
			t.Errorf("account %d: got %+v %v", i, got, err)
		}
	}
	if revision, err := st.Revision(t.Context(), record.Scope); err != nil || revision > 4 {
		t.Errorf("got %d batches %v, want 4", revision, err)
	}
	if got := s.PasswordSchemes(); !slices.Equal(got, []string{"2b$12"}) {
		t.Errorf("got schemes %q, want bcrypt's", got)
	}
}

// One that cannot be made takes the others of its batch with it, and none of
// those before; the error says which it was.
func TestCreateManyStopsAtTheFirstThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Account)
		want   error
	}{
		"twice":   {func(a *Account) { a.Name = "USER000003" }, ErrExists},
		"invalid": {func(a *Account) { a.Email = "nobody" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, memory.New())
			list := numberedList(2 * manyAtOnce)
			c.change(&list[manyAtOnce+5])
			made, err := s.CreateMany(t.Context(), list)
			var invalid *InvalidError
			if len(made) != manyAtOnce || c.want != nil && !errors.Is(err, c.want) || c.want == nil && !errors.As(err, &invalid) {
				t.Errorf("got %d made, %v", len(made), err)
			}
			if err == nil || !strings.Contains(err.Error(), list[manyAtOnce+5].Name) {
				t.Errorf("got %v, which names nobody", err)
			}
			if got := len(s.All()); got != manyAtOnce {
				t.Errorf("there are %d accounts, want %d", got, manyAtOnce)
			}
		})
	}
	s := open(t, memory.New())
	list := numberedList(2)
	list[0].Name, list[1].Name = "Same", "same"
	if _, err := s.CreateMany(t.Context(), list); !errors.Is(err, ErrExists) {
		t.Errorf("two of one name: got %v, want %v", err, ErrExists)
	}
}

func TestIDsAreNotTakenAgain(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", nil)
	b := Account{Account: policy.Account{ID: a.ID, Name: "bob"}}
	var invalid *InvalidError
	if _, err := s.Create(t.Context(), b); !errors.As(err, &invalid) || invalid.Field != "id" {
		t.Errorf("another's: got %v, want a refusal of the id", err)
	}
	if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), b); !errors.As(err, &invalid) || invalid.Field != "id" {
		t.Errorf("a deleted one's: got %v, want a refusal of the id", err)
	}
}

// A group of many members goes in few batches, also where its members change
// meanwhile.
func TestBigGroupGoes(t *testing.T) {
	st := memory.New()
	s := open(t, st)
	g := group(t, s, Group{Group: policy.Group{Name: "all"}})
	list := numberedList(manyAtOnce + 50)
	for i := range list {
		list[i].Groups = []string{g.ID}
	}
	if _, err := s.CreateMany(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	there := open(t, st)
	if _, err := there.Update(t.Context(), "user000003", 0, func(a *Account) error { a.Notes = "x"; return nil }, Guarded); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteGroup(t.Context(), "all", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	for i := range list {
		a, err := s.Account(t.Context(), fmt.Sprintf("user%06d", i))
		if err != nil || len(a.Groups) != 0 {
			t.Fatalf("user %d: got %v %v", i, a.Groups, err)
		}
	}
	if a, _ := s.Account(t.Context(), "user000003"); a.Notes != "x" {
		t.Error("a change made meanwhile is lost")
	}
	if _, err := st.Get(t.Context(), record.Scope, record.GroupPrefix+g.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("got %v, want %v", err, state.ErrNotFound)
	}
}

// A login among very many accounts does no more than one among few.
func TestLookCostsTheSame(t *testing.T) {
	cost := func(n int) float64 {
		s := open(t, memory.New())
		if _, err := s.CreateMany(t.Context(), numberedList(n)); err != nil {
			t.Fatal(err)
		}
		least := math.Inf(1)
		for range 5 { // what else runs in the process allocates too, now and then
			least = min(least, testing.AllocsPerRun(100, func() {
				if _, _, err := s.Look(t.Context(), "user000003"); err != nil {
					t.Error(err)
				}
			}))
		}
		return least
	}
	if few, many := cost(10), cost(5_000); many > few {
		t.Errorf("it allocates %v times among 5,000, %v times among 10", many, few)
	}
}
