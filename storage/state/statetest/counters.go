package statetest

import (
	"fmt"
	"sync/atomic"

	"gatehouse/storage/state"
)

var counterTests = []test{
	{"a window forgets what is older than its period", func(e *env) {
		hit := state.Window{Name: "w", Period: e.units(10), Add: 1}
		e.wantCount(hit, 1, 1)
		e.pass(4)
		e.wantCount(hit, 2, 1)
		e.pass(4)
		e.wantCount(state.Window{Name: "w", Period: e.units(10)}, 2, 0)
		e.pass(3)
		e.wantCount(state.Window{Name: "w", Period: e.units(10)}, 1, 0)
		e.pass(4)
		e.wantCount(state.Window{Name: "w", Period: e.units(10)}, 0, 0)
		e.wantCount(hit, 1, 1)
	}},
	{"a window refuses what passes its maximum", func(e *env) {
		hit := state.Window{Name: "w", Period: e.units(10), Add: 2, Max: 5}
		e.wantCount(hit, 2, 1)
		e.wantCount(hit, 4, 1)
		e.wantCount(hit, 4, 0)
		hit.Add = 1
		e.wantCount(hit, 5, 1)
		e.wantCount(hit, 5, 0)
		e.pass(11)
		e.wantCount(hit, 1, 1)
	}},
	{"a window takes back the newest", func(e *env) {
		e.wantCount(state.Window{Name: "w", Period: e.units(10), Add: 3}, 3, 1)
		e.pass(2)
		e.wantCount(state.Window{Name: "w", Period: e.units(10), Add: 3}, 6, 1)
		e.wantCount(state.Window{Name: "w", Period: e.units(10), Add: -4}, 2, 1)
		e.pass(9)
		e.wantCount(state.Window{Name: "w", Period: e.units(10)}, 0, 0)
		e.wantCount(state.Window{Name: "w", Period: e.units(10), Add: -4}, 0, 1)
	}},
	{"a shorter period looks at a part", func(e *env) {
		e.wantCount(state.Window{Name: "w", Period: e.units(10), Add: 1}, 1, 1)
		e.pass(5)
		e.wantCount(state.Window{Name: "w", Period: e.units(2), Add: 1}, 1, 1)
		e.wantCount(state.Window{Name: "w", Period: e.units(10)}, 2, 0)
	}},
	{"many hits at once stay exact", func(e *env) {
		var granted atomic.Int64
		e.many(16, func(int) {
			for range 4 {
				v, err := e.s.Count(e.Context(), "s", state.Window{Name: "w", Period: e.units(60), Add: 1, Max: 50})
				if err != nil {
					e.Errorf("count: %v", err)
				}
				granted.Add(v.Granted)
			}
		})
		if granted.Load() != 50 {
			e.Errorf("%d granted, want 50", granted.Load())
		}
		e.wantCount(state.Window{Name: "w", Period: e.units(60)}, 50, 0)
	}},
	{"a set counts members once", func(e *env) {
		e.wantCount(state.Distinct{Name: "d", Add: "a"}, 1, 1)
		e.wantCount(state.Distinct{Name: "d", Add: "b"}, 2, 1)
		e.wantCount(state.Distinct{Name: "d", Add: "a"}, 2, 2)
		e.wantCount(state.Distinct{Name: "d"}, 2, 0)
		e.wantCount(state.Distinct{Name: "d", Remove: "a"}, 1, 0)
		e.wantCount(state.Distinct{Name: "d", Remove: "a"}, 1, 0)
		e.wantCount(state.Distinct{Name: "d", Remove: "b", Add: "c"}, 1, 1)
	}},
	{"a full set refuses new members, not old ones", func(e *env) {
		for i, m := range []string{"a", "b"} {
			e.wantCount(state.Distinct{Name: "d", Add: m, Max: 2}, int64(i+1), 1)
		}
		e.wantCount(state.Distinct{Name: "d", Add: "c", Max: 2}, 2, 0)
		e.wantCount(state.Distinct{Name: "d", Add: "b", Max: 2}, 2, 2)
		e.wantCount(state.Distinct{Name: "d", Remove: "a", Add: "c", Max: 2}, 2, 1)
		e.wantCount(state.Distinct{Name: "d", Add: "c", Max: 1}, 2, 2)
	}},
	{"members live for a while after they were last added", func(e *env) {
		e.wantCount(state.Distinct{Name: "d", Add: "a", TTL: e.units(2)}, 1, 1)
		e.wantCount(state.Distinct{Name: "d", Add: "b", TTL: e.units(2)}, 2, 1)
		e.wantCount(state.Distinct{Name: "d", Add: "for ever"}, 3, 1)
		e.pass(1)
		e.wantCount(state.Distinct{Name: "d", Add: "b", TTL: e.units(3)}, 3, 2)
		e.pass(2)
		e.wantCount(state.Distinct{Name: "d"}, 2, 0)
		e.wantCount(state.Distinct{Name: "d", Add: "c", TTL: e.units(2), Max: 3}, 3, 1)
		e.pass(3)
		e.wantCount(state.Distinct{Name: "d"}, 1, 0)
	}},
	{"a counter of one kind refuses the operations of another", func(e *env) {
		e.count("s", state.Distinct{Name: "d", Add: "m"})
		if _, err := e.s.Count(e.Context(), "s", state.Window{Name: "d", Period: e.units(1), Add: 1}); err == nil {
			e.Error("a set was counted as a window")
		}
		e.wantCount(state.Distinct{Name: "d"}, 1, 0)
		e.count("s", state.Drop{Name: "d"})
		e.wantCount(state.Window{Name: "d", Period: e.units(1), Add: 1}, 1, 1)
		e.pass(2)
		e.wantCount(state.Distinct{Name: "d", Add: "m"}, 1, 1)
	}},
	{"of many new members a set takes as many as it may hold", func(e *env) {
		var granted atomic.Int64
		e.many(16, func(i int) {
			for j := range 3 {
				v, err := e.s.Count(e.Context(), "s", state.Distinct{Name: "d", Add: fmt.Sprint(i, ".", j), Max: 20})
				if err != nil {
					e.Errorf("count: %v", err)
				}
				granted.Add(v.Granted)
			}
		})
		if granted.Load() != 20 {
			e.Errorf("%d granted, want 20", granted.Load())
		}
	}},
}

func (e *env) wantCount(op state.CounterOp, count, granted int64) {
	e.Helper()
	if v := e.count("s", op); v.Count != count || v.Granted != granted {
		e.Errorf("%+v: count %d, granted %d, want %d and %d", op, v.Count, v.Granted, count, granted)
	}
}
