package statetest

import (
	"fmt"
	"slices"

	"gatehouse/storage/state"
)

var listingTests = []test{
	{"names come in order of bytes", func(e *env) {
		names := []string{"b", "a", "a\x00", "aa", "ä", "A", "\xff", "a/b", "a.b"}
		for _, n := range names {
			e.put("s", n, n)
		}
		e.put("t", "z", "z")
		slices.Sort(names)
		e.wantNames("s", "", "", 0, names...)
	}},
	{"a prefix and a start choose", func(e *env) {
		for _, n := range []string{"a", "b", "b/1", "b/2", "b/3", "c"} {
			e.put("s", n, n)
		}
		e.wantNames("s", "b/", "", 0, "b/1", "b/2", "b/3")
		e.wantNames("s", "b/", "b/1", 0, "b/2", "b/3")
		e.wantNames("s", "b/", "b/1x", 0, "b/2", "b/3")
		e.wantNames("s", "b/", "a", 0, "b/1", "b/2", "b/3")
		e.wantNames("s", "b/", "c", 0)
		e.wantNames("s", "b", "b", 0, "b/1", "b/2", "b/3")
		e.wantNames("s", "", "b/3", 0, "c")
		e.wantNames("s", "x", "", 0)
		e.wantNames("none", "", "", 0)
		e.wantNames("s", "b/", "", 2, "b/1", "b/2")
	}},
	{"pages join without a gap, and say whether there is more", func(e *env) {
		const n = 25
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf("n%02d", i))
			e.put("s", want[i], want[i])
		}
		e.put("s", "other", "")
		for _, limit := range []int{1, 7, 24, 25, 26} {
			var got []string
			for more, after := true, ""; more; {
				page, err := e.s.List(e.Context(), "s", "n", after, limit)
				if err != nil || len(page.Records) == 0 || len(page.Records) > limit {
					e.Fatalf("limit %d after %q: %d records, %v", limit, after, len(page.Records), err)
				}
				for _, r := range page.Records {
					if string(r.Value) != r.Name || r.Revision == 0 {
						e.Errorf("listed %+v", r)
					}
					got = append(got, r.Name)
				}
				more, after = page.More, got[len(got)-1]
			}
			if !slices.Equal(got, want) {
				e.Errorf("limit %d: got %q", limit, got)
			}
		}
	}},
	{"scopes are listed in order while they hold anything", func(e *env) {
		for _, name := range []string{"b", "a", "b/c", "b!", "c"} {
			e.put(name, "1", "")
			e.put(name, "2", "")
		}
		e.count("counted", state.Distinct{Name: "n", Add: "member"})
		e.append("a stream is no scope", "entry")
		e.wantScopes("", 0, "a", "b", "b!", "b/c", "c", "counted")
		e.wantScopes("b", 2, "b!", "b/c")
		e.wantScopes("counted", 0)
		e.delete("b", "1")
		e.wantScopes("", 2, "a", "b")
		e.delete("b", "2")
		e.count("counted", state.Distinct{Name: "n", Remove: "member"})
		e.wantScopes("", 0, "a", "b!", "b/c", "c")
	}},
}

func (e *env) wantNames(scope, prefix, after string, limit int, want ...string) {
	e.Helper()
	page, err := e.s.List(e.Context(), scope, prefix, after, limit)
	if err != nil {
		e.Fatalf("list %s %q after %q: %v", scope, prefix, after, err)
	}
	var got []string
	for _, r := range page.Records {
		got = append(got, r.Name)
	}
	if !slices.Equal(got, want) {
		e.Errorf("list %s %q after %q: got %q, want %q", scope, prefix, after, got, want)
	}
}

func (e *env) wantScopes(after string, limit int, want ...string) {
	e.Helper()
	got, err := e.s.Scopes(e.Context(), after, limit)
	if err != nil || !slices.Equal(got, want) {
		e.Errorf("scopes after %q: %q, %v, want %q", after, got, err, want)
	}
}
