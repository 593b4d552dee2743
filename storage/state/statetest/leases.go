package statetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"

	"gatehouse/storage/state"
)

func limit(n int64) *int64 { return &n }

var leaseTests = []test{
	{"a counter begins with nothing to grant", func(e *env) {
		e.wantLease(state.Lease{Name: "n", Holder: "a"}, state.CounterValue{})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Min: 0, Want: 5}, state.CounterValue{})
	}},
	{"a grant is between what is needed and what is wanted", func(e *env) {
		e.wantLease(state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Min: 1, Want: 4},
			state.CounterValue{Limit: 10, Leased: 4, Held: 4, Granted: 4})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Min: 1, Want: 9},
			state.CounterValue{Limit: 10, Leased: 10, Held: 6, Granted: 6})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Min: 1, Want: 1},
			state.CounterValue{Limit: 10, Leased: 10, Held: 6})
	}},
	{"where the least is not free nothing is granted and the rest is done", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 6})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 2, Release: 1, Min: 8, Want: 20},
			state.CounterValue{Limit: 10, Used: 2, Leased: 3, Held: 3})
	}},
	{"used and leased move as told, in the promised order", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 10})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 4},
			state.CounterValue{Limit: 10, Used: 4, Leased: 6, Held: 6})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Release: 2},
			state.CounterValue{Limit: 10, Used: 4, Leased: 4, Held: 4})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Commit: -3, Want: 9},
			state.CounterValue{Limit: 10, Used: 1, Leased: 9, Held: 5, Granted: 5})
		e.wantLease(state.Lease{Name: "n", Holder: "a", ReleaseAll: true},
			state.CounterValue{Limit: 10, Used: 1, Leased: 5})
		e.wantLease(state.Lease{Name: "n", Holder: "a", SetLimit: limit(20), SetUsed: limit(11), Want: 100},
			state.CounterValue{Limit: 20, Used: 11, Leased: 9, Held: 4, Granted: 4})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 1, ReleaseAll: true},
			state.CounterValue{Limit: 20, Used: 12, Leased: 5})
	}},
	{"what is used is booked even beyond the lease", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 3})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 5},
			state.CounterValue{Limit: 10, Used: 5})
		e.wantLease(state.Lease{Name: "n", Holder: "gone", Commit: 7, Want: 1},
			state.CounterValue{Limit: 10, Used: 12})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: -100, Release: 100, Want: 1},
			state.CounterValue{Limit: 10, Leased: 1, Held: 1, Granted: 1})
	}},
	{"a count takes in what was committed while it was made, and what was given back before counts once", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(1 << 60), Want: 1 << 59})
		began := e.count("s", state.Lease{Name: "n", Holder: "a", Commit: 1<<53 + 1})
		if began.Grown != 1<<53+1 || began.Recounts != 0 {
			e.Errorf("grown %d, %d recounts", began.Grown, began.Recounts)
		}
		e.count("s", state.Lease{Name: "n", Holder: "a", Commit: 7})
		e.count("s", state.Lease{Name: "n", Holder: "b", Commit: 5})
		e.count("s", state.Lease{Name: "n", Holder: "b", Commit: -12})
		v := e.count("s", state.Lease{Name: "n", Holder: "b", Commit: 1, SetUsed: limit(100), Since: &began.Grown})
		if v.Used != 113 || v.Grown != 1<<53+14 || v.Recounts != 1 {
			e.Errorf("used %d, grown %d, %d recounts; want 113, %d and 1", v.Used, v.Grown, v.Recounts, 1<<53+14)
		}
		v = e.count("s", state.Lease{Name: "n", Holder: "a", Commit: -50, Recounts: &began.Recounts})
		if v.Used != 113 {
			e.Errorf("used %d: what a count left out was given back once more", v.Used)
		}
		v = e.count("s", state.Lease{Name: "n", Holder: "a", Commit: -50, Recounts: limit(1)})
		if v.Used != 63 {
			e.Errorf("used %d, want 63", v.Used)
		}
		v = e.count("s", state.Lease{Name: "n", Holder: "a", SetUsed: limit(3), Since: limit(1 << 60)})
		if v.Used != 3 || v.Recounts != 2 {
			e.Errorf("used %d, %d recounts", v.Used, v.Recounts)
		}
		if v = e.count("s", state.Lease{Name: "n", Holder: "a"}); v.Used != 3 || v.Grown != 1<<53+14 || v.Recounts != 2 {
			e.Errorf("it is kept as %+v", v)
		}
	}},
	{"a holder gives back what another has yet to commit", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 6})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Commit: -4, Recounts: limit(0)},
			state.CounterValue{Limit: 10, Used: -4, Leased: 6})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Want: 100},
			state.CounterValue{Limit: 10, Used: -4, Leased: 14, Held: 8, Granted: 8})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 6},
			state.CounterValue{Limit: 10, Used: 2, Leased: 8})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Commit: -4, ReleaseAll: true, Recounts: limit(0)},
			state.CounterValue{Limit: 10, Used: -2})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Commit: -4},
			state.CounterValue{Limit: 10, Used: -2})
	}},
	{"what a holder commits of a lease that was taken from it is left out", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 6})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 2, Covered: true},
			state.CounterValue{Limit: 10, Used: 2, Leased: 4, Held: 4})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 5, Covered: true},
			state.CounterValue{Limit: 10, Used: 2, Leased: 4, Held: 4})
		e.count("s", state.Lease{Name: "n", Holder: "a", ReleaseAll: true})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 1, Covered: true},
			state.CounterValue{Limit: 10, Used: 2})
	}},
	{"what comes of a holder that was buried is refused", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 6})
		e.count("s", state.Lease{Name: "n", Holder: "b", Want: 2})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Bury: true},
			state.CounterValue{Limit: 10, Leased: 8, Held: 6})
		for name, op := range map[string]state.Lease{
			"a commit":             {Name: "n", Holder: "a", Commit: 2},
			"what was given back":  {Name: "n", Holder: "a", Commit: -2},
			"a release":            {Name: "n", Holder: "a", Release: 1},
			"all of it":            {Name: "n", Holder: "a", ReleaseAll: true},
			"a grant":              {Name: "n", Holder: "a", Want: 1},
			"a limit":              {Name: "n", Holder: "a", SetLimit: limit(100)},
			"a count":              {Name: "n", Holder: "a", SetUsed: limit(5)},
			"an operation with id": {ID: state.NewOperationID(), Name: "n", Holder: "a", Commit: 1},
		} {
			if v, err := e.s.Count(e.Context(), "s", op); !errors.Is(err, state.ErrBuried) {
				e.Errorf("%s: %+v, %v, want ErrBuried", name, v, err)
			}
		}
		e.wantLease(state.Lease{Name: "n", Holder: "a"}, state.CounterValue{Limit: 10, Leased: 8, Held: 6})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Commit: 1}, state.CounterValue{Limit: 10, Used: 1, Leased: 7, Held: 1})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Commit: 6, ReleaseAll: true, Bury: true},
			state.CounterValue{Limit: 10, Used: 7, Leased: 1})
		if _, err := e.s.Count(e.Context(), "s", state.Lease{Name: "n", Holder: "a", Want: 1}); !errors.Is(err, state.ErrBuried) {
			e.Errorf("it came back: %v", err)
		}
	}},
	{"an operation that was made before a burial answers again after it", func(e *env) {
		op := state.Lease{ID: state.NewOperationID(), Name: "n", Holder: "a", SetLimit: limit(10), Want: 6}
		e.count("s", op)
		e.count("s", state.Lease{Name: "n", Holder: "a", ReleaseAll: true, Bury: true})
		if v := e.count("s", op); v.Granted != 6 {
			e.Errorf("it answers %+v", v)
		}
		e.wantLease(state.Lease{Name: "n", Holder: "a"}, state.CounterValue{Limit: 10})
	}},
	{"of many burials the last are remembered", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10)})
		for i := range state.MaxBuried + 1 {
			e.count("s", state.Lease{Name: "n", Holder: fmt.Sprint(i), Bury: true})
			e.count("s", state.Lease{Name: "n", Holder: fmt.Sprint(i), Bury: true})
		}
		forgotten := 0
		for i := range state.MaxBuried + 1 {
			_, err := e.s.Count(e.Context(), "s", state.Lease{Name: "n", Holder: fmt.Sprint(i), Commit: 1})
			if !errors.Is(err, state.ErrBuried) {
				forgotten++
				if err != nil || i == state.MaxBuried {
					e.Errorf("of the holder %d: %v", i, err)
				}
			}
		}
		if forgotten != 1 {
			e.Errorf("%d are forgotten, want 1", forgotten)
		}
	}},
	{"a burial leaves nothing of a counter that is not there", func(e *env) {
		e.wantLease(state.Lease{Name: "n", Holder: "a", Bury: true}, state.CounterValue{})
		e.wantScopes("", 0)
	}},
	{"a limit of an older revision is left out", func(e *env) {
		e.wantLease(state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), LimitAt: 7}, state.CounterValue{Limit: 10})
		e.wantLease(state.Lease{Name: "n", Holder: "a", SetLimit: limit(20), LimitAt: 6, Want: 15}, state.CounterValue{Limit: 10, Leased: 10, Held: 10, Granted: 10})
		e.wantLease(state.Lease{Name: "n", Holder: "b", SetLimit: limit(12), LimitAt: 7}, state.CounterValue{Limit: 12, Leased: 10})
		e.wantLease(state.Lease{Name: "n", Holder: "b", SetLimit: limit(-1), LimitAt: 1<<53 - 1}, state.CounterValue{Limit: -1, Leased: 10})
		e.wantLease(state.Lease{Name: "n", Holder: "b", SetLimit: limit(3), LimitAt: 1<<53 - 2}, state.CounterValue{Limit: -1, Leased: 10})
		e.wantLease(state.Lease{Name: "n", Holder: "b", SetLimit: limit(8)}, state.CounterValue{Limit: 8, Leased: 10})
		e.wantLease(state.Lease{Name: "n", Holder: "b", SetLimit: limit(9), LimitAt: 1}, state.CounterValue{Limit: 9, Leased: 10})
	}},
	{"the revision of a limit is kept where nothing else is", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(0), LimitAt: 7})
		e.wantLease(state.Lease{Name: "n", Holder: "a", SetLimit: limit(5), LimitAt: 6}, state.CounterValue{})
	}},
	{"a counter that grew is kept, though nothing is left", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", Commit: 4})
		e.count("s", state.Lease{Name: "n", Holder: "a", Commit: -4})
		if v := e.count("s", state.Lease{Name: "n", Holder: "a"}); v.Grown != 4 {
			e.Errorf("grown %d", v.Grown)
		}
	}},
	{"a lowered limit stops grants until enough is given back", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 8})
		e.wantLease(state.Lease{Name: "n", Holder: "b", SetLimit: limit(5), Want: 1},
			state.CounterValue{Limit: 5, Leased: 8})
		e.wantLease(state.Lease{Name: "n", Holder: "a", Release: 4, Want: 9},
			state.CounterValue{Limit: 5, Leased: 5, Held: 5, Granted: 1})
	}},
	{"without a limit all is granted, and nothing overflows", func(e *env) {
		e.wantLease(state.Lease{Name: "n", Holder: "a", SetLimit: limit(-7), Want: math.MaxInt64 - 1},
			state.CounterValue{Limit: -1, Leased: math.MaxInt64 - 1, Held: math.MaxInt64 - 1, Granted: math.MaxInt64 - 1})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Want: 10},
			state.CounterValue{Limit: -1, Leased: math.MaxInt64, Held: 1, Granted: 1})
		e.wantLease(state.Lease{Name: "n", Holder: "b", Commit: math.MaxInt64, Min: 1, Want: 10},
			state.CounterValue{Limit: -1, Used: math.MaxInt64, Leased: math.MaxInt64 - 1})
		e.wantLease(state.Lease{Name: "n", Commit: math.MinInt64},
			state.CounterValue{Limit: -1, Leased: math.MaxInt64 - 1})
	}},
	{"holders are named", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 2})
		v := e.count("s", state.Lease{Name: "n", Holder: "b", Want: 3})
		if len(v.Holders) != 2 || v.Holders["a"] != 2 || v.Holders["b"] != 3 {
			e.Errorf("holders %v", v.Holders)
		}
		v.Holders["a"] = 1000
		v = e.count("s", state.Lease{Name: "n", Holder: "a", ReleaseAll: true})
		if len(v.Holders) != 1 || v.Holders["b"] != 3 {
			e.Errorf("holders %v", v.Holders)
		}
	}},
	{"counters of other names and scopes are apart", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 2})
		e.count("t", state.Lease{Name: "n", Holder: "a", SetLimit: limit(5)})
		e.wantLease(state.Lease{Name: "m", Holder: "a"}, state.CounterValue{})
		if v := e.count("t", state.Lease{Name: "n", Holder: "a"}); v.Leased != 0 || v.Limit != 5 {
			e.Errorf("another scope has %+v", v)
		}
		if r := e.revision("s"); r != 0 {
			e.Errorf("a counter moved the revision to %d", r)
		}
	}},
	{"a dropped counter begins anew", func(e *env) {
		e.count("s", state.Lease{Name: "n", Holder: "a", SetLimit: limit(10), Want: 2})
		e.count("s", state.Drop{Name: "n"})
		e.wantLease(state.Lease{Name: "n", Holder: "a"}, state.CounterValue{})
		e.count("s", state.Drop{Name: "never there"})
		e.wantScopes("", 0)
	}},
	{"a bad operation is refused and does nothing", func(e *env) {
		for name, op := range map[string]state.CounterOp{
			"nil":                  nil,
			"no name":              state.Lease{Holder: "a"},
			"negative release":     state.Lease{Name: "n", Holder: "a", Release: -1},
			"negative least":       state.Lease{Name: "n", Holder: "a", Min: -1},
			"least more than want": state.Lease{Name: "n", Holder: "a", Min: 2, Want: 1},
			"no holder":            state.Lease{Name: "n", SetLimit: limit(10), Want: 1},
			"no holder to bury":    state.Lease{Name: "n", SetLimit: limit(10), Bury: true},
			"no holder to release": state.Lease{Name: "n", SetLimit: limit(10), ReleaseAll: true},
			"holder not UTF-8":     state.Lease{Name: "n", Holder: "a\xff", SetLimit: limit(10), Want: 1},
			"member not UTF-8":     state.Distinct{Name: "n", Add: "\xff"},
			"no period":            state.Window{Name: "n", Add: 1},
			"negative maximum":     state.Distinct{Name: "n", Add: "m", Max: -1},
			"negative life":        state.Distinct{Name: "n", Add: "m", TTL: -1},
			"no name of a set":     state.Distinct{Add: "m"},
			"no name to drop":      state.Drop{},
		} {
			if _, err := e.s.Count(e.Context(), "s", op); !errors.Is(err, state.ErrInvalid) {
				e.Errorf("%s: %v, want ErrInvalid", name, err)
			}
		}
		if _, err := e.s.Count(e.Context(), "", state.Drop{Name: "n"}); !errors.Is(err, state.ErrInvalid) {
			e.Errorf("no scope: %v, want ErrInvalid", err)
		}
		e.wantLease(state.Lease{Name: "n", Holder: "a"}, state.CounterValue{})
	}},
	{"many holders together never get more than the limit", exactLeases},
}

func (e *env) wantLease(op state.Lease, want state.CounterValue) {
	e.Helper()
	got := e.count("s", op)
	if got.Limit != want.Limit || got.Used != want.Used || got.Leased != want.Leased ||
		got.Held != want.Held || got.Granted != want.Granted {
		e.Errorf("%+v:\n got %+v\nwant %+v", op, got, want)
	}
}

// exactLeases has nodes that take, use and give back until all is used: they
// get exactly the limit, and no reply ever shows more.
func exactLeases(e *env) {
	const nodes, total = 8, 1009
	e.count("s", state.Lease{Name: "n", SetLimit: limit(total)})
	var used atomic.Int64
	e.many(nodes, func(i int) {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		holder := fmt.Sprint("node", i)
		for {
			v, err := e.s.Count(e.Context(), "s", state.Lease{Name: "n", Holder: holder, Min: 1, Want: 1 + random.Int64N(40)})
			if err != nil {
				e.Errorf("take: %v", err)
				return
			}
			if v.Used+v.Leased > v.Limit {
				e.Errorf("used %d and leased %d pass the limit", v.Used, v.Leased)
			}
			if v.Granted == 0 {
				return
			}
			part := 1 + random.Int64N(v.Granted)
			used.Add(part)
			if _, err := e.s.Count(e.Context(), "s", state.Lease{Name: "n", Holder: holder, Commit: part, ReleaseAll: true}); err != nil {
				e.Errorf("use: %v", err)
				return
			}
		}
	})
	v := e.count("s", state.Lease{Name: "n", Holder: "node0"})
	if v.Used != used.Load() || v.Leased != 0 {
		e.Errorf("used %d, leased %d, but %d were used", v.Used, v.Leased, used.Load())
	}
	rest := e.count("s", state.Lease{Name: "n", Holder: "last", Want: total}).Granted
	if used.Load()+rest != total {
		e.Errorf("%d used and %d left of %d", used.Load(), rest, total)
	}
}
