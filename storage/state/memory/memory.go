// Package memory keeps state in this process, for tests and for trying: it
// forgets all when the process ends.
package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
	"gatehouse/storage/state/watch"
)

// Changes is how many batches the change log remembers, over all scopes.
const Changes = 10_000

// sweepEvery is how often what has expired is taken out; until then it is only
// passed over.
const sweepEvery = time.Minute

// Store is a state.Store. Its clock is time.Now. It starts no goroutine of its own.
type Store struct {
	hub  watch.Hub
	keep int

	mu      sync.Mutex // guards what follows
	closed  bool
	scopes  map[string]*scope
	streams map[string]*stream
	runs    map[runOf]uint64 // the latest of each
	made    map[operation]outcome
	log     []logged // oldest first
	swept   time.Time
}

var _ state.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	s := &Store{keep: Changes, swept: time.Now()}
	s.clear()
	return s
}

// Close lets everything go; what is called afterwards gets state.ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return state.ErrClosed
	}
	s.closed = true
	s.clear()
	s.mu.Unlock()
	s.hub.Close()
	return nil
}

// A scope holds records and counters. revisions are those of its log.
type scope struct {
	revision uint64
	records  map[string]state.Record
	names    []string // of records, sorted
	counters map[string]*counter.State
	changes  map[uint64][]state.Change
}

// logged is a batch in the change log.
type logged struct {
	scope    string
	revision uint64
}

// operation identifies a mutation that was made.
type operation struct {
	kind  byte
	scope string
	id    state.OperationID
}

type outcome struct {
	at    time.Time
	value any // state.Result, state.CounterValue or a position
}

func (s *Store) clear() {
	s.scopes = make(map[string]*scope)
	s.streams = make(map[string]*stream)
	s.runs = make(map[runOf]uint64)
	s.made = make(map[operation]outcome)
	s.log = nil
}

// begin locks the store for one call; end it with s.mu.Unlock.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return state.ErrClosed
	}
	return nil
}

// scope returns a scope to be written.
func (s *Store) scope(name string) *scope {
	sc := s.scopes[name]
	if sc == nil {
		sc = &scope{
			records:  make(map[string]state.Record),
			counters: make(map[string]*counter.State),
			changes:  make(map[uint64][]state.Change),
		}
		s.scopes[name] = sc
	}
	return sc
}

// before returns what an operation returned when it was made the first time.
func (s *Store) before(op operation, now time.Time) (any, bool) {
	o, ok := s.made[op]
	if !ok || op.id == "" || !o.at.Add(state.OperationLife).After(now) {
		return nil, false
	}
	return o.value, true
}

func (s *Store) remember(op operation, now time.Time, value any) {
	if op.id != "" {
		s.made[op] = outcome{at: now, value: value}
	}
	s.sweep(now)
}

func (s *Store) sweep(now time.Time) {
	if now.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = now
	for op, o := range s.made {
		if !o.at.Add(state.OperationLife).After(now) {
			delete(s.made, op)
		}
	}
	for _, sc := range s.scopes {
		for name, c := range sc.counters {
			if expired(c.Expires(), now) {
				delete(sc.counters, name)
			}
		}
		sc.names = slices.DeleteFunc(sc.names, func(name string) bool {
			if !expired(sc.records[name].Expires, now) {
				return false
			}
			delete(sc.records, name)
			return true
		})
	}
}

func expired(end, now time.Time) bool { return !end.IsZero() && !end.After(now) }
