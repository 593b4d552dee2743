// Package statetest is the suite that every state.Store passes: one test for
// each promise of the contract. It names what an implementation may not do, and
// leaves to it how it is opened, how its clock runs and how its replies get lost.
package statetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
)

// An Open returns an empty store; the suite closes it.
type Open func(t *testing.T) state.Store

// An Option tells the suite what the store under test can do.
type Option func(*suite)

// Bubble runs each test in a bubble of testing/synctest, whose time is the
// store's. Without it and without Clock, a test of expiry takes real seconds.
func Bubble() Option { return func(s *suite) { s.bubble, s.unit = true, time.Minute } }

// Clock moves the store's time by what advance is told.
func Clock(advance func(s state.Store, d time.Duration)) Option {
	return func(s *suite) { s.advance, s.unit = advance, time.Minute }
}

// ChangeLog says how many batches the store's change log remembers.
func ChangeLog(batches int) Option { return func(s *suite) { s.log = batches } }

// CutReply gives the suite a way to have the reply of a call lost after the
// store has made the write: cut makes the call with a context of its choice and
// returns the call's error. Without it the suite only forgets the reply.
func CutReply(cut func(t *testing.T, s state.Store, call func(context.Context) error) error) Option {
	return func(s *suite) { s.cut = cut }
}

type suite struct {
	open    Open
	bubble  bool
	unit    time.Duration
	advance func(state.Store, time.Duration)
	log     int
	cut     func(*testing.T, state.Store, func(context.Context) error) error
}

// Run runs the suite.
func Run(t *testing.T, open Open, options ...Option) {
	s := &suite{open: open, unit: time.Second}
	s.advance = func(_ state.Store, d time.Duration) { time.Sleep(d) }
	for _, o := range options {
		o(s)
	}
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"records", recordTests},
		{"listing", listingTests},
		{"operations", operationTests},
		{"expiry", expiryTests},
		{"lease", leaseTests},
		{"counters", counterTests},
		{"streams", streamTests},
		{"runs", runTests},
		{"watch", watchTests},
		{"dump", dumpTests},
		{"end", endTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) { s.run(t, test) })
			}
		})
	}
}

type test struct {
	name string
	run  func(e *env)
}

func (s *suite) run(t *testing.T, test test) {
	body := func(t *testing.T) {
		store := s.open(t)
		t.Cleanup(func() {
			if err := store.Close(); err != nil && !errors.Is(err, state.ErrClosed) {
				t.Errorf("close: %v", err)
			}
		})
		test.run(&env{T: t, s: store, suite: s})
	}
	if s.bubble {
		synctest.Test(t, body)
		return
	}
	body(t)
}

// env is what a test has in its hands.
type env struct {
	*testing.T
	s     state.Store
	suite *suite
}

// pass lets n units of the store's time pass.
func (e *env) pass(n int) { e.suite.advance(e.s, time.Duration(n)*e.suite.unit) }

// units is n units of the store's time.
func (e *env) units(n int) time.Duration { return time.Duration(n) * e.suite.unit }

// lose makes a call whose reply is lost.
func (e *env) lose(call func(ctx context.Context) error) {
	e.Helper()
	if e.suite.cut == nil {
		if err := call(e.Context()); err != nil {
			e.Fatalf("the call whose reply is lost: %v", err)
		}
		return
	}
	if err := e.suite.cut(e.T, e.s, call); !errors.Is(err, state.ErrUnknown) {
		e.Fatalf("a lost reply gave %v, want ErrUnknown", err)
	}
}

// many runs n calls at the same time and waits for them.
func (e *env) many(n int, call func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { call(i) })
	}
	all.Wait()
}

func (e *env) apply(b state.Batch) uint64 {
	e.Helper()
	r, err := e.s.Apply(e.Context(), b)
	if err != nil {
		e.Fatalf("apply %+v: %v", b, err)
	}
	return r.Revision
}

func (e *env) put(scope, name, value string) uint64 {
	e.Helper()
	return e.apply(state.Batch{Scope: scope, Puts: []state.Put{{Name: name, Value: []byte(value)}}})
}

func (e *env) putFor(scope, name, value string, life time.Duration) uint64 {
	e.Helper()
	return e.apply(state.Batch{Scope: scope, Puts: []state.Put{{Name: name, Value: []byte(value), TTL: life}}})
}

func (e *env) delete(scope string, names ...string) uint64 {
	e.Helper()
	return e.apply(state.Batch{Scope: scope, Deletes: names})
}

func (e *env) get(scope, name string) state.Record {
	e.Helper()
	r, err := e.s.Get(e.Context(), scope, name)
	if err != nil {
		e.Fatalf("get %s %s: %v", scope, name, err)
	}
	return r
}

func (e *env) wantValue(scope, name, value string) {
	e.Helper()
	if got := e.get(scope, name); string(got.Value) != value || got.Name != name {
		e.Errorf("%s %s is %q (named %q), want %q", scope, name, got.Value, got.Name, value)
	}
}

func (e *env) wantNone(scope, name string) {
	e.Helper()
	if r, err := e.s.Get(e.Context(), scope, name); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("get %s %s: %+v, %v, want ErrNotFound", scope, name, r, err)
	}
}

func (e *env) wantConflict(b state.Batch, name string, revision uint64) {
	e.Helper()
	_, err := e.s.Apply(e.Context(), b)
	var conflict *state.ConflictError
	if !errors.Is(err, state.ErrConflict) || !errors.As(err, &conflict) {
		e.Fatalf("apply %+v: %v, want a conflict", b, err)
	}
	if conflict.Name != name || conflict.Revision != revision {
		e.Errorf("conflict on %q at %d, want %q at %d", conflict.Name, conflict.Revision, name, revision)
	}
}

func (e *env) revision(scope string) uint64 {
	e.Helper()
	r, err := e.s.Revision(e.Context(), scope)
	if err != nil {
		e.Fatalf("revision of %s: %v", scope, err)
	}
	return r
}

func (e *env) count(scope string, op state.CounterOp) state.CounterValue {
	e.Helper()
	v, err := e.s.Count(e.Context(), scope, op)
	if err != nil {
		e.Fatalf("count %+v: %v", op, err)
	}
	return v
}

func (e *env) append(stream string, entries ...string) uint64 {
	e.Helper()
	position, err := e.s.Append(e.Context(), stream, "", bytesOf(entries)...)
	if err != nil {
		e.Fatalf("append to %s: %v", stream, err)
	}
	return position
}
