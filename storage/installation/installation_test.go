package installation

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func open(t *testing.T, st state.Store, known string) *Installation {
	t.Helper()
	i, err := Open(t.Context(), st, known)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Gateways that start at once on a new store are one installation, and go on as it.
func TestOneIdentityIsMade(t *testing.T) {
	st := memory.New()
	ids := make([]string, 8)
	var all sync.WaitGroup
	for n := range ids {
		all.Go(func() {
			i, err := Open(t.Context(), st, "")
			if err != nil {
				t.Error(err)
				return
			}
			ids[n] = i.ID
		})
	}
	all.Wait()
	if slices.Sort(ids); ids[0] == "" || ids[0] != ids[len(ids)-1] {
		t.Errorf("they are %q", ids)
	}
	if i := open(t, st, ids[0]); i.ID != ids[0] {
		t.Errorf("it goes on as %s, was %s", i.ID, ids[0])
	}
	if i := open(t, memory.New(), ""); i.ID == ids[0] {
		t.Error("two installations are the same")
	}
}

// What was written before there were identities stays as it is, and gets one.
func TestWhatIsThereIsAdopted(t *testing.T) {
	st := memory.New()
	write := func(b state.Batch) {
		t.Helper()
		if _, err := st.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for _, scope := range scopes {
		write(state.Batch{Scope: scope, Puts: []state.Put{{Name: "a", Value: []byte("1")}}})
	}
	i := open(t, st, "")
	if i.ID == "" || open(t, st, i.ID).ID != i.ID {
		t.Errorf("it is %q", i.ID)
	}
	for _, scope := range scopes {
		if r, err := st.Get(t.Context(), scope, "a"); err != nil || string(r.Value) != "1" {
			t.Errorf("%s: %q, %v", scope, r.Value, err)
		}
	}
	write(state.Batch{Scope: scopes[1], Deletes: []string{mark, prefix + i.ID}}) // as if cut off when it was made
	if again := open(t, st, ""); again.ID != i.ID {
		t.Errorf("ended by another it is %s, was %s", again.ID, i.ID)
	}
}

// Who has served an installation takes no other store for its own, and makes
// nothing there.
func TestAnotherStoreIsForeign(t *testing.T) {
	known := open(t, memory.New(), "").ID
	for name, c := range map[string]struct {
		prepare func(st state.Store)
		want    func(ForeignError) bool
	}{
		"empty": {func(state.Store) {}, func(e ForeignError) bool { return e.Found == "" }},
		"from before there were identities": {func(st state.Store) {
			_, _ = st.Apply(t.Context(), state.Batch{Scope: scopes[0], Puts: []state.Put{{Name: "a"}}})
		}, func(e ForeignError) bool { return e.Found == "" }},
		"another's": {func(st state.Store) { open(t, st, "") }, func(e ForeignError) bool { return e.Found != "" && e.Found != known }},
		"with a part that is lost": {func(st state.Store) {
			for _, scope := range []string{scopes[0], scopes[2]} {
				_, _ = (&Installation{ID: known, marks: make(map[string]state.Check)}).write(t.Context(), st, scope)
			}
		}, func(e ForeignError) bool { return e.Found == known && e.Scope == scopes[1] }},
		"with a part of another": {func(st state.Store) {
			_, _ = (&Installation{ID: known, marks: make(map[string]state.Check)}).write(t.Context(), st, scopes[0])
			_, _ = (&Installation{ID: "other", marks: make(map[string]state.Check)}).write(t.Context(), st, scopes[1])
		}, func(e ForeignError) bool { return e.Found == "other" }},
	} {
		t.Run(name, func(t *testing.T) {
			st := memory.New()
			c.prepare(st)
			before := revisions(t, st)
			_, err := Open(t.Context(), st, known)
			var foreign *ForeignError
			if !errors.As(err, &foreign) || foreign.Known != known || !c.want(*foreign) || foreign.Error() == "" {
				t.Errorf("got %+v, %v", foreign, err)
			}
			if !errors.Is(err, ErrForeign) || !errors.Is(err, state.ErrAway) {
				t.Errorf("%v is no ErrForeign, which is an ErrAway", err)
			}
			if now := revisions(t, st); !maps.Equal(now, before) {
				t.Errorf("it has written: %v, was %v", now, before)
			}
		})
	}
}

// A store that has lost the deciding part is not taken for a new one by anybody.
func TestALostPartIsNoNewInstallation(t *testing.T) {
	st := memory.New()
	id := open(t, st, "").ID
	if _, err := st.Apply(t.Context(), state.Batch{Scope: scopes[0], Deletes: []string{mark, prefix + id}}); err != nil {
		t.Fatal(err)
	}
	if i, err := Open(t.Context(), st, ""); !errors.Is(err, ErrForeign) {
		t.Errorf("it is taken for %+v, %v", i, err)
	}
}

// A failover that loses a mark right after it was written stops the nodes that knew it,
// until their folders forget: then what is missing is written again, and it is what it was.
func TestALostMarkIsWrittenAgain(t *testing.T) {
	for _, scope := range scopes[1:] {
		st := memory.New()
		b := open(t, st, "").Bind(st)
		id := b.installation.ID
		if _, err := st.Apply(t.Context(), state.Batch{Scope: scope, Deletes: []string{mark, prefix + id}}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Apply(t.Context(), state.Batch{Scope: scope, Puts: []state.Put{{Name: "a"}}}); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: a node that runs: %v, want ErrForeign", scope, err)
		}
		if _, err := Open(t.Context(), st, id); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: a start: %v, want ErrForeign", scope, err)
		}
		if again := open(t, st, ""); again.ID != id || open(t, st, id).ID != id {
			t.Errorf("%s: it is %s, was %s", scope, again.ID, id)
		}
	}
}

func revisions(t *testing.T, st state.Store) map[string]uint64 {
	t.Helper()
	all := make(map[string]uint64)
	for _, scope := range scopes {
		n, err := st.Revision(t.Context(), scope)
		if err != nil {
			t.Fatal(err)
		}
		all[scope] = n
	}
	return all
}

// A flushed is a store that loses everything before its n-th call, for one that is
// then another's, or nobody's.
type flushed struct {
	state.Store
	then  state.Store
	calls int
}

func (f *flushed) next() state.Store {
	if f.calls--; f.calls < 0 {
		f.Store = f.then
	}
	return f.Store
}

func (f *flushed) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	return f.next().Apply(ctx, b)
}

func (f *flushed) Get(ctx context.Context, scope, name string) (state.Record, error) {
	return f.next().Get(ctx, scope, name)
}

func (f *flushed) Revision(ctx context.Context, scope string) (uint64, error) {
	return f.next().Revision(ctx, scope)
}

// The store is emptied, or emptied and begun by another installation that is at the
// same revisions, before any call of a gateway that has just looked whose it is: in
// none of the scopes anything is written, and from then on nothing is given either.
func TestNothingIsWrittenWhereTheStateIsNot(t *testing.T) {
	for name, then := range map[string]func() state.Store{
		"emptied":   func() state.Store { return memory.New() },
		"another's": func() state.Store { st := memory.New(); open(t, st, ""); return st },
	} {
		for _, scope := range scopes {
			for calls := range 3 {
				st := memory.New()
				known := open(t, st, "")
				f := &flushed{Store: st, then: then(), calls: calls}
				b := known.Bind(f)
				before := revisions(t, f.then)
				var err error
				for range 4 { // the last of them is after the store was emptied
					_, err = b.Apply(t.Context(), state.Batch{Scope: scope, Puts: []state.Put{{Name: "a", Value: []byte("1")}}})
				}
				if !errors.Is(err, ErrForeign) {
					t.Errorf("%s, %s after %d calls: %v, want ErrForeign", scope, name, calls, err)
				}
				if now := revisions(t, f.then); !maps.Equal(now, before) {
					t.Errorf("%s, %s after %d calls: %v were written, %v were there", scope, name, calls, now, before)
				}
				wantShut(t, b)
			}
		}
	}
}

func wantShut(t *testing.T, b *Bound) {
	t.Helper()
	select {
	case <-b.Foreign():
	default:
		t.Error("nobody is told")
	}
	ctx := t.Context()
	_, apply := b.Apply(ctx, state.Batch{Scope: "any", Puts: []state.Put{{Name: "a"}}})
	_, get := b.Get(ctx, "any", "a")
	_, list := b.List(ctx, "any", "", "", 0)
	_, revision := b.Revision(ctx, "any")
	_, count := b.Count(ctx, "any", state.Window{Name: "a", Period: 1, Add: 1})
	_, appended := b.Append(ctx, "any", state.NewOperationID(), []byte("1"))
	dump := error(nil)
	for _, err := range b.Dump(ctx) {
		dump = err
	}
	for call, err := range map[string]error{
		"Apply": apply, "Get": get, "List": list, "Revision": revision, "Count": count, "Append": appended,
		"Trim": b.Trim(ctx, "any", 1), "Dump": dump,
	} {
		if !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, want ErrForeign", call, err)
		}
	}
}

// Who reads a scope anew hears that it is another's, before the next write.
func TestReadingAnewNotices(t *testing.T) {
	for _, scope := range scopes {
		st := memory.New()
		f := &flushed{Store: st, then: memory.New()}
		b := open(t, st, "").Bind(f)
		f.calls = 2 // a look at the mark, and the revision
		if n, err := b.Revision(t.Context(), scope); n == 0 || err != nil {
			t.Errorf("%s: %d, %v", scope, n, err)
		}
		if _, err := b.Revision(t.Context(), scope); !errors.Is(err, ErrForeign) {
			t.Errorf("%s when it is empty: %v, want ErrForeign", scope, err)
		}
		wantShut(t, b)
	}
}

// In its own state everything is as ever: another writer is a conflict and no loss.
func TestABoundStoreIsAStore(t *testing.T) {
	st := memory.New()
	b := open(t, st, "").Bind(st)
	for _, scope := range append(slices.Clone(scopes), "any") {
		put := state.Batch{Scope: scope, Checks: []state.Check{{Name: "a"}}, Puts: []state.Put{{Name: "a", Value: []byte("1")}}}
		if _, err := b.Apply(t.Context(), put); err != nil {
			t.Errorf("%s: %v", scope, err)
		}
		var conflict *state.ConflictError
		if _, err := b.Apply(t.Context(), put); !errors.As(err, &conflict) || conflict.Name != "a" {
			t.Errorf("%s again: %v, want a conflict", scope, err)
		}
		if len(put.Checks) != 1 {
			t.Errorf("the caller's batch has changed: %+v", put)
		}
	}
	if b.Err() != nil {
		t.Error(b.Err())
	}
}

func TestADataFolderRemembers(t *testing.T) {
	dir := t.TempDir()
	if id, err := Recall(dir); id != "" || err != nil {
		t.Errorf("a new one: %q, %v", id, err)
	}
	for _, want := range []string{"one", "other"} {
		if err := Remember(dir, want); err != nil {
			t.Fatal(err)
		}
		if id, err := Recall(dir); id != want || err != nil {
			t.Errorf("got %q, %v, want %q", id, err, want)
		}
	}
	if left, err := os.ReadDir(dir); len(left) != 1 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := Recall(dir); err == nil {
		t.Errorf("an empty file says %q", id)
	}
}
