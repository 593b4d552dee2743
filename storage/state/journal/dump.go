package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"gatehouse/storage/state"
)

// A Snapshot is all streams as of one moment.
type Snapshot struct{ views []*view }

// Snapshot begins to read all streams as they are; Release ends it.
func (j *Journal) Snapshot() (*Snapshot, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, state.ErrClosed
	}
	var s Snapshot
	for _, name := range slices.Sorted(maps.Keys(j.streams)) {
		s.views = append(s.views, j.streams[name].view())
	}
	return &s, nil
}

// Release lets go what was trimmed meanwhile.
func (s *Snapshot) Release() {
	for _, v := range s.views {
		v.release()
	}
}

// Dump yields each stream and its entries. In the place of one that is damaged
// is an empty one, so that a backup can be made, and what is restored shows it.
func (s *Snapshot) Dump(yield func(state.Item) error) error {
	for _, v := range s.views {
		if v.last == 0 {
			continue
		}
		if err := v.dump(yield); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) dump(yield func(state.Item) error) error {
	name := v.stream.name
	if err := yield(state.Item{Kind: state.ItemStream, Scope: name, Revision: v.last}); err != nil {
		return err
	}
	told := uint64(0)
	before := state.Entry{Position: v.trimmed, Time: time.Unix(0, 1).UTC()}
	for before.Position < v.last {
		entries, err := v.read(before.Position, state.DefaultLimit)
		var damage *state.DamageError
		if errors.As(err, &damage) {
			if told != damage.Last {
				v.stream.log.Error("a dump has nothing in the place of entries that are damaged", slog.Any("error", err))
			}
			told = damage.Last
			entries, err = unreadable(before, damage.Last), nil
		}
		if err != nil {
			return err
		}
		for _, before = range entries {
			item := state.Item{Kind: state.ItemEntry, Scope: name, Value: before.Value, Revision: before.Position, Expires: before.Time}
			if err := yield(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// unreadable stands for what is damaged after an entry: empty ones, some at a
// time, so that all others keep their positions.
func unreadable(before state.Entry, last uint64) []state.Entry {
	entries := make([]state.Entry, min(last-before.Position, state.DefaultLimit))
	for i := range entries {
		entries[i] = state.Entry{Position: before.Position + 1 + uint64(i), Time: before.Time}
	}
	return entries
}

// Empty reports that no stream was ever appended to.
func (j *Journal) Empty() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.streams {
		if s.position() > 0 {
			return false
		}
	}
	return true
}

func (s *stream) position() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Clear takes out all streams. The caller is alone.
func (j *Journal) Clear() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name, s := range j.streams {
		if err := s.remove(); err != nil {
			return err
		}
		delete(j.streams, name)
	}
	return nil
}

// Begin makes a stream whose first entry comes after a position, or leaves a gap
// in one up to there. The caller is alone.
func (j *Journal) Begin(stream string, after uint64) error {
	if err := state.CheckScope(stream); err != nil {
		return err
	}
	s, err := j.made(stream)
	if err != nil {
		return err
	}
	if err := s.leap(after); err != nil {
		return err
	}
	return s.writer.begin()
}

func (s *stream) leap(after uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after < s.last {
		return fmt.Errorf("%w: the stream %s has more than %d entries already", state.ErrInvalid, s.name, after)
	}
	if len(s.segments) == 0 {
		s.trimmed = after
	}
	s.last = after
	return nil
}

// Fill adds entries that have their positions and times, without a gap, to a
// stream that was begun.
func (j *Journal) Fill(ctx context.Context, stream string, entries []state.Entry) error {
	s, err := j.stream(stream)
	if err != nil {
		return err
	}
	if s == nil || len(entries) == 0 {
		return fmt.Errorf("%w: entries of the stream %q, which was not begun", state.ErrInvalid, stream)
	}
	work := &job{fill: true, after: entries[0].Position - 1, entries: uint64(len(entries))}
	for i, e := range entries {
		if e.Position != entries[0].Position+uint64(i) {
			return fmt.Errorf("%w: a gap before position %d of the stream %q", state.ErrInvalid, e.Position, stream)
		}
		from := len(work.frames)
		work.frames = appendFrame(work.frames, entryFrame, key{}, e.Value)
		setTime(work.frames[from:], instant(e.Time))
	}
	_, err = s.do(ctx, work)
	return err
}
