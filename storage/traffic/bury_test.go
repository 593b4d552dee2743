package traffic

import (
	"errors"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// What a node had leased when it died counts as moved, once, and nobody holds it any
// more.
func TestBury(t *testing.T) {
	store := memory.New()
	limits := Limits{Day: 1 << 30, Month: 1 << 31}
	dead := New(store, "dead/1") // it is never closed
	g, err := join(dead, limits).Upload(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	g.Moved(1000)
	before := used(t, store, limits)
	here := newTraffic(t, store, "here/1")
	for range 2 {
		if err := here.Bury(t.Context(), "dead", "1"); err != nil {
			t.Fatal(err)
		}
		after := used(t, store, limits)
		if *after.Day != *before.Day || *after.Month != *before.Month || after.Day.Used < 1000 {
			t.Errorf("%+v and %+v count, before it was buried %+v and %+v", after.Day, after.Month, before.Day, before.Month)
		}
	}
	for _, name := range []kind{day, month} {
		a := here.allowance("alice", name)
		last, _, err := a.periods(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v, err := store.Count(t.Context(), a.scope, state.Lease{Name: last, Holder: "test"})
		if err != nil || v.Leased != 0 {
			t.Errorf("%d are leased, %v", v.Leased, err)
		}
	}
	if err := here.Bury(t.Context(), "here", "1"); err == nil {
		t.Error("it buried itself")
	}
}

// Where nodes share and little is left, one that moves keeps nothing back from another:
// a day's bytes are moved to the last one, whichever node moves them.
func TestNodesShareADay(t *testing.T) {
	store := memory.New()
	limits := Limits{Day: 100_000}
	a, b := newTraffic(t, store, "a/1"), newTraffic(t, store, "b/1")
	a.Share()
	b.Share()
	here, there := join(a, limits), join(b, limits)
	for _, s := range []*Session{here, there} {
		g, err := s.Upload(t.Context(), 50_000)
		if err != nil || g.Bytes != 50_000 {
			t.Fatalf("%d bytes, %v", g.Bytes, err)
		}
		g.Moved(g.Bytes)
	}
	if _, err := here.Upload(t.Context(), 1); !errors.Is(err, ErrSpent) {
		t.Errorf("one byte more: %v", err)
	}
}
