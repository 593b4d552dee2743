package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/watch"
)

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, scope, name string) (state.Record, error) {
	if err := s.begin(ctx); err != nil {
		return state.Record{}, err
	}
	defer s.mu.Unlock()
	r, ok := s.scopes[scope].get(name, time.Now())
	if !ok {
		return state.Record{}, state.ErrNotFound
	}
	return given(r), nil
}

// List implements state.Store.
func (s *Store) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	if err := s.begin(ctx); err != nil {
		return state.Page{}, err
	}
	defer s.mu.Unlock()
	sc := s.scopes[scope]
	if sc == nil {
		return state.Page{}, nil
	}
	now := time.Now()
	var page state.Page
	for _, name := range sc.names[sc.first(prefix, after):] {
		if !strings.HasPrefix(name, prefix) {
			break
		}
		r, ok := sc.get(name, now)
		if !ok {
			continue
		}
		if len(page.Records) == state.Limit(limit) {
			page.More = true
			break
		}
		page.Records = append(page.Records, given(r))
	}
	return page, nil
}

// Scopes implements state.Store.
func (s *Store) Scopes(ctx context.Context, after string, limit int) ([]string, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	now := time.Now()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.scopes)) {
		if name > after && len(names) < state.Limit(limit) && s.scopes[name].holds(now) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Revision implements state.Store.
func (s *Store) Revision(ctx context.Context, scope string) (uint64, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.revision(scope), nil
}

func (s *Store) revision(scope string) uint64 {
	if sc := s.scopes[scope]; sc != nil {
		return sc.revision
	}
	return 0
}

// Apply implements state.Store.
func (s *Store) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if err := b.Validate(); err != nil {
		return state.Result{}, err
	}
	if err := s.begin(ctx); err != nil {
		return state.Result{}, err
	}
	defer s.mu.Unlock()
	now := time.Now()
	op := operation{'a', b.Scope, b.ID}
	if v, ok := s.before(op, now); ok {
		return v.(state.Result), nil
	}
	for _, c := range b.Checks {
		if r, _ := s.scopes[b.Scope].get(c.Name, now); r.Revision != c.Revision {
			return state.Result{}, &state.ConflictError{Name: c.Name, Revision: r.Revision}
		}
	}
	if len(b.Puts)+len(b.Deletes) == 0 {
		return state.Result{Revision: s.revision(b.Scope)}, nil
	}
	result := s.write(b, now)
	s.remember(op, now, result)
	return result, nil
}

// write makes a batch whose checks hold.
func (s *Store) write(b state.Batch, now time.Time) state.Result {
	sc := s.scope(b.Scope)
	sc.revision++
	var changes []state.Change
	for _, name := range b.Deletes {
		if _, ok := sc.get(name, now); ok {
			changes = append(changes, state.Change{Revision: sc.revision, Name: name, Deleted: true})
		}
		sc.delete(name)
	}
	for _, p := range b.Puts {
		r := state.Record{Name: p.Name, Value: bytes.Clone(p.Value), Revision: sc.revision}
		if p.TTL > 0 {
			r.Expires = now.Add(p.TTL).Round(0).UTC()
		}
		sc.put(r)
		changes = append(changes, state.Change{Revision: sc.revision, Name: p.Name})
	}
	s.note(b.Scope, sc, changes)
	return state.Result{Revision: sc.revision}
}

// note adds a batch to the change log and drops what is too old of it.
func (s *Store) note(name string, sc *scope, changes []state.Change) {
	sc.changes[sc.revision] = changes
	s.log = append(s.log, logged{name, sc.revision})
	for len(s.log) > s.keep {
		delete(s.scopes[s.log[0].scope].changes, s.log[0].revision)
		s.log = s.log[1:]
	}
	s.hub.Notify(name)
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	if err := state.CheckScope(scope); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.mu.Unlock()
	return s.hub.Follow(ctx, scope, after, s.changed), nil
}

func (s *Store) changed(_ context.Context, name string, after uint64) (watch.Piece, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return watch.Piece{}, state.ErrClosed
	}
	sc := s.scopes[name]
	if sc == nil {
		return watch.Piece{Cut: after > 0}, nil
	}
	if sc.revision == after {
		return watch.Piece{Upto: after}, nil
	}
	if _, ok := sc.changes[after+1]; !ok || after > sc.revision {
		return watch.Piece{Cut: true, Upto: sc.revision}, nil
	}
	piece := watch.Piece{Upto: after}
	for piece.Upto < sc.revision && len(piece.Changes) < 1000 {
		piece.Upto++
		piece.Changes = append(piece.Changes, sc.changes[piece.Upto]...)
	}
	return piece, nil
}

// get returns a record that has not expired. The receiver may be nil.
func (sc *scope) get(name string, now time.Time) (state.Record, bool) {
	if sc == nil {
		return state.Record{}, false
	}
	r, ok := sc.records[name]
	if !ok || expired(r.Expires, now) {
		return state.Record{}, false
	}
	return r, true
}

func (sc *scope) put(r state.Record) {
	if _, ok := sc.records[r.Name]; !ok {
		i, _ := slices.BinarySearch(sc.names, r.Name)
		sc.names = slices.Insert(sc.names, i, r.Name)
	}
	sc.records[r.Name] = r
}

func (sc *scope) delete(name string) {
	if _, ok := sc.records[name]; !ok {
		return
	}
	delete(sc.records, name)
	i, _ := slices.BinarySearch(sc.names, name)
	sc.names = slices.Delete(sc.names, i, i+1)
}

// first is the index of the first name in a listing.
func (sc *scope) first(prefix, after string) int {
	i, found := slices.BinarySearch(sc.names, max(prefix, after))
	if found && after >= prefix {
		i++
	}
	return i
}

func (sc *scope) holds(now time.Time) bool {
	for _, r := range sc.records {
		if !expired(r.Expires, now) {
			return true
		}
	}
	for _, c := range sc.counters {
		if !expired(c.Expires(), now) {
			return true
		}
	}
	return false
}

// given returns a record that is the caller's.
func given(r state.Record) state.Record {
	r.Value = bytes.Clone(r.Value)
	return r
}
