package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
)

// Dump implements state.Store. It copies the store first: what is written
// while it is read does not show.
func (s *Store) Dump(ctx context.Context) iter.Seq2[state.Item, error] {
	return func(yield func(state.Item, error) bool) {
		items, err := s.snapshot(ctx)
		if err != nil {
			yield(state.Item{}, err)
			return
		}
		for _, item := range items {
			if err := ctx.Err(); err != nil {
				yield(state.Item{}, err)
				return
			}
			item.Value = bytes.Clone(item.Value)
			if !yield(item, nil) {
				return
			}
		}
	}
}

func (s *Store) snapshot(ctx context.Context) ([]state.Item, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	now := time.Now()
	var items []state.Item
	for _, name := range slices.Sorted(maps.Keys(s.scopes)) {
		more, err := s.scopes[name].items(name, now)
		if err != nil {
			return nil, err
		}
		items = append(items, more...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.streams)) {
		items = append(items, s.streams[name].items(name)...)
	}
	return items, nil
}

func (sc *scope) items(name string, now time.Time) ([]state.Item, error) {
	items := []state.Item{{Kind: state.ItemScope, Scope: name, Revision: sc.revision}}
	for _, n := range sc.names {
		if r, ok := sc.get(n, now); ok {
			items = append(items, state.Item{
				Kind: state.ItemRecord, Scope: name, Name: n,
				Value: r.Value, Revision: r.Revision, Expires: r.Expires,
			})
		}
	}
	for _, n := range slices.Sorted(maps.Keys(sc.counters)) {
		c := sc.counters[n]
		if expired(c.Expires(), now) {
			continue
		}
		value, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("dump the counter %q: %w", n, err)
		}
		items = append(items, state.Item{Kind: state.ItemCounter, Scope: name, Name: n, Value: value})
	}
	return items, nil
}

func (st *stream) items(name string) []state.Item {
	items := []state.Item{{Kind: state.ItemStream, Scope: name, Revision: st.last()}}
	for _, e := range st.entries {
		items = append(items, state.Item{
			Kind: state.ItemEntry, Scope: name, Value: e.Value, Revision: e.Position, Expires: e.Time,
		})
	}
	return items
}

// Load implements state.Store.
func (s *Store) Load(ctx context.Context, items iter.Seq2[state.Item, error]) error {
	aside := New()
	for item, err := range items {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = aside.load(item)
		}
		if err != nil {
			return fmt.Errorf("load the state: %w", err)
		}
	}
	for name, st := range aside.streams {
		if st.last() != st.end {
			return fmt.Errorf("load the state: %w: entries of the stream %q are missing", state.ErrInvalid, name)
		}
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if len(s.scopes)+len(s.streams) > 0 {
		return state.ErrNotEmpty
	}
	s.scopes, s.streams = aside.scopes, aside.streams
	for name := range s.scopes {
		s.hub.Notify(name)
	}
	return nil
}

func (s *Store) load(item state.Item) error {
	if err := item.Validate(); err != nil {
		return err
	}
	switch item.Kind {
	case state.ItemScope:
		s.scope(item.Scope).revision = item.Revision
	case state.ItemRecord:
		sc := s.scope(item.Scope)
		sc.revision = max(sc.revision, item.Revision)
		sc.put(given(state.Record{
			Name: item.Name, Value: item.Value, Revision: item.Revision, Expires: item.Expires,
		}))
	case state.ItemCounter:
		c := new(counter.State)
		if err := json.Unmarshal(item.Value, c); err != nil {
			return fmt.Errorf("counter %q of %q: %w", item.Name, item.Scope, err)
		}
		s.scope(item.Scope).counters[item.Name] = c
	case state.ItemStream:
		s.streams[item.Scope] = &stream{first: item.Revision, end: item.Revision}
	case state.ItemEntry:
		return s.loadEntry(item)
	}
	return nil
}

// loadEntry takes the entries of a stream in order, the last of which has the
// stream's own position.
func (s *Store) loadEntry(item state.Item) error {
	st := s.streams[item.Scope]
	if st == nil {
		return fmt.Errorf("%w: entry before its stream %q", state.ErrInvalid, item.Scope)
	}
	if len(st.entries) == 0 {
		st.first = item.Revision - 1
	}
	if item.Revision != st.last()+1 {
		return fmt.Errorf("%w: gap in the stream %q", state.ErrInvalid, item.Scope)
	}
	e := state.Entry{Position: item.Revision, Time: item.Expires, Value: item.Value}
	st.entries = append(st.entries, copies([]state.Entry{e})...)
	return nil
}
