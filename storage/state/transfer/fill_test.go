package transfer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/state"
)

// fill puts something of each kind in a store, of which some ends in a short
// while, some after a long one, and some is gone.
func fill(t testing.TB, s state.Store) {
	t.Helper()
	apply := func(b state.Batch) {
		t.Helper()
		if _, err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 40 {
		apply(state.Batch{Scope: "accounts", Puts: []state.Put{{Name: fmt.Sprint("a/", n), Value: []byte(strings.Repeat("v", 50*n))}}})
	}
	apply(state.Batch{Scope: "accounts", Puts: []state.Put{{Name: "odd\x00}%{\xff", Value: []byte{0, 0xff, '\n'}}, {Name: "nothing"}}})
	apply(state.Batch{Scope: "accounts", Deletes: []string{"a/3"}})
	apply(state.Batch{Scope: "emptied}%", Puts: []state.Put{{Name: "x"}}})
	apply(state.Batch{Scope: "emptied}%", Deletes: []string{"x"}})
	apply(state.Batch{Scope: "codes", Puts: []state.Put{
		{Name: "at once", TTL: time.Millisecond}, {Name: "soon", TTL: 30 * time.Second}, {Name: "late", Value: []byte("1"), TTL: 40 * time.Minute}, {Name: "later", TTL: 72*time.Hour + 1},
	}})
	for name, op := range map[string]state.CounterOp{
		"lease":   state.Lease{Name: "lease", Holder: "n/1", SetLimit: ptr(1 << 60), SetUsed: ptr(1<<53 + 1), Want: 12},
		"all":     state.Lease{Name: "all", SetLimit: ptr(-1), Commit: 7},
		"minute":  state.Window{Name: "minute", Period: time.Minute, Add: 4},
		"day":     state.Window{Name: "day", Period: 24 * time.Hour, Add: 5},
		"members": state.Distinct{Name: "members", Add: "m", TTL: 40 * time.Minute},
		"endless": state.Distinct{Name: "endless", Add: "n"},
		"touched": state.Lease{Name: "touched", SetLimit: ptr(0)},
	} {
		if _, err := s.Count(t.Context(), "counted/"+name[:1], op); err != nil {
			t.Fatal(err)
		}
	}
	for _, member := range []string{"short", "for good"} {
		life := map[string]time.Duration{"short": 30 * time.Second}[member]
		if _, err := s.Count(t.Context(), "codes", state.Distinct{Name: "mixed", Add: member, TTL: life}); err != nil {
			t.Fatal(err)
		}
	}
	for stream, trim := range map[string]uint64{"events": 0, "part": 2, "trimmed": 5} {
		for n := range 5 {
			if _, err := s.Append(t.Context(), stream, "", fmt.Appendf(nil, "%s %d\x00", stream, n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Trim(t.Context(), stream, trim); err != nil {
			t.Fatal(err)
		}
	}
}

func ptr(n int64) *int64 { return &n }

// want is what fill leaves after a minute.
var want = Sum{Scopes: 8, Records: 43, Counters: 6, Streams: 3, Entries: 8}

func without(sum Sum) Sum {
	sum.Digest = ""
	return sum
}
