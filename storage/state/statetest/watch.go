package statetest

import (
	"context"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

// patience is how long a change may be on its way.
const patience = 20 * time.Second

var watchTests = []test{
	{"changes come in order, of this scope alone", func(e *env) {
		changes := e.watch(e.Context(), "s", 0)
		e.put("s", "a", "1")
		e.put("t", "x", "1")
		e.apply(state.Batch{Scope: "s", Puts: []state.Put{{Name: "b"}}, Deletes: []string{"a", "not there"}})
		e.put("s", "a", "2")
		e.wantChange(changes, state.Change{Revision: 1, Name: "a"})
		e.wantChange(changes, state.Change{Revision: 2, Name: "a", Deleted: true})
		e.wantChange(changes, state.Change{Revision: 2, Name: "b"})
		e.wantChange(changes, state.Change{Revision: 3, Name: "a"})
		e.put("s", "c", "3")
		e.wantChange(changes, state.Change{Revision: 4, Name: "c"})
	}},
	{"a watch begins after its revision", func(e *env) {
		for i := range 5 {
			e.put("s", fmt.Sprint(i), "")
		}
		late := e.watch(e.Context(), "s", 3)
		now := e.watch(e.Context(), "s", 5)
		e.wantChange(late, state.Change{Revision: 4, Name: "3"})
		e.wantChange(late, state.Change{Revision: 5, Name: "4"})
		e.put("s", "new", "")
		e.wantChange(late, state.Change{Revision: 6, Name: "new"})
		e.wantChange(now, state.Change{Revision: 6, Name: "new"})
	}},
	{"a scope is watched before its first record", func(e *env) {
		changes := e.watch(e.Context(), "s", 0)
		e.count("s", state.Distinct{Name: "d", Add: "m"})
		e.append("s", "entry")
		e.apply(state.Batch{Scope: "s", Checks: []state.Check{{Name: "a"}}})
		e.put("s", "a", "")
		e.wantChange(changes, state.Change{Revision: 1, Name: "a"})
	}},
	{"nothing is lost between a listing and the watch after it", noneLost},
	{"a revision that never was is answered by a resync", func(e *env) {
		e.put("s", "a", "")
		changes := e.watch(e.Context(), "s", 100)
		e.wantChange(changes, state.Change{Revision: 1, Resync: true})
		e.put("s", "b", "")
		e.wantChange(changes, state.Change{Revision: 2, Name: "b"})
		never := e.watch(e.Context(), "never", 7)
		e.wantChange(never, state.Change{Resync: true})
		e.put("never", "b", "")
		e.wantChange(never, state.Change{Revision: 1, Name: "b"})
	}},
	{"a revision cut from the log is answered by a resync", func(e *env) {
		e.needLog()
		for range e.suite.log + 2 {
			e.put("s", "a", "")
		}
		last := e.revision("s")
		changes := e.watch(e.Context(), "s", 1)
		e.wantChange(changes, state.Change{Revision: last, Resync: true})
		e.put("s", "b", "")
		e.wantChange(changes, state.Change{Revision: last + 1, Name: "b"})
	}},
	{"a quiet scope is not cut by a busy one while it is read up", func(e *env) {
		e.needLog()
		quiet := e.put("quiet", "a", "")
		changes := e.watch(e.Context(), "quiet", quiet)
		for range e.suite.log + 2 {
			e.put("busy", "a", "")
		}
		later := e.watch(e.Context(), "quiet", quiet)
		e.put("quiet", "b", "")
		e.wantChange(changes, state.Change{Revision: quiet + 1, Name: "b"})
		e.wantChange(later, state.Change{Revision: quiet + 1, Name: "b"})
	}},
	{"a reader that is too slow is told to begin anew", func(e *env) {
		e.needLog()
		changes := e.watch(e.Context(), "s", 0)
		const writers = 32
		each := 2*e.suite.log/writers + 50
		e.many(writers, func(int) {
			for range each {
				if _, err := e.s.Apply(e.Context(), state.Batch{Scope: "s", Puts: []state.Put{{Name: "a"}}}); err != nil {
					e.Errorf("apply: %v", err)
				}
			}
		})
		e.wantResync(changes, uint64(writers*each))
	}},
	{"a watch ends with its context", func(e *env) {
		ctx, cancel := context.WithCancel(e.Context())
		idle := e.watch(ctx, "s", 0)
		busy := e.watch(ctx, "t", 0)
		for range 100 {
			e.put("t", "a", "") // more than it will take
		}
		cancel()
		e.wantEnd(idle)
		e.wantEnd(busy)
	}},
	{"many watchers hear the same", func(e *env) {
		const watchers, n = 20, 30
		var all []<-chan state.Change
		for range watchers {
			all = append(all, e.watch(e.Context(), "s", 0))
		}
		for i := range n {
			e.put("s", fmt.Sprint(i), "")
		}
		for _, changes := range all {
			for i := range n {
				e.wantChange(changes, state.Change{Revision: uint64(i + 1), Name: fmt.Sprint(i)})
			}
		}
	}},
}

// noneLost keeps a copy of a scope as an index would: list, then watch from the
// revision read before. Each copy ends up as the scope.
func noneLost(e *env) {
	const writers, each, watchers = 4, 25, 4
	copies := make(chan map[string]uint64, watchers)
	for range watchers {
		go func() { copies <- e.follow(writers * each) }()
	}
	e.many(writers, func(i int) {
		for j := range each {
			b := state.Batch{Scope: "s", Puts: []state.Put{{Name: fmt.Sprint(i, ".", j)}}}
			if j > 2 {
				b.Deletes = []string{fmt.Sprint(i, ".", j-3)}
			}
			if _, err := e.s.Apply(e.Context(), b); err != nil {
				e.Errorf("apply: %v", err)
			}
		}
	})
	page, err := e.s.List(e.Context(), "s", "", "", 0)
	if err != nil {
		e.Fatalf("list: %v", err)
	}
	for range watchers {
		got := <-copies
		if len(got) != len(page.Records) {
			e.Errorf("a copy has %d records, the store %d", len(got), len(page.Records))
		}
		for _, r := range page.Records {
			if got[r.Name] != r.Revision {
				e.Errorf("a copy has %q at %d, the store at %d", r.Name, got[r.Name], r.Revision)
			}
		}
	}
}

// follow keeps a copy up to a revision, beginning anew where it is told to.
func (e *env) follow(until uint64) map[string]uint64 {
	ctx, cancel := context.WithTimeout(e.Context(), patience)
	defer cancel()
	copied, after := e.copy()
	changes, err := e.s.Watch(ctx, "s", after)
	if err != nil {
		e.Errorf("watch: %v", err)
		return nil
	}
	for last, whole := after, true; last < until || !whole; {
		c, ok := <-changes
		if !ok || c.Revision < last {
			e.Errorf("after %d came %+v (open %v)", last, c, ok)
			return nil
		}
		last, whole = c.Revision, !c.Deleted // a batch's put is its last change
		switch {
		case c.Resync:
			copied, _ = e.copy()
		case c.Deleted && copied[c.Name] < c.Revision:
			delete(copied, c.Name)
		case !c.Deleted:
			copied[c.Name] = max(copied[c.Name], c.Revision)
		}
	}
	return copied
}

// copy lists a scope, with the revision it had before.
func (e *env) copy() (map[string]uint64, uint64) {
	after, err := e.s.Revision(e.Context(), "s")
	if err != nil {
		e.Errorf("revision: %v", err)
	}
	page, err := e.s.List(e.Context(), "s", "", "", 0)
	if err != nil {
		e.Errorf("list: %v", err)
	}
	copied := make(map[string]uint64)
	for _, r := range page.Records {
		copied[r.Name] = r.Revision
	}
	return copied, after
}

func (e *env) needLog() {
	if e.suite.log == 0 {
		e.Skip("the length of the change log is not known")
	}
}

func (e *env) watch(ctx context.Context, scope string, after uint64) <-chan state.Change {
	e.Helper()
	changes, err := e.s.Watch(ctx, scope, after)
	if err != nil {
		e.Fatalf("watch %s after %d: %v", scope, after, err)
	}
	return changes
}

func (e *env) wantChange(changes <-chan state.Change, want state.Change) {
	e.Helper()
	select {
	case got, ok := <-changes:
		if got != want || !ok {
			e.Fatalf("got %+v (open %v), want %+v", got, ok, want)
		}
	case <-time.After(patience):
		e.Fatalf("no change, want %+v", want)
	}
}

// wantResync reads up to a revision: there is no gap but where it is told of.
func (e *env) wantResync(changes <-chan state.Change, written uint64) {
	e.Helper()
	var last uint64
	var resynced bool
	for last < written {
		c, ok := <-changes
		if !ok || c.Revision > written || c.Resync && c.Revision <= last || !c.Resync && c.Revision != last+1 {
			e.Fatalf("after %d came %+v (open %v)", last, c, ok)
		}
		last, resynced = c.Revision, resynced || c.Resync
	}
	if !resynced {
		e.Error("no resync")
	}
}

func (e *env) wantEnd(changes <-chan state.Change) {
	e.Helper()
	late := time.After(patience)
	for {
		select {
		case _, ok := <-changes:
			if !ok {
				return
			}
		case <-late:
			e.Fatal("the channel stays open")
		}
	}
}
