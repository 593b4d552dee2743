package nodes

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestHeardOfHolds(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(20 * lease)
		for _, g := range []*gateway{a, b} {
			if !g.Held() || g.Fence() != nil || g.hasLapsed() || !g.Living("a/1") || !g.Living("b/1") {
				t.Errorf("%s does not hold what it has, or not all live", g.own)
			}
		}
		list, err := a.Nodes.List(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("got %v, %v, want two nodes", list, err)
		}
		first := list[0]
		if first.Node != "a" || first.Epoch != "1" || first.Address != "a.example" || !first.Self || list[1].Self {
			t.Errorf("got %+v", first)
		}
		if ago := time.Since(first.LastBeat); ago < 0 || ago > lease/beats {
			t.Errorf("the last beat was %v ago", ago)
		}
	})
}

// One-time codes go by each node's clock: a wrong one has to be seen from the others.
func TestAClockThatIsWrongIsSeen(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(lease)
		b.cut.Store(true)
		wrong := state.Put{Name: beatPrefix + "b/1", Value: []byte(time.Now().Add(time.Minute).Format(time.RFC3339Nano)), TTL: lease}
		if _, err := st.Apply(t.Context(), state.Batch{Scope: scope, Puts: []state.Put{wrong}}); err != nil {
			t.Fatal(err)
		}
		list, err := a.Nodes.List(t.Context())
		if err != nil || len(list) != 2 || list[0].Ahead != 0 || list[1].Ahead != time.Minute {
			t.Errorf("got %+v, %v, want b a minute ahead", list, err)
		}
	})
}

func TestAloneHoldsForEver(t *testing.T) {
	var alone *Nodes
	if !alone.Held() || alone.Fence() != nil || alone.Lapsed() != nil || !alone.Living("a/1") || alone.Holder() != "" {
		t.Error("a gateway alone does not hold what it has")
	}
}

func TestHeldEndsBeforeTheLeaseDoes(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		after(lease) // on the beat
		a.cut.Store(true)
		after(lease - lease/beats - time.Millisecond)
		if !a.Held() {
			t.Error("it stops before its time")
		}
		after(time.Millisecond)
		if a.Held() {
			t.Error("it goes on within the margin")
		}
		if err := a.Fence(); !errors.Is(err, state.ErrAway) {
			t.Errorf("got %v, want one that is temporary", err)
		}
		after(10 * lease)
		a.cut.Store(false)
		after(again)
		if !a.Held() || a.hasLapsed() {
			t.Error("it does not hold again what nobody has taken from it")
		}
	})
}

// A process that was stopped, or whose machine slept, must not write before it has
// been heard of again, whatever its clocks say.
func TestPauseIsSeenAtOnce(t *testing.T) {
	tests := []struct {
		name            string
		monotonic, wall time.Duration
		held            bool
	}{
		{"no pause", 0, 0, true},
		{"within the lease", lease / 2, lease / 2, true},
		{"the process was stopped", lease, lease, false},
		{"the machine slept, and only the wall clock went on", 0, time.Hour, false},
		{"the wall clock was set back meanwhile", lease, -time.Hour, false},
		{"the wall clock was set back", 0, -time.Hour, true},
		{"into the margin", lease - lease/beats, lease - lease/beats, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, st state.Store) {
				var moved instant
				real := clock()
				c := config("a", "1")
				c.State = st
				n, err := open(t.Context(), c, func() instant {
					now := real()
					return instant{now.monotonic + moved.monotonic, now.wall + moved.wall}
				})
				if err != nil {
					t.Fatal(err)
				}
				defer n.end()
				moved = instant{test.monotonic, test.wall}
				if got := n.Held(); got != test.held {
					t.Errorf("held: %v, want %v", got, test.held)
				}
			})
		})
	}
}

func TestDeadIsDeclaredAndBuried(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(2 * lease)
		a.kill()
		after(2*lease - lease/beats) // its beat is missed for less than a lease
		if !b.Living("a/1") {
			t.Fatal("declared dead by haste")
		}
		after(3 * lease / beats)
		if b.Living("a/1") {
			t.Error("a dead node lives on")
		}
		b.wantBuried("a/1")
		wantRuns(t, st, "b/1")
		after(10 * lease)
		b.wantBuried("a/1")
	})
}

// A node that is cut off and comes back after it was declared dead must never
// believe that it holds anything.
func TestCutOffNodeLapses(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(2 * lease)
		a.cut.Store(true)
		after(4 * lease)
		b.wantBuried("a/1")
		a.cut.Store(false)
		after(again)
		if !a.hasLapsed() || a.Held() {
			t.Error("it goes on though it was declared dead")
		}
		after(10 * lease)
		if a.Held() {
			t.Error("it holds again though it was buried")
		}
		a.wantBuried()
		if err := a.Close(t.Context()); err != nil {
			t.Errorf("leaving: %v", err)
		}
	})
}

func TestStoreAwayForAllKillsNobody(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		all := []*gateway{start(t, st, config("a", "1")), start(t, st, config("b", "1")), start(t, st, config("c", "1"))}
		after(2 * lease)
		for _, g := range all {
			g.cut.Store(true)
		}
		after(10 * lease)
		for i, g := range all { // the last one comes back late
			after(time.Duration(i) * lease / 3)
			g.cut.Store(false)
		}
		after(10 * lease)
		for _, g := range all {
			g.wantBuried()
			if !g.Held() || g.hasLapsed() {
				t.Errorf("%s was declared dead", g.own)
			}
		}
	})
}

// Who was cut off itself cannot tell who was there meanwhile.
func TestOnlyWhoWasHeardOfDeclares(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(2 * lease)
		b.cut.Store(true)
		a.kill()
		after(10 * lease)
		b.cut.Store(false)
		after(lease)
		if !b.Living("a/1") {
			t.Error("declared dead by who was cut off itself")
		}
		after(lease)
		b.wantBuried("a/1")
	})
}

// A whole site that lost power is taken over by whoever starts first.
func TestNobodyLeftIsBuriedByWhoComes(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(lease)
		a.kill()
		b.kill()
		after(10 * lease)
		next := start(t, st, config("b", "2"))
		after(lease / 2)
		next.wantBuried("b/1")
		after(lease)
		next.wantBuried("b/1", "a/1")
		wantRuns(t, st, "b/2")
	})
}

func TestLostRunLapses(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		if _, err := st.Apply(t.Context(), state.Batch{Scope: scope, Deletes: []string{runPrefix + "a/1", beatPrefix + "a/1"}}); err != nil {
			t.Fatal(err)
		}
		after(lease / beats)
		if !a.hasLapsed() || a.Held() || a.Living("a/1") {
			t.Error("it goes on though the store has lost it")
		}
	})
}

func TestLeavingLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(lease)
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a.Held() {
			t.Error("it holds something after it has left")
		}
		wantRuns(t, st, "b/1")
		after(lease / beats)
		if b.Living("a/1") {
			t.Error("who has left is taken for living")
		}
		after(5 * lease)
		b.wantBuried()
	})
}

func TestAbandonedIsBuriedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a, b := start(t, st, config("a", "1")), start(t, st, config("b", "1"))
		after(lease)
		if err := a.Abandon(t.Context()); err != nil {
			t.Fatal(err)
		}
		after(lease / beats)
		b.wantBuried("a/1")
	})
}

// Of a holder that nobody knows, as of a time before there were several nodes, it
// is found out that it has ended.
func TestUnknownHolderIsLookedFor(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		if !a.Living("old/1") {
			t.Error("an unknown holder is taken for dead before anybody looked")
		}
		after(time.Millisecond)
		if a.Living("old/1") {
			t.Error("a holder of nowhere lives on")
		}
		b := start(t, st, config("b", "1")) // unknown to a so far
		if !a.Living(b.own) {
			t.Error("a newcomer is taken for dead")
		}
		after(time.Millisecond)
		if !a.Living(b.own) {
			t.Error("a newcomer is taken for dead")
		}
	})
}

// A clock that is set back by an hour must not keep the dead alive for an hour.
func TestDeadIsDeclaredThoughTheClockWasSetBack(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		after(lease)
		var back atomic.Int64
		real := clock()
		c := config("b", "1")
		c.State = st
		b, err := open(t.Context(), c, func() instant {
			now := real()
			return instant{now.monotonic, now.wall - time.Duration(back.Load())}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer b.end()
		after(lease)
		back.Store(int64(time.Hour))
		a.kill()
		after(3 * lease)
		if b.Living("a/1") {
			t.Error("a dead node lives on")
		}
	})
}

// A machine that slept, as its clock shows that jumps ahead, has not seen who was
// there meanwhile.
func TestNobodyIsDeclaredDeadByAClockThatJumps(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		a := start(t, st, config("a", "1"))
		var ahead atomic.Int64
		real := clock()
		c := config("b", "1")
		c.State = st
		b, err := open(t.Context(), c, func() instant {
			now := real()
			return instant{now.monotonic, now.wall + time.Duration(ahead.Load())}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer b.end()
		after(2 * lease)
		a.cut.Store(true)
		after(2*lease - lease/beats) // its beat is gone for almost a lease
		ahead.Store(int64(time.Hour))
		if b.Held() {
			t.Error("it holds what it has after its clock has jumped")
		}
		after(2 * lease / beats)
		a.cut.Store(false)
		after(lease)
		if a.hasLapsed() || !a.Held() || !b.Held() {
			t.Error("it was declared dead by a clock that jumped")
		}
	})
}

// A shaky store is another from a moment on: one that has lost its last changes.
type shaky struct {
	state.Store
	other atomic.Pointer[memory.Store]
}

func (s *shaky) now() state.Store {
	if other := s.other.Load(); other != nil {
		return other
	}
	return s.Store
}

func (s *shaky) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	return s.now().Apply(ctx, b)
}

func (s *shaky) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	return s.now().List(ctx, scope, prefix, after, limit)
}

// A store that has lost its last second has lost who joined in it, and knows the dead
// again that were buried in it: who lived lapses once and goes on, nobody is two.
func TestStoreThatLostItsLastSecond(t *testing.T) {
	bubble(t, func(t *testing.T, st state.Store) {
		now := &shaky{Store: st}
		a, b := start(t, now, config("a", "1")), start(t, now, config("b", "1"))
		after(lease)
		b.kill()
		after(lease)
		before := memory.New()
		if err := before.Load(t.Context(), st.Dump(t.Context())); err != nil {
			t.Fatal(err)
		}
		after(3 * lease)
		a.wantBuried("b/1")
		late := start(t, now, config("late", "1"))
		after(lease)
		now.other.Store(before)
		after(4 * lease)
		if !a.Held() || a.hasLapsed() || late.Held() || !late.hasLapsed() {
			t.Error("who was there before lapses, or who was lost goes on")
		}
		a.wantBuried("b/1", "b/1")
		late.kill()
		c := config("late", "2")
		c.Former = "1"
		next := start(t, before, c)
		after(3 * lease)
		next.wantBuried("late/1")
		if !next.Held() || next.hasLapsed() {
			t.Error("it does not go on")
		}
		wantRuns(t, before, "a/1", "late/2")
	})
}
