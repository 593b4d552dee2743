package typed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// forgetful is a store that says of its first answers that it does not know them.
type forgetful struct {
	state.Store
	times int
	ids   []state.OperationID
}

func (f *forgetful) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	f.ids = append(f.ids, b.ID)
	r, err := f.Store.Apply(context.WithoutCancel(ctx), b)
	if err == nil && len(f.ids) <= f.times {
		return state.Result{}, fmt.Errorf("the line broke: %w", state.ErrUnknown)
	}
	return r, err
}

// A batch whose outcome is not known is made again under its id, so that it is
// made once; and not for ever.
func TestUnknownOutcomeIsSettled(t *testing.T) {
	put, err := Put("a", 1)
	if err != nil {
		t.Fatal(err)
	}
	batch := state.Batch{Scope: "s", Checks: []state.Check{{Name: "a"}}, Puts: []state.Put{put}}
	st := &forgetful{Store: memory.New(), times: 2}
	r, err := Settle(t.Context(), st, batch)
	if err != nil || r.Revision != 1 || len(slices.Compact(st.ids)) != 1 {
		t.Errorf("got %+v %v under the ids %q", r, err, st.ids)
	}
	st = &forgetful{Store: memory.New(), times: 1000}
	if _, err := Settle(t.Context(), st, batch); !errors.Is(err, state.ErrUnknown) || len(st.ids) > 10 {
		t.Errorf("got %v after %d tries", err, len(st.ids))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	st = &forgetful{Store: memory.New(), times: 1000}
	if _, err := Settle(ctx, st, batch); !errors.Is(err, state.ErrUnknown) || len(st.ids) != 1 {
		t.Errorf("for one who has gone: got %v after %d tries", err, len(st.ids))
	}
}

// A change that lost against another is made on what is there now; what fails for
// another reason fails at once, and one that always loses gives up.
func TestRetry(t *testing.T) {
	lost := &state.ConflictError{Name: "a"}
	for name, c := range map[string]struct {
		errs  []error
		tries int
		want  error
	}{
		"at once":       {[]error{nil}, 1, nil},
		"at the third":  {[]error{Again(lost), Again(lost), nil}, 3, nil},
		"of no use":     {[]error{Again(state.ErrNewer)}, 1, state.ErrNewer},
		"a bare loss":   {[]error{lost}, 1, state.ErrConflict},
		"always losing": {slices.Repeat([]error{Again(lost)}, 1000), 100, state.ErrConflict},
	} {
		tries := 0
		err := Retry(func() error { tries++; return c.errs[tries-1] })
		if !errors.Is(err, c.want) || tries != c.tries {
			t.Errorf("%s: got %v after %d tries, want %v after %d", name, err, tries, c.want, c.tries)
		}
	}
}

// A record of a newer program is refused, whatever shape it has, and not misread.
func TestDecode(t *testing.T) {
	p, err := Put("a", map[string]int{"x": 7})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	if err := Decode(state.Record{Name: "a", Value: p.Value}, &got); err != nil || got["x"] != 7 {
		t.Errorf("got %v %v", got, err)
	}
	for value, want := range map[string]error{
		`{"format":2,"data":{"x":1}}`: state.ErrNewer, `{"format":2,"data":"another shape"}`: state.ErrNewer,
		`{"format":1,"data":"x"}`: nil, `{`: nil, ``: nil,
	} {
		err := Decode(state.Record{Name: "a", Value: []byte(value)}, &got)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%q: got %v, want it refused (%v)", value, err, want)
		}
	}
}

// All goes through every page, in order, and ends at the first error.
func TestAll(t *testing.T) {
	st := memory.New()
	const many = 1200
	var b state.Batch
	b.Scope = "s"
	for i := range many {
		b.Puts = append(b.Puts, state.Put{Name: fmt.Sprintf("p/%04d", i), Value: []byte("x")})
	}
	b.Puts = append(b.Puts, state.Put{Name: "q/1", Value: []byte("x")})
	if _, err := Settle(t.Context(), st, b); err != nil {
		t.Fatal(err)
	}
	var names []string
	err := All(t.Context(), st, "s", "p/", func(r state.Record) error { names = append(names, r.Name); return nil })
	if err != nil || len(names) != many || !slices.IsSorted(names) {
		t.Errorf("got %d names, sorted %v: %v", len(names), slices.IsSorted(names), err)
	}
	seen, stop := 0, errors.New("enough")
	if err := All(t.Context(), st, "s", "p/", func(state.Record) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("got %v after %d", err, seen)
	}
}
