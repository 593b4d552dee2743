package authtest

import (
	"context"
	"errors"
	"sync"

	"gatehouse/storage/state"
)

// ErrAway is what a store answers that fails.
var ErrAway = errors.New("the store is away")

// A Store fails when it is told to.
type Store struct {
	state.Store
	// Kill fails the counters of the scopes that it says.
	Kill func(scope string) bool

	mu      sync.Mutex // guards what follows
	left    int        // changes until it fails; negative: it does not
	changes int        // that were made
	counted map[string]int
	stuck   chan struct{}
	silent  chan struct{}
	full    bool // for events
	told    func(scope string, v state.CounterValue) (state.CounterValue, error)
}

// NewStore makes a store over another that fails at nothing yet.
func NewStore(over state.Store) *Store {
	return &Store{Store: over, left: -1, counted: make(map[string]int)}
}

// Silence has nothing heard of what others change, until the channel is closed.
func (s *Store) Silence() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = make(chan struct{})
	return s.silent
}

// Watch is the store's, as far as it is not silenced.
func (s *Store) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	in, err := s.Store.Watch(ctx, scope, after)
	if err != nil {
		return nil, err
	}
	out := make(chan state.Change)
	go func() {
		defer close(out)
		for c := range in {
			s.mu.Lock()
			silent := s.silent
			s.mu.Unlock()
			if silent != nil {
				select {
				case <-silent:
				case <-ctx.Done():
				}
			}
			select {
			case out <- c:
			case <-ctx.Done():
			}
		}
	}()
	return out, nil
}

// Answer has an operation on a counter that was made answered by told.
func (s *Store) Answer(told func(string, state.CounterValue) (state.CounterValue, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = told
}

// Counted is how often it was asked for counters of a scope.
func (s *Store) Counted(scope string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted[scope]
}

// RefuseEvents has no event taken any more, until Heal.
func (s *Store) RefuseEvents() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = true
}

func (s *Store) isFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

// Block makes every change wait until the channel is closed.
func (s *Store) Block() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck = make(chan struct{})
	return s.stuck
}

func (s *Store) wait(ctx context.Context) {
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if stuck == nil {
		return
	}
	select {
	case <-stuck:
	case <-ctx.Done():
	}
}

// Made is how many changes were made.
func (s *Store) Made() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}

// FailAfter has it fail after so many changes; negative: never.
func (s *Store) FailAfter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = n
}

// Heal ends what fails.
func (s *Store) Heal() {
	s.FailAfter(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = false
}

func (s *Store) spend(ctx context.Context) error {
	if s.wait(ctx); ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return ErrAway
	}
	if s.left > 0 {
		s.left--
	}
	s.changes++
	return nil
}

// Apply is a change.
func (s *Store) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if err := s.spend(ctx); err != nil {
		return state.Result{}, err
	}
	return s.Store.Apply(ctx, b)
}

// Count is a change.
func (s *Store) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if err := s.spend(ctx); err != nil {
		return state.CounterValue{}, err
	}
	if s.Kill != nil && s.Kill(scope) {
		return state.CounterValue{}, ErrAway
	}
	s.mu.Lock()
	s.counted[scope]++
	s.mu.Unlock()
	v, err := s.Store.Count(ctx, scope, op)
	s.mu.Lock()
	told := s.told
	s.mu.Unlock()
	if told == nil || err != nil {
		return v, err
	}
	return told(scope, v)
}

// Append is a change.
func (s *Store) Append(ctx context.Context, stream string, op state.OperationID, entries ...[]byte) (uint64, error) {
	if s.isFull() {
		return 0, ErrAway
	}
	if err := s.spend(ctx); err != nil {
		return 0, err
	}
	return s.Store.Append(ctx, stream, op, entries...)
}
