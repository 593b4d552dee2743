package memory

import (
	"context"
	"maps"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
)

// Count implements state.Store.
func (s *Store) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if err := state.CheckCounter(scope, op); err != nil {
		return state.CounterValue{}, err
	}
	if err := s.begin(ctx); err != nil {
		return state.CounterValue{}, err
	}
	defer s.mu.Unlock()
	now := time.Now()
	name, id := counter.Name(op)
	if counter.Looks(op) {
		return s.counter(scope, name, now).Do(op, now)
	}
	made := operation{'c', scope, id}
	if v, ok := s.before(made, now); ok {
		return clone(v.(state.CounterValue)), nil
	}
	c := s.counter(scope, name, now)
	v, err := c.Do(op, now)
	if err != nil {
		return state.CounterValue{}, err
	}
	if c.Empty() {
		s.forget(scope, name)
	} else {
		s.scope(scope).counters[name] = c
	}
	s.remember(made, now, v)
	return clone(v), nil
}

// counter returns the counter of a name, or one never touched.
func (s *Store) counter(scope, name string, now time.Time) *counter.State {
	if sc := s.scopes[scope]; sc != nil {
		if c := sc.counters[name]; c != nil && !expired(c.Expires(), now) {
			return c
		}
	}
	return new(counter.State)
}

func (s *Store) forget(scope, name string) {
	if sc := s.scopes[scope]; sc != nil {
		delete(sc.counters, name)
	}
}

func clone(v state.CounterValue) state.CounterValue {
	v.Holders = maps.Clone(v.Holders)
	return v
}
