package statetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

var operationTests = []test{
	{"a batch with the same id is made once", func(e *env) {
		id := state.NewOperationID()
		b := state.Batch{Scope: "s", ID: id, Checks: []state.Check{{Name: "a"}}, Puts: []state.Put{{Name: "a", Value: []byte("1")}}}
		first := e.apply(b)
		e.put("s", "a", "2")
		if again := e.apply(b); again != first {
			e.Errorf("the retry has revision %d, want %d", again, first)
		}
		e.wantValue("s", "a", "2")
		if r := e.revision("s"); r != 2 {
			e.Errorf("revision %d, want 2", r)
		}
	}},
	{"a batch whose reply was lost is found made", func(e *env) {
		b := state.Batch{Scope: "s", ID: state.NewOperationID(), Checks: []state.Check{{Name: "a"}}, Puts: []state.Put{{Name: "a"}}}
		e.lose(func(ctx context.Context) error {
			_, err := e.s.Apply(ctx, b)
			return err
		})
		if r := e.apply(b); r != 1 || e.revision("s") != 1 {
			e.Errorf("the retry has revision %d, the scope %d, want 1", r, e.revision("s"))
		}
	}},
	{"a count whose reply was lost is found made", func(e *env) {
		limit := int64(10)
		op := state.Lease{ID: state.NewOperationID(), Name: "n", Holder: "h", SetLimit: &limit, Min: 3, Want: 3}
		e.lose(func(ctx context.Context) error {
			_, err := e.s.Count(ctx, "s", op)
			return err
		})
		if v := e.count("s", op); v.Granted != 3 || v.Held != 3 || v.Holders["h"] != 3 {
			e.Errorf("the retry gave %+v, want 3 granted", v)
		}
		if v := e.count("s", state.Lease{Name: "n", Holder: "h"}); v.Leased != 3 {
			e.Errorf("%d leased, want 3", v.Leased)
		}
		hit := state.Window{ID: state.NewOperationID(), Name: "w", Period: e.units(5), Add: 1}
		member := state.Distinct{ID: state.NewOperationID(), Name: "d", Add: "m"}
		for range 3 {
			if v := e.count("s", hit); v.Count != 1 || v.Granted != 1 {
				e.Errorf("window: %+v", v)
			}
			if v := e.count("s", member); v.Count != 1 || v.Granted != 1 {
				e.Errorf("set: %+v", v)
			}
		}
	}},
	{"entries whose reply was lost are found appended", func(e *env) {
		id := state.NewOperationID()
		e.append("log", "before")
		e.lose(func(ctx context.Context) error {
			_, err := e.s.Append(ctx, "log", id, []byte("a"), []byte("b"))
			return err
		})
		e.append("log", "between")
		if p, err := e.s.Append(e.Context(), "log", id, []byte("a"), []byte("b")); err != nil || p != 3 {
			e.Errorf("the retry gave %d, %v, want 3", p, err)
		}
		e.wantEntries("log", 0, 0, "before", "a", "b", "between")
	}},
	{"of concurrent retries one is made and all hear the same", func(e *env) {
		for round := range 5 {
			id := state.NewOperationID()
			b := state.Batch{Scope: fmt.Sprint("s", round), ID: id, Checks: []state.Check{{Name: "a"}}, Puts: []state.Put{{Name: "a"}}}
			e.many(8, func(int) {
				r, err := e.s.Apply(e.Context(), b)
				if err != nil || r.Revision != 1 {
					e.Errorf("revision %d, %v, want 1", r.Revision, err)
				}
				v, err := e.s.Count(e.Context(), b.Scope, state.Window{ID: id, Name: "w", Period: e.units(5), Add: 1})
				if err != nil || v.Count != 1 {
					e.Errorf("count %d, %v, want 1", v.Count, err)
				}
				p, err := e.s.Append(e.Context(), b.Scope, id, []byte("e"))
				if err != nil || p != 1 {
					e.Errorf("position %d, %v, want 1", p, err)
				}
			})
		}
	}},
	{"without an id every call counts", func(e *env) {
		for want := uint64(1); want <= 2; want++ {
			if got := e.append("log", "same"); got != want {
				e.Errorf("position %d, want %d", got, want)
			}
			if got := e.put("s", "same", ""); got != want {
				e.Errorf("revision %d, want %d", got, want)
			}
		}
	}},
	{"a batch that was refused is tried anew", func(e *env) {
		r := e.put("s", "a", "1")
		b := state.Batch{Scope: "s", ID: state.NewOperationID(), Checks: []state.Check{{Name: "a"}}, Puts: []state.Put{{Name: "a", Value: []byte("2")}}}
		e.wantConflict(b, "a", r)
		e.delete("s", "a")
		e.apply(b)
		e.wantValue("s", "a", "2")
	}},
	{"the same id in another scope is another operation", func(e *env) {
		id := state.NewOperationID()
		for _, scope := range []string{"s", "t"} {
			e.apply(state.Batch{Scope: scope, ID: id, Puts: []state.Put{{Name: "a", Value: []byte(scope)}}})
		}
		e.wantValue("t", "a", "t")
	}},
	{"an id is remembered for ten minutes", func(e *env) {
		if e.suite.unit < state.OperationLife/10 {
			e.Skip("takes ten minutes of real time")
		}
		e.suite.advance(e.s, 30*time.Second) // not when a sweep would be due
		b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "a"}}}
		first := e.apply(b)
		e.pass(9)
		if again := e.apply(b); again != first {
			e.Errorf("nine minutes later it was made again, at %d", again)
		}
		e.suite.advance(e.s, 61*time.Second)
		if again := e.apply(b); again == first {
			e.Error("more than ten minutes later it was not made")
		}
	}},
	{"ids are not the same", func(e *env) {
		seen := make(map[state.OperationID]bool)
		for range 1000 {
			id := state.NewOperationID()
			if seen[id] || len(id) != 32 {
				e.Fatalf("id %q", id)
			}
			seen[id] = true
		}
	}},
	{"what is called with an ended context is not made", func(e *env) {
		ctx, cancel := context.WithCancel(e.Context())
		cancel()
		if _, err := e.s.Apply(ctx, state.Batch{Scope: "s", Puts: []state.Put{{Name: "a"}}}); !errors.Is(err, context.Canceled) {
			e.Errorf("apply: %v", err)
		}
		if _, err := e.s.Count(ctx, "s", state.Distinct{Name: "d", Add: "m"}); !errors.Is(err, context.Canceled) {
			e.Errorf("count: %v", err)
		}
		if _, err := e.s.Append(ctx, "s", "", []byte("e")); !errors.Is(err, context.Canceled) {
			e.Errorf("append: %v", err)
		}
		if _, err := e.s.Get(ctx, "s", "a"); !errors.Is(err, context.Canceled) {
			e.Errorf("get: %v", err)
		}
		e.wantNone("s", "a")
		e.wantEntries("s", 0, 0)
		if v := e.count("s", state.Distinct{Name: "d"}); v.Count != 0 {
			e.Errorf("%d members", v.Count)
		}
	}},
}
