package accounts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"gatehouse/policy"
	"gatehouse/storage/accounts/index"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/state/typed"
)

// What another node writes is known here within moments, and announced once.
func TestChangesOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		here, there := open(t, st), open(t, st)
		changes := here.Changes(t.Context())
		next := func() Change { return <-changes }
		a := create(t, there, "Alice", nil)
		if got, want := next(), (Change{Kind: KindAccount, ID: a.ID, Name: "alice"}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, err := here.Account(t.Context(), "alice"); err != nil || got.Revision != a.Revision {
			t.Errorf("got %+v %v", got, err)
		}
		if _, err := here.Update(t.Context(), "alice", 0, func(a *Account) error { a.Notes = "x"; return nil }, Guarded); err != nil {
			t.Fatal(err)
		}
		next()
		if _, err := there.UpdateSite(t.Context(), 0, func(s *Site) error { s.Language = "de"; return nil }, Guarded); err != nil {
			t.Fatal(err)
		}
		if got := next().Kind; got != KindSite {
			t.Errorf("got %q, want the site", got)
		}
		g, err := there.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "Staff"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := next(), (Change{Kind: KindGroup, ID: g.ID, Name: "staff"}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if _, err := there.Delete(t.Context(), "alice", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		if got, want := next(), (Change{Kind: KindAccount, ID: a.ID, Name: "alice"}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		synctest.Wait()
		select {
		case c := <-changes:
			t.Errorf("got %v, which is no change", c)
		default:
		}
		if _, err := here.Account(t.Context(), "alice"); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want %v", err, ErrNotFound)
		}
	})
}

func TestSlowReaderOfChangesGetsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		changes := s.Changes(t.Context())
		for i := range 3 * index.MaxTold {
			create(t, s, fmt.Sprint("user", i), nil)
		}
		synctest.Wait()
		var kinds []string
		for len(kinds) == 0 || kinds[len(kinds)-1] != KindAll {
			kinds = append(kinds, (<-changes).Kind)
		}
		if len(kinds) > index.MaxTold {
			t.Errorf("%d changes waited before %q", len(kinds), KindAll)
		}
	})
}

// A node that was cut off from the changes reads all anew, and forgets what was
// deleted meanwhile.
func TestResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &gappy{Store: memory.New()}
		here := open(t, st)
		there := open(t, st.Store)
		create(t, there, "stays", nil)
		create(t, there, "goes", nil)
		synctest.Wait()
		st.silent(true)
		changes := here.Changes(t.Context())
		if _, err := there.Delete(t.Context(), "goes", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		create(t, there, "comes", nil)
		synctest.Wait()
		if _, err := here.Account(t.Context(), "comes"); err == nil {
			t.Fatal("the node was not cut off")
		}
		st.silent(false)
		st.resync()
		for (<-changes).Kind != KindAll {
		}
		for name, there := range map[string]bool{"stays": true, "goes": false, "comes": true} {
			if _, err := here.Account(t.Context(), name); (err == nil) != there {
				t.Errorf("%s: got %v, want there %v", name, err, there)
			}
		}
	})
}

// gappy is a store whose watches can be made to miss changes.
type gappy struct {
	state.Store
	mu    sync.Mutex
	quiet bool
	out   chan state.Change
}

func (g *gappy) silent(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.quiet = yes
}

func (g *gappy) resync() { g.out <- state.Change{Resync: true} }

func (g *gappy) Watch(ctx context.Context, name string, after uint64) (<-chan state.Change, error) {
	in, err := g.Store.Watch(ctx, name, after)
	if err != nil || name != record.Scope {
		return in, err
	}
	g.out = make(chan state.Change)
	go func() {
		defer close(g.out)
		for c := range in {
			g.mu.Lock()
			quiet := g.quiet
			g.mu.Unlock()
			if quiet {
				continue
			}
			select {
			case g.out <- c:
			case <-ctx.Done():
			}
		}
	}()
	return g.out, nil
}

// A slower writer's result must not bring back what was deleted meanwhile.
func TestDeletedStaysDeleted(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", nil)
	late, err := typed.Put(record.AccountPrefix+a.ID, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	s.indexed(state.Batch{Puts: []state.Put{late}}, a.Revision+10)
	if _, err := s.Account(t.Context(), "alice"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want %v", err, ErrNotFound)
	}
}

// A state that has lost its last changes (a failover, a power cut) is what holds:
// what was lost goes, what was deleted is back, and what was changed since under a
// revision that was known for something else is not taken for known.
func TestStateThatLostChangesIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &gappy{Store: memory.New()}
		here := open(t, st)
		create(t, here, "deleted", nil)
		create(t, here, "changed", nil)
		before := memory.New()
		if err := before.Load(t.Context(), st.Dump(t.Context())); err != nil {
			t.Fatal(err)
		}
		notes := func(s *Store, text string) {
			t.Helper()
			if _, err := s.Update(t.Context(), "changed", 0, func(a *Account) error { a.Notes = text; return nil }, Guarded); err != nil {
				t.Fatal(err)
			}
		}
		notes(here, "lost")
		if _, err := here.Delete(t.Context(), "deleted", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		create(t, here, "lost", nil)
		if _, err := here.UpdateSite(t.Context(), 0, func(s *Site) error { s.Language = "de"; return nil }, Guarded); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		st.Store = before
		there := open(t, before)
		notes(there, "kept")
		st.resync()
		synctest.Wait()
		for name, there := range map[string]bool{"deleted": true, "changed": true, "lost": false} {
			if _, err := here.Account(t.Context(), name); (err == nil) != there {
				t.Errorf("%s: got %v, want there %v", name, err, there)
			}
		}
		if a, err := here.Account(t.Context(), "changed"); err != nil || a.Notes != "kept" {
			t.Errorf("got %q, %v", a.Notes, err)
		}
		if here.index.Site().Language == "de" {
			t.Error("the site is as it was lost")
		}
		notes(here, "goes on")
	})
}
