package memory

import (
	"bytes"
	"context"
	"slices"
	"time"

	"gatehouse/storage/state"
)

// A stream is the entries after first, without a gap.
type stream struct {
	first   uint64 // the last position that was trimmed
	entries []state.Entry
	end     uint64 // while it is loaded: what last will be
}

func (st *stream) last() uint64 { return st.first + uint64(len(st.entries)) }

// Append implements state.Store.
func (s *Store) Append(ctx context.Context, name string, id state.OperationID, entries ...[]byte) (uint64, error) {
	if err := state.CheckAppend(ctx, name, entries); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now := time.Now().Round(0).UTC()
	op := operation{'s', name, id}
	if v, ok := s.before(op, now); ok {
		return v.(uint64), nil
	}
	if err := s.enter(ctx, name); err != nil {
		return 0, err
	}
	st := s.streams[name]
	switch {
	case st == nil && len(entries) == 0:
		return 0, nil
	case len(entries) == 0:
		return st.last(), nil
	case st == nil:
		st = new(stream)
		s.streams[name] = st
	}
	for _, e := range entries {
		st.entries = append(st.entries, state.Entry{Position: st.last() + 1, Time: now, Value: bytes.Clone(e)})
	}
	s.remember(op, now, st.last())
	return st.last(), nil
}

// runOf identifies those of whom the later ones overtake the earlier.
type runOf struct{ stream, name string }

// enter tells a stream of the run whose append this is, if it is of one.
func (s *Store) enter(ctx context.Context, stream string) error {
	run, ok := state.RunOf(ctx)
	if !ok {
		return nil
	}
	of := runOf{stream, run.Name}
	if later := s.runs[of]; later > run.Number {
		return &state.OvertakenError{Name: run.Name, Number: later}
	}
	s.runs[of] = run.Number
	return nil
}

// Read implements state.Store.
func (s *Store) Read(ctx context.Context, name string, after uint64, limit int) ([]state.Entry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil || after >= st.last() {
		return nil, nil
	}
	rest := st.entries[max(after, st.first)-st.first:]
	return copies(rest[:min(len(rest), state.Limit(limit))]), nil
}

// ReadBack implements state.Store.
func (s *Store) ReadBack(ctx context.Context, name string, before uint64, limit int) ([]state.Entry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil || before > 0 && before <= st.first {
		return nil, nil
	}
	rest := st.entries
	if before > 0 && before <= st.last() {
		rest = rest[:before-1-st.first]
	}
	found := copies(rest[max(0, len(rest)-state.Limit(limit)):])
	slices.Reverse(found)
	return found, nil
}

// Trim implements state.Store.
func (s *Store) Trim(ctx context.Context, name string, upTo uint64) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil || upTo <= st.first {
		return nil
	}
	upTo = min(upTo, st.last())
	st.entries = slices.Clone(st.entries[upTo-st.first:])
	st.first = upTo
	return nil
}

func copies(entries []state.Entry) []state.Entry {
	found := slices.Clone(entries)
	for i := range found {
		found[i].Value = bytes.Clone(found[i].Value)
	}
	return found
}
