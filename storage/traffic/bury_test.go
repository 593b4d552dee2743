package traffic

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

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

// What a node has sent before it was declared dead, and arrives when others have settled
// what it had leased, moves nothing and is not booked beside that.
func TestLateCallsOfTheBuried(t *testing.T) {
	store := memory.New()
	limits := Limits{Day: 1 << 30}
	dead := New(store, "dead/1")
	s := join(dead, limits)
	g, err := s.Upload(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	g.Moved(1000)
	here := newTraffic(t, store, "here/1")
	if err := here.Bury(t.Context(), "dead", "1"); err != nil {
		t.Fatal(err)
	}
	before := used(t, store, limits).Day.Used
	if g, err := s.Upload(t.Context(), chunk+1); !errors.Is(err, state.ErrBuried) {
		t.Errorf("it was granted %d bytes, %v", g.Bytes, err)
	}
	if g, err := s.Upload(t.Context(), 1); !errors.Is(err, state.ErrBuried) {
		t.Errorf("out of what it had leased it was granted %d bytes, %v", g.Bytes, err)
	}
	s.Leave()
	if err := dead.Close(t.Context()); err != nil {
		t.Errorf("its end: %v", err)
	}
	if after := used(t, store, limits).Day.Used; after != before {
		t.Errorf("%d bytes count, %d did when it was buried", after, before)
	}
	// Nor does one take anything that had leased nothing when it was buried.
	if err := here.Bury(t.Context(), "idle", "1"); err != nil {
		t.Fatal(err)
	}
	if g, err := join(New(store, "idle/1"), limits).Upload(t.Context(), 1); !errors.Is(err, state.ErrBuried) {
		t.Errorf("it was granted %d bytes, %v", g.Bytes, err)
	}
}

// Who is alone keeps what it leased ahead: nobody else asks for it.
func TestWhoIsAloneGivesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memory.New()}
		s := join(newTraffic(t, store, "n/1"), Limits{Day: 1 << 30})
		defer s.Leave()
		g, err := s.Upload(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		g.Moved(g.Bytes)
		before := store.ops.Load()
		time.Sleep(time.Hour)
		if n := store.ops.Load() - before; n > 0 {
			t.Errorf("%d operations at the store while nothing moves", n)
		}
	})
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

// What a node has leased ahead and not used for a second it gives back while its session
// stays: another node moves a day's bytes to the last one. Who goes on keeps its lease.
func TestWhatRestsIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memory.New()}
		limits := Limits{Day: 1 << 30}
		a, b := newTraffic(t, store, "a/1"), newTraffic(t, store, "b/1")
		a.Share()
		b.Share()
		here, there := join(a, limits), join(b, limits)
		var moved int64
		move := func(s *Session, n int64) (err error) {
			g, err := s.Upload(t.Context(), n)
			if err == nil {
				g.Moved(g.Bytes)
				moved += g.Bytes
			}
			return err
		}
		for range 2 { // the first learns how much is left
			if err := move(here, 1000); err != nil {
				t.Fatal(err)
			}
		}
		before := store.ops.Load()
		for range 20 {
			time.Sleep(idle / 2)
			if err := move(here, 1000); err != nil {
				t.Fatal(err)
			}
		}
		if n := store.ops.Load() - before; n > 0 {
			t.Errorf("%d operations at the store for who goes on", n)
		}
		time.Sleep(2 * idle)
		for err := error(nil); err == nil; err = move(there, 16<<20) {
		}
		if moved != limits.Day {
			t.Errorf("%d bytes were moved of %d", moved, limits.Day)
		}
		before = store.ops.Load()
		time.Sleep(time.Hour)
		if n := store.ops.Load() - before; n > 2 {
			t.Errorf("%d operations at the store while nothing moves", n)
		}
		here.Leave()
		there.Leave()
	})
}
