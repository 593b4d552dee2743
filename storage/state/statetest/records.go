package statetest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"gatehouse/storage/state"
)

var recordTests = []test{
	{"a record is what was put last", func(e *env) {
		first := e.put("s", "a", "one")
		if r := e.get("s", "a"); string(r.Value) != "one" || r.Revision != first || !r.Expires.IsZero() {
			e.Errorf("got %+v, want one at %d", r, first)
		}
		second := e.put("s", "a", "two")
		if r := e.get("s", "a"); string(r.Value) != "two" || r.Revision != second {
			e.Errorf("got %+v, want two at %d", r, second)
		}
		e.delete("s", "a")
		e.wantNone("s", "a")
		e.wantNone("other", "a")
	}},
	{"values and names are any bytes", func(e *env) {
		name, value := "a\x00b/\xff\n", string([]byte{0, 1, 255, 0})
		e.put("s", name, value)
		e.put("s", "empty", "")
		e.put("s", strings.Repeat("n", state.MaxName), strings.Repeat("v", 1<<20))
		e.wantValue("s", name, value)
		e.wantValue("s", "empty", "")
		e.wantValue("s", strings.Repeat("n", state.MaxName), strings.Repeat("v", 1<<20))
	}},
	{"scopes with a common beginning are apart", func(e *env) {
		e.put("s", "ab", "1")
		e.put("sa", "b", "2")
		e.put("s/", "ab", "3")
		e.wantValue("s", "ab", "1")
		e.wantValue("sa", "b", "2")
		e.wantValue("s/", "ab", "3")
		e.wantNone("sa", "ab")
		e.wantNone("", "sab")
		e.put("s", "x\x00y", "4")
		e.wantNone("s\x00x", "y")
		e.wantNames("s\x00x", "", "", 0)
	}},
	{"what is given and returned is not shared with the store", func(e *env) {
		value := []byte("given")
		e.apply(state.Batch{Scope: "s", Puts: []state.Put{{Name: "a", Value: value}}})
		value[0] = 'X'
		got := e.get("s", "a").Value
		copy(got, "YYYYY")
		e.wantValue("s", "a", "given")
		page, err := e.s.List(e.Context(), "s", "", "", 0)
		if err != nil || len(page.Records) != 1 {
			e.Fatalf("list: %+v, %v", page, err)
		}
		copy(page.Records[0].Value, "ZZZZZ")
		e.wantValue("s", "a", "given")
	}},
	{"a revision grows by one with each batch", func(e *env) {
		if r := e.revision("s"); r != 0 {
			e.Errorf("a scope never written has revision %d", r)
		}
		for want := uint64(1); want <= 3; want++ {
			got := e.apply(state.Batch{Scope: "s", Puts: []state.Put{{Name: "a"}, {Name: fmt.Sprint(want)}}})
			if got != want || e.revision("s") != want {
				e.Errorf("batch %d has revision %d, its scope %d", want, got, e.revision("s"))
			}
			if a, b := e.get("s", "a"), e.get("s", fmt.Sprint(want)); a.Revision != want || b.Revision != want {
				e.Errorf("records of batch %d have revisions %d and %d", want, a.Revision, b.Revision)
			}
		}
		if got := e.delete("s", "a"); got != 4 {
			e.Errorf("a deletion has revision %d, want 4", got)
		}
		if got := e.delete("s", "not there"); got != 5 {
			e.Errorf("a deletion of nothing has revision %d, want 5", got)
		}
		if r := e.revision("other"); r != 0 {
			e.Errorf("another scope has revision %d", r)
		}
	}},
	{"a name that is re-made never has an old revision", func(e *env) {
		seen := make(map[uint64]bool)
		for range 3 {
			r := e.apply(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a"}}, Puts: []state.Put{{Name: "a"}}})
			if seen[r] || r == 0 {
				e.Errorf("revision %d again", r)
			}
			seen[r] = true
			seen[e.delete("s", "a")] = true
			e.wantConflict(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a", Revision: r}}}, "a", 0)
		}
	}},
	{"a check that fails tells the present revision", func(e *env) {
		first := e.put("s", "a", "1")
		second := e.put("s", "a", "2")
		put := []state.Put{{Name: "a", Value: []byte("3")}}
		e.wantConflict(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a", Revision: first}}, Puts: put}, "a", second)
		e.wantConflict(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a"}}, Puts: put}, "a", second)
		e.wantConflict(state.Batch{Scope: "s", Checks: []state.Check{{Name: "b", Revision: 1}}, Puts: put}, "b", 0)
		e.wantConflict(state.Batch{Scope: "never", Checks: []state.Check{{Name: "b", Revision: 1}}, Puts: put}, "b", 0)
		e.wantValue("s", "a", "2")
		if r := e.revision("s"); r != second {
			e.Errorf("refused batches moved the revision to %d", r)
		}
		e.apply(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a", Revision: second}, {Name: "b"}}, Puts: put})
		e.wantValue("s", "a", "3")
	}},
	{"a batch is made whole or not at all", func(e *env) {
		r := e.put("s", "there", "1")
		e.wantConflict(state.Batch{
			Scope:   "s",
			Checks:  []state.Check{{Name: "there", Revision: r}, {Name: "missing", Revision: 9}},
			Puts:    []state.Put{{Name: "new"}, {Name: "newer"}},
			Deletes: []string{"there"},
		}, "missing", 0)
		e.wantNone("s", "new")
		e.wantNone("s", "newer")
		e.wantValue("s", "there", "1")
	}},
	{"a batch of checks alone changes nothing", func(e *env) {
		r := e.put("s", "a", "1")
		if got := e.apply(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a", Revision: r}}}); got != r {
			e.Errorf("checks alone have revision %d, want %d", got, r)
		}
		if got := e.apply(state.Batch{Scope: "none", Checks: []state.Check{{Name: "a"}}}); got != 0 {
			e.Errorf("checks on an empty scope have revision %d", got)
		}
	}},
	{"of many that check the same revision one wins", func(e *env) {
		const rounds, writers = 5, 16
		for range rounds {
			base := e.put("s", "a", "base")
			var won atomic.Int64
			e.many(writers, func(int) {
				_, err := e.s.Apply(e.Context(), state.Batch{
					Scope:  "s",
					Checks: []state.Check{{Name: "a", Revision: base}},
					Puts:   []state.Put{{Name: "a", Value: []byte("won")}},
				})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, state.ErrConflict):
					e.Errorf("apply: %v", err)
				}
			})
			if won.Load() != 1 {
				e.Fatalf("%d writers won", won.Load())
			}
		}
	}},
	{"increments of many writers all count", func(e *env) {
		const writers, each = 8, 10
		e.many(writers, func(int) {
			for range each {
				for !increment(e) {
				}
			}
		})
		e.wantValue("s", "n", strings.Repeat("x", writers*each))
		if r := e.revision("s"); r != writers*each {
			e.Errorf("revision %d, want %d", r, writers*each)
		}
	}},
	{"a bad batch is refused", func(e *env) {
		long := strings.Repeat("n", state.MaxName+1)
		for name, b := range map[string]state.Batch{
			"no scope":         {Puts: []state.Put{{Name: "a"}}},
			"NUL in the scope": {Scope: "a\x00b", Puts: []state.Put{{Name: "a"}}},
			"no name":          {Scope: "s", Puts: []state.Put{{}}},
			"no name checked":  {Scope: "s", Checks: []state.Check{{}}},
			"no name deleted":  {Scope: "s", Deletes: []string{""}},
			"long name":        {Scope: "s", Puts: []state.Put{{Name: long}}},
			"long scope":       {Scope: long, Puts: []state.Put{{Name: "a"}}},
			"long value":       {Scope: "s", Puts: []state.Put{{Name: "a", Value: make([]byte, state.MaxValue+1)}}},
			"negative life":    {Scope: "s", Puts: []state.Put{{Name: "a", TTL: -1}}},
			"put twice":        {Scope: "s", Puts: []state.Put{{Name: "a"}, {Name: "a"}}},
			"put and deleted":  {Scope: "s", Puts: []state.Put{{Name: "a"}}, Deletes: []string{"a"}},
		} {
			if _, err := e.s.Apply(e.Context(), b); !errors.Is(err, state.ErrInvalid) {
				e.Errorf("%s: %v, want ErrInvalid", name, err)
			}
		}
		if r := e.revision("s"); r != 0 {
			e.Errorf("refused batches moved the revision to %d", r)
		}
	}},
}

// increment adds to a record if nobody else did since it was read.
func increment(e *env) bool {
	r, err := e.s.Get(e.Context(), "s", "n")
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		e.Errorf("get: %v", err)
		return true
	}
	_, err = e.s.Apply(e.Context(), state.Batch{
		Scope:  "s",
		Checks: []state.Check{{Name: "n", Revision: r.Revision}},
		Puts:   []state.Put{{Name: "n", Value: append(r.Value, 'x')}},
	})
	if err != nil && !errors.Is(err, state.ErrConflict) {
		e.Errorf("apply: %v", err)
		return true
	}
	return err == nil
}
