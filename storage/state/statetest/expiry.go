package statetest

import (
	"time"

	"gatehouse/storage/state"
)

var expiryTests = []test{
	{"a record is gone when its life ends", func(e *env) {
		before := time.Now()
		e.putFor("s", "short", "1", e.units(2))
		e.putFor("s", "long", "2", e.units(20))
		e.put("s", "for ever", "3")
		if r := e.get("s", "short"); r.Expires.Before(before) || r.Expires.After(before.Add(e.units(4))) {
			e.Errorf("expires %v, put at %v", r.Expires, before)
		}
		e.pass(1)
		e.wantValue("s", "short", "1")
		e.pass(2)
		e.wantNone("s", "short")
		e.wantNames("s", "", "", 0, "for ever", "long")
		e.wantNames("s", "", "", 1, "for ever")
		if r := e.revision("s"); r != 3 {
			e.Errorf("expiry moved the revision to %d", r)
		}
	}},
	{"an expired record is none to a check", func(e *env) {
		old := e.putFor("s", "a", "1", e.units(1))
		e.pass(2)
		e.wantConflict(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a", Revision: old}}}, "a", 0)
		if r := e.apply(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a"}}, Puts: []state.Put{{Name: "a"}}}); r <= old {
			e.Errorf("re-made at revision %d, was at %d", r, old)
		}
		e.wantValue("s", "a", "")
	}},
	{"a put without a life clears it, one with a life renews it", func(e *env) {
		e.putFor("s", "cleared", "1", e.units(2))
		e.putFor("s", "renewed", "1", e.units(2))
		e.put("s", "limited", "1")
		e.pass(1)
		e.put("s", "cleared", "2")
		e.putFor("s", "renewed", "2", e.units(3))
		e.putFor("s", "limited", "2", e.units(2))
		if r := e.get("s", "cleared"); !r.Expires.IsZero() {
			e.Errorf("still expires %v", r.Expires)
		}
		e.pass(2)
		e.wantValue("s", "cleared", "2")
		e.wantValue("s", "renewed", "2")
		e.wantNone("s", "limited")
		e.pass(2)
		e.wantValue("s", "cleared", "2")
		e.wantNone("s", "renewed")
	}},
	{"a page is full of what lives", func(e *env) {
		for _, n := range []string{"a", "b", "c", "d"} {
			e.putFor("s", n, n, e.units(1))
		}
		e.put("s", "e", "e")
		e.put("s", "f", "f")
		e.pass(2)
		page, err := e.s.List(e.Context(), "s", "", "", 2)
		if err != nil || len(page.Records) != 2 || page.More {
			e.Errorf("%d records, more %v, %v", len(page.Records), page.More, err)
		}
	}},
	{"a scope of what has expired is empty, and keeps its revision", func(e *env) {
		e.putFor("s", "a", "1", e.units(1))
		e.count("s", state.Window{Name: "w", Period: e.units(1), Add: 1})
		e.count("t", state.Distinct{Name: "d", Add: "m", TTL: e.units(1)})
		e.wantScopes("", 0, "s", "t")
		e.pass(2)
		e.wantScopes("", 0)
		e.pass(5) // what is swept is swept by now
		if r := e.put("s", "a", "1"); r != 2 {
			e.Errorf("revision %d, want 2", r)
		}
	}},
}
