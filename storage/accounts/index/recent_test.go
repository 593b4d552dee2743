package index

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// A crowd is an index with accounts u0, u1, ... and so much room for what it keeps.
type crowd struct {
	*Index
	t        *testing.T
	revision atomic.Uint64
}

func newCrowd(t *testing.T, most, accounts int) *crowd {
	c := &crowd{Index: New(most), t: t}
	for i := range accounts {
		c.write(fmt.Sprint("u", i))
	}
	return c
}

// write puts an account in anew.
func (c *crowd) write(name string) {
	a := record.Account{Account: policy.Account{ID: name, Name: name}}
	p, err := typed.Put(a.RecordName(), a)
	if err == nil {
		_, err = c.Put(state.Record{Name: p.Name, Value: p.Value, Revision: c.revision.Add(1)})
	}
	if err != nil {
		c.t.Error(err)
	}
}

func (c *crowd) look(name string) {
	e, ok := c.ByName(name)
	if !ok {
		c.t.Errorf("%s is not there", name)
		return
	}
	c.Effective(e)
}

// keeping names the accounts for which something is kept, in order.
func (c *crowd) keeping() []string {
	var names []string
	for _, e := range c.All() {
		if e.resolved.Load() != nil {
			names = append(names, e.Folded)
		}
	}
	slices.Sort(names)
	return names
}

// However many log in, what is kept is bounded, and who is in use stays in it.
func TestWhatIsKeptIsBoundedAndInUse(t *testing.T) {
	s := newCrowd(t, 3, 20)
	s.look("u0")
	used, _ := s.ByName("u0")
	kept := used.resolved.Load()
	for i := 1; i < 20; i++ {
		s.look("u0")
		s.look(fmt.Sprint("u", i))
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
	s := newCrowd(t, 2, 3)
	for _, name := range []string{"u0", "u1", "u0", "u1", "u2"} {
		s.look(name)
	}
	if got := s.keeping(); len(got) != 2 || !slices.Contains(got, "u2") {
		t.Errorf("kept for %v, want for u2 and another", got)
	}
}

// Questions about all accounts one by one keep nothing.
func TestOneOffQuestionsKeepNothing(t *testing.T) {
	s := newCrowd(t, 5, 5)
	for _, e := range s.All() {
		s.Resolve(&e.Account.Account)
	}
	if got := s.keeping(); got != nil {
		t.Errorf("kept for %v", got)
	}
}

// Many who ask at once, while accounts and rules change, leave no more behind
// than there is room for, and no entry that keeps something unknown to it.
func TestKeepingIsBoundedWhileAllChanges(t *testing.T) {
	s := newCrowd(t, 3, 8)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 200 {
				name := fmt.Sprint("u", (i*(worker+1))%8)
				s.look(name)
				if i%20 != worker {
					continue
				}
				s.write(name)
			}
		})
	}
	all.Wait()
	if got := s.keeping(); len(got) > 3 || len(s.recent.entries) != 3 {
		t.Errorf("kept for %v, with room for %d", got, len(s.recent.entries))
	}
	for _, e := range s.recent.entries {
		if e.resolved.Load() == nil {
			t.Errorf("%s has a place and keeps nothing", e.Folded)
		}
	}
}
