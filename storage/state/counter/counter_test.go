package counter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/storage/state"
)

func do(t rapid.TB, s *State, op state.CounterOp, now time.Time) state.CounterValue {
	t.Helper()
	v, err := s.Do(op, now)
	if err != nil {
		t.Fatalf("%+v: %v", op, err)
	}
	return v
}

func draw(r *rapid.T, name string) int64 {
	return rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Range(math.MaxInt64-3, math.MaxInt64)).Draw(r, name)
}

// No sequence of operations makes a lease grant what is not free, lose a
// holder's part, or come out with a figure below nothing.
func TestLeaseNeverGrantsTooMuch(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var s State
		now, buried := time.Unix(1e9, 0), make(map[string]time.Time)
		r.Repeat(map[string]func(*rapid.T){"": func(r *rapid.T) {
			op := state.Lease{
				Name: "n", Holder: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "holder"),
				Commit: draw(r, "commit") - draw(r, "given back"), Release: draw(r, "release"),
				ReleaseAll: rapid.IntRange(0, 5).Draw(r, "all") == 0,
				Min:        draw(r, "min"),
			}
			op.Want, op.Covered = max(op.Min, draw(r, "want")), rapid.Bool().Draw(r, "covered")
			if n := draw(r, "limit"); rapid.Bool().Draw(r, "limited") {
				op.SetLimit = &n
			}
			op.Bury = rapid.IntRange(0, 9).Draw(r, "bury") == 0
			now = now.Add(time.Duration(rapid.IntRange(0, 48).Draw(r, "later")) * time.Hour)
			if end, ok := buried[op.Holder]; ok && !op.Bury && end.After(now) && !Looks(op) {
				if _, err := s.Do(op, now); !errors.Is(err, state.ErrBuried) {
					r.Errorf("%+v of who was buried: %v", op, err)
				}
				return
			}
			if op.Bury {
				buried[op.Holder] = now.Add(state.BuriedLife)
			}
			if n := draw(r, "used"); rapid.IntRange(0, 5).Draw(r, "counted") == 0 {
				op.SetUsed = &n
			}
			if n := draw(r, "since"); rapid.Bool().Draw(r, "counted while it grew") {
				op.Since = &n
			}
			if n := rapid.Int64Range(-1, 3).Draw(r, "recounts"); rapid.Bool().Draw(r, "unless counted anew") {
				op.Recounts = &n
			}
			grown := s.Lease
			if grown != nil {
				before := *grown
				grown = &before
			}
			v := do(r, &s, op, now)
			if v.Used < 0 && op.Recounts == nil && (grown == nil || grown.Used >= 0) || v.Leased < 0 || v.Held < 0 || v.Granted < 0 || v.Held < v.Granted {
				r.Errorf("%+v gave %+v", op, v)
			}
			if v.Granted > 0 && (v.Granted < op.Min || v.Granted > op.Want || v.Limit >= 0 && v.Used > sum(v.Limit, -v.Leased)) {
				r.Errorf("%+v gave %+v", op, v)
			}
			if grown != nil && (v.Grown < grown.Grown || v.Recounts < grown.Recounts) {
				r.Errorf("%+v: grown %d and %d recounts become %+v", op, grown.Grown, grown.Recounts, v)
			}
			var held int64
			for _, n := range v.Holders {
				held = sum(held, n)
			}
			if held != v.Leased || v.Holders[op.Holder] != v.Held {
				r.Errorf("holders of %+v", v)
			}
			s = travelled(r, s)
		}})
	})
}

// travelled is a state as it comes back from a store.
func travelled(t rapid.TB, s State) State {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.Empty() != s.Empty() || !back.Expires().Equal(s.Expires()) {
		t.Errorf("%s comes back as %+v", b, back)
	}
	return back
}

// A window counts each event for its period, and no longer than a 64th more,
// and stays small.
func TestWindowIsNearlyExact(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var s State
		var hits []time.Time
		const period = 64 * time.Second
		now := time.Unix(1e9, 0)
		r.Repeat(map[string]func(*rapid.T){"": func(r *rapid.T) {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(r, "later")))
			hits = append(hits, now)
			v := do(r, &s, state.Window{Name: "w", Period: period, Add: 1}, now)
			least, most := int64(0), int64(0)
			for _, h := range hits {
				if h.Add(period).After(now) {
					least++
				}
				if h.Add(period + period/parts).After(now) {
					most++
				}
			}
			if v.Count < least || v.Count > most {
				r.Errorf("counts %d, want %d to %d", v.Count, least, most)
			}
			if n := len(s.Window.Buckets); n > 2*parts {
				r.Errorf("%d buckets", n)
			}
			s = travelled(r, s)
		}})
	})
}

func TestWindowIsBounded(t *testing.T) {
	var s State
	now := time.Unix(1e9, 0)
	for range 100_000 {
		now = now.Add(time.Millisecond)
		do(t, &s, state.Window{Name: "w", Period: time.Minute, Add: 1}, now)
	}
	if n := len(s.Window.Buckets); n > parts+2 {
		t.Errorf("%d buckets", n)
	}
}

// Somebody sets the clock back: what is counted stays counted, nothing panics.
func TestClockSetBack(t *testing.T) {
	var s State
	now := time.Unix(1e9, 0)
	do(t, &s, state.Window{Name: "w", Period: time.Minute, Add: 1}, now)
	if v := do(t, &s, state.Window{Name: "w", Period: time.Minute, Add: 1}, now.Add(-time.Hour)); v.Count != 2 {
		t.Errorf("counts %d", v.Count)
	}
	if v := do(t, &s, state.Window{Name: "w", Period: time.Minute}, now.Add(30*time.Second)); v.Count != 2 {
		t.Errorf("half a minute later it counts %d", v.Count)
	}
	if v := do(t, &s, state.Window{Name: "w", Period: time.Minute}, now.Add(time.Minute)); v.Count != 0 {
		t.Errorf("still counts %d", v.Count)
	}
}

func TestSetIsBounded(t *testing.T) {
	var s State
	granted := int64(0)
	for i := range state.MaxMembers + 10 {
		granted += do(t, &s, state.Distinct{Name: "d", Add: string(rune('a' + i))}, time.Time{}).Granted
	}
	if granted != state.MaxMembers {
		t.Errorf("%d members", granted)
	}
}

func TestKindsDoNotMix(t *testing.T) {
	ops := []state.CounterOp{
		state.Lease{Name: "n", SetLimit: new(int64), SetUsed: func() *int64 { n := int64(1); return &n }()},
		state.Window{Name: "n", Period: time.Hour, Add: 1},
		state.Distinct{Name: "n", Add: "m"},
	}
	now := time.Unix(1e9, 0)
	for i, first := range ops {
		for j, second := range ops {
			var s State
			do(t, &s, first, now)
			before := travelled(t, s)
			_, err := s.Do(second, now)
			if mixed := i != j; errors.Is(err, ErrKind) != mixed {
				t.Errorf("%T after %T: %v", second, first, err)
			}
			if err != nil && !reflect.DeepEqual(travelled(t, s), before) {
				t.Errorf("%T changed a %T", second, first)
			}
		}
	}
	var s State
	if _, err := s.Do(nil, now); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("nil: %v", err)
	}
}

func TestLooks(t *testing.T) {
	limit := int64(1)
	looks := []state.CounterOp{
		state.Lease{Name: "n", Holder: "h", ID: "i"}, state.Window{Name: "n", Period: 1, Max: 3}, state.Distinct{Name: "n", TTL: 1, Max: 2},
	}
	changes := []state.CounterOp{
		state.Lease{Name: "n", Commit: 1}, state.Lease{Name: "n", Holder: "h", Release: 1},
		state.Lease{Name: "n", Holder: "h", ReleaseAll: true}, state.Lease{Name: "n", Holder: "h", Want: 1},
		state.Lease{Name: "n", SetLimit: &limit}, state.Lease{Name: "n", SetUsed: &limit},
		state.Window{Name: "n", Period: 1, Add: 1}, state.Window{Name: "n", Period: 1, Add: -1},
		state.Distinct{Name: "n", Add: "m"}, state.Distinct{Name: "n", Remove: "m"}, state.Drop{Name: "n"},
	}
	if i := slices.IndexFunc(looks, func(op state.CounterOp) bool { return !Looks(op) }); i >= 0 {
		t.Errorf("%+v only looks", looks[i])
	}
	if i := slices.IndexFunc(changes, Looks); i >= 0 {
		t.Errorf("%+v changes something", changes[i])
	}
}

// A node that fails again and again is buried again and again: the counter does not grow
// with it, and forgets who was buried first.
func TestBurialsAreBounded(t *testing.T) {
	var l Lease
	now := time.Unix(1e9, 0)
	bury := func(holder string) {
		now = now.Add(time.Second)
		if _, err := l.do(state.Lease{Name: "n", Holder: holder, Bury: true}, now); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 * state.MaxBuried {
		bury(fmt.Sprint(i))
		bury(fmt.Sprint(i))
	}
	if len(l.Buried) != state.MaxBuried {
		t.Errorf("%d are remembered", len(l.Buried))
	}
	for i := range 10 * state.MaxBuried {
		if _, ok := l.Buried[fmt.Sprint(i)]; ok != (i >= 9*state.MaxBuried) {
			t.Errorf("%d is remembered: %v", i, ok)
		}
	}
}
