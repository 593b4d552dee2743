package statetest

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/state"
)

var dumpTests = []test{
	{"a dump that is loaded is the same store", func(e *env) {
		e.fill()
		items := e.dump(e.s)
		other := e.another()
		e.load(other, items)
		if again := e.dump(other); !reflect.DeepEqual(again, items) {
			e.Errorf("the dump of the loaded store differs:\n got %+v\nwant %+v", again, items)
		}
		e.sameAnswers(other)
	}},
	{"a loaded store goes on where the other was", func(e *env) {
		e.fill()
		revision := e.revision("s")
		other := e.another()
		e.load(other, e.dump(e.s))
		o := &env{T: e.T, s: other, suite: e.suite}
		changes := o.watch(e.Context(), "s", 1)
		o.wantChange(changes, state.Change{Revision: revision, Resync: true})
		if r := o.put("s", "new", ""); r != revision+1 {
			e.Errorf("revision %d, want %d", r, revision+1)
		}
		o.wantChange(changes, state.Change{Revision: revision + 1, Name: "new"})
		if r := o.put("emptied", "new", ""); r != 3 {
			e.Errorf("an emptied scope goes on at %d, want 3", r)
		}
		if p := o.append("log", "new"); p != 4 {
			e.Errorf("position %d, want 4", p)
		}
		if p := o.append("trimmed", "new"); p != 3 {
			e.Errorf("position %d of a trimmed stream, want 3", p)
		}
	}},
	{"what has expired is not dumped", func(e *env) {
		e.putFor("s", "a", "", e.units(1))
		e.count("s", state.Window{Name: "w", Period: e.units(1), Add: 1})
		e.pass(2)
		for _, item := range e.dump(e.s) {
			if item.Kind != state.ItemScope {
				e.Errorf("dumped %+v", item)
			}
		}
	}},
	{"a dump is of one moment while writers run", oneMoment},
	{"a dump may be left early", func(e *env) {
		e.fill()
		for range e.s.Dump(e.Context()) {
			break
		}
		e.put("s", "after", "")
		e.wantValue("s", "after", "")
	}},
	{"only an empty store is loaded", func(e *env) {
		e.put("s", "a", "1")
		items := e.dump(e.s)
		for name, fill := range map[string]func(*env){
			"a record":            func(o *env) { o.put("x", "y", "z") },
			"a counter":           func(o *env) { o.count("x", state.Distinct{Name: "d", Add: "m"}) },
			"a stream":            func(o *env) { o.append("x", "e") },
			"a record since gone": func(o *env) { o.put("x", "y", "z"); o.delete("x", "y") },
		} {
			o := &env{T: e.T, s: e.another(), suite: e.suite}
			fill(o)
			if err := o.s.Load(e.Context(), all(items, nil)); !errors.Is(err, state.ErrNotEmpty) {
				e.Errorf("%s: %v, want ErrNotEmpty", name, err)
			}
			o.wantNone("s", "a")
		}
	}},
	{"a load that fails leaves nothing, and can be tried again", func(e *env) {
		e.fill()
		items := e.dump(e.s)
		o := &env{T: e.T, s: e.another(), suite: e.suite}
		broken := errors.New("the dump broke off")
		if err := o.s.Load(e.Context(), all(items[:len(items)/2], broken)); !errors.Is(err, broken) {
			e.Errorf("load: %v, want the dump's error", err)
		}
		bad := append(slices.Clone(items), state.Item{Kind: "what", Scope: "s"})
		if err := o.s.Load(e.Context(), all(bad, nil)); !errors.Is(err, state.ErrInvalid) {
			e.Errorf("load: %v, want ErrInvalid", err)
		}
		missing := slices.DeleteFunc(slices.Clone(items), func(i state.Item) bool {
			return i.Kind == state.ItemEntry && i.Revision == 3
		})
		if err := o.s.Load(e.Context(), all(missing, nil)); !errors.Is(err, state.ErrInvalid) {
			e.Errorf("load without an entry: %v, want ErrInvalid", err)
		}
		o.wantScopes("", 0)
		o.wantEntries("log", 0, 0)
		if r := o.revision("s"); r != 0 {
			e.Errorf("revision %d", r)
		}
		e.load(o.s, items)
		e.sameAnswers(o.s)
	}},
}

// fill puts something of each kind in the store.
func (e *env) fill() {
	e.put("s", "a", "1")
	e.put("s", "b\x00\xff", strings.Repeat("v", 10_000))
	e.putFor("s", "mortal", "2", e.units(60))
	e.put("t", "x", "")
	e.put("emptied", "x", "")
	e.delete("emptied", "x")
	e.count("s", state.Lease{Name: "lease", Holder: "h", SetLimit: limit(10), SetUsed: limit(3), Want: 2})
	e.count("s", state.Lease{Name: "lease", Holder: "dead", SetLimit: limit(10), LimitAt: 5, Bury: true})
	e.count("s", state.Window{Name: "window", Period: e.units(60), Add: 4})
	e.count("only", state.Distinct{Name: "set", Add: "m", TTL: e.units(60)})
	e.append("log", "1", "2", "3")
	e.append("trimmed", "1", "2")
	e.trim("trimmed", 2)
	e.append("part", "1", "2")
	e.trim("part", 1)
}

// sameAnswers reports where a loaded store does not answer as a filled one.
func (e *env) sameAnswers(other state.Store) {
	e.Helper()
	o := &env{T: e.T, s: other, suite: e.suite}
	for _, name := range []string{"a", "b\x00\xff", "mortal"} {
		if a, b := e.get("s", name), o.get("s", name); a.Revision != b.Revision ||
			string(a.Value) != string(b.Value) || !a.Expires.Equal(b.Expires) {
			e.Errorf("%q is %+v, was %+v", name, b, a)
		}
	}
	o.wantScopes("", 0, "only", "s", "t")
	o.wantLease(state.Lease{Name: "lease", Holder: "h"}, state.CounterValue{Limit: 10, Used: 3, Leased: 2, Held: 2})
	o.wantLease(state.Lease{Name: "lease", Holder: "h", SetLimit: limit(11), LimitAt: 4}, state.CounterValue{Limit: 10, Used: 3, Leased: 2, Held: 2})
	if _, err := other.Count(e.Context(), "s", state.Lease{Name: "lease", Holder: "dead", Want: 1}); !errors.Is(err, state.ErrBuried) {
		e.Errorf("who was buried takes: %v", err)
	}
	o.wantCount(state.Window{Name: "window", Period: e.units(60)}, 4, 0)
	if v := o.count("only", state.Distinct{Name: "set"}); v.Count != 1 {
		e.Errorf("%d members", v.Count)
	}
	o.wantEntries("log", 0, 0, "1", "2", "3")
	o.wantEntries("part", 0, 0, "2")
	o.wantEntries("trimmed", 0, 0)
}

// oneMoment has writers that write a record, then a counter, then a stream, of
// the same number: no dump has the later without the earlier.
func oneMoment(e *env) {
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.many(3, func(w int) {
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := e.writeAll(fmt.Sprint("w", w), n); err != nil {
					e.Errorf("write: %v", err)
					return
				}
			}
		})
	}()
	for range 10 {
		e.wantMoment(e.dump(e.s))
	}
	close(stop)
	<-done
}

func (e *env) writeAll(scope string, n int64) error {
	puts := []state.Put{{Name: "a", Value: fmt.Append(nil, n)}, {Name: "b", Value: fmt.Append(nil, n)}}
	if _, err := e.s.Apply(e.Context(), state.Batch{Scope: scope, Puts: puts}); err != nil {
		return err
	}
	if _, err := e.s.Count(e.Context(), scope, state.Lease{Name: "n", SetUsed: limit(n), SetLimit: limit(-1)}); err != nil {
		return err
	}
	_, err := e.s.Append(e.Context(), scope, "", fmt.Append(nil, n))
	return err
}

func (e *env) wantMoment(items []state.Item) {
	e.Helper()
	records, scopes, streams := make(map[string]string), make(map[string]uint64), make(map[string]uint64)
	for _, i := range items {
		switch i.Kind {
		case state.ItemRecord:
			records[i.Scope+i.Name] = string(i.Value)
		case state.ItemScope:
			scopes[i.Scope] = i.Revision
		case state.ItemStream:
			streams[i.Scope] = i.Revision
		}
	}
	for scope, revision := range scopes {
		if a, b := records[scope+"a"], records[scope+"b"]; a != b || a != fmt.Sprint(revision) {
			e.Errorf("%s at %d has %s and %s", scope, revision, a, b)
		}
	}
	for stream, last := range streams {
		if last > scopes[stream] || last+1 < scopes[stream] {
			e.Errorf("stream %s is at %d, its scope at %d", stream, last, scopes[stream])
		}
	}
}

func (e *env) dump(s state.Store) []state.Item {
	e.Helper()
	var items []state.Item
	for item, err := range s.Dump(e.Context()) {
		if err != nil {
			e.Fatalf("dump: %v", err)
		}
		item.Expires = item.Expires.Round(0).UTC()
		if item.Expires.IsZero() {
			item.Expires = time.Time{}
		}
		if len(item.Value) == 0 {
			item.Value = nil
		}
		items = append(items, item)
	}
	return items
}

func (e *env) load(s state.Store, items []state.Item) {
	e.Helper()
	if err := s.Load(e.Context(), all(items, nil)); err != nil {
		e.Fatalf("load: %v", err)
	}
}

// another opens a second store.
func (e *env) another() state.Store {
	s := e.suite.open(e.T)
	closeAfter(e.T, s)
	return s
}

func closeAfter(t *testing.T, s state.Store) {
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, state.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
}

func all(items []state.Item, end error) iter.Seq2[state.Item, error] {
	return func(yield func(state.Item, error) bool) {
		for _, i := range items {
			if !yield(i, nil) {
				return
			}
		}
		if end != nil {
			yield(state.Item{}, end)
		}
	}
}
