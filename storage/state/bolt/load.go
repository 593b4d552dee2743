package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
)

// A load is made in pieces of about this many bytes.
const loadSize = 4 << 20

// Load implements state.Store. The file is marked while it runs: what a load that
// broke off has left is taken out, of the streams as well, at once or when they
// are opened again.
func (s *Store) Load(ctx context.Context, items iter.Seq2[state.Item, error]) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.loading.Lock()
	defer s.loading.Unlock()
	if err := s.mark(); err != nil {
		return fmt.Errorf("load the state: %w", err)
	}
	l := loader{store: s, streams: make(map[string]*loading)}
	err := s.streams.Clear() // of streams that have files and nothing in them
	if err == nil {
		err = l.load(ctx, items)
	}
	if err == nil {
		err = s.records.db.Update(unmark)
	}
	if err != nil {
		return fmt.Errorf("load the state: %w", errors.Join(err, s.clear(s.records.db)))
	}
	return s.notifyAll()
}

// mark marks the file if all is empty.
func (s *Store) mark() error {
	if err := s.records.db.View(wantEmpty); err != nil {
		return err
	}
	if !s.streams.Empty() {
		return state.ErrNotEmpty
	}
	return s.records.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(loadingKey, []byte{1}) })
}

// clear takes out what was loaded, the mark last.
func (s *Store) clear(db *bbolt.DB) error {
	if err := s.streams.Clear(); err != nil {
		return err
	}
	return db.Update(stateFormat.empty)
}

func wantEmpty(tx *bbolt.Tx) error {
	for _, name := range [][]byte{scopesBucket, countersBucket} {
		if bucket := tx.Bucket(name); bucket != nil {
			if k, _ := bucket.Cursor().First(); k != nil {
				return state.ErrNotEmpty
			}
		}
	}
	return nil
}

func unmark(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Delete(loadingKey) }

func (s *Store) notifyAll() error {
	return s.records.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(scopesBucket).ForEach(func(name, _ []byte) error {
			s.hub.Notify(string(name))
			return nil
		})
	})
}

// A loader writes items in pieces.
type loader struct {
	store   *Store
	pending []state.Item
	size    int
	streams map[string]*loading
}

// A loading is a stream that is loaded: where it is, and has to come to.
type loading struct {
	last, end uint64
	begun     bool
}

func (l *loader) load(ctx context.Context, items iter.Seq2[state.Item, error]) error {
	for item, err := range items {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if err := item.Validate(); err != nil {
			return err
		}
		l.pending = append(l.pending, item)
		l.size += len(item.Value) + len(item.Name) + 100
		if l.size < loadSize {
			continue
		}
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	return l.endStreams()
}

func (l *loader) flush(ctx context.Context) error {
	err := l.store.records.db.Update(func(tx *bbolt.Tx) error {
		for _, item := range l.pending {
			if err := loadRecords(tx, item); err != nil {
				return fmt.Errorf("%s of %s: %w", item.Kind, item.Scope, err)
			}
		}
		return nil
	})
	if err == nil {
		err = l.loadStreams(ctx)
	}
	l.pending, l.size = l.pending[:0], 0
	return err
}

func loadRecords(tx *bbolt.Tx, item state.Item) error {
	switch item.Kind {
	case state.ItemScope:
		return raiseRevision(tx, item)
	case state.ItemRecord:
		if err := raiseRevision(tx, item); err != nil {
			return err
		}
		return putRecord(tx, item.Scope, state.Record{
			Name: item.Name, Value: item.Value, Revision: item.Revision, Expires: item.Expires,
		})
	case state.ItemCounter:
		var c counter.State
		if err := json.Unmarshal(item.Value, &c); err != nil {
			return err
		}
		value, err := encodeCounter(c)
		if err != nil {
			return err
		}
		return putCounter(tx, key(item.Scope, item.Name), value)
	}
	return nil
}

// raiseRevision keeps a scope's revision at that of its last record or above.
func raiseRevision(tx *bbolt.Tx, item state.Item) error {
	if item.Revision <= revisionOf(tx, item.Scope) {
		return nil
	}
	return tx.Bucket(scopesBucket).Put([]byte(item.Scope), number(item.Revision))
}

// loadStreams takes the entries of a stream in order and without a gap.
func (l *loader) loadStreams(ctx context.Context) error {
	for i := 0; i < len(l.pending); {
		item := l.pending[i]
		n := 1
		switch item.Kind {
		case state.ItemStream:
			l.streams[item.Scope] = &loading{end: item.Revision}
		case state.ItemEntry:
			for i+n < len(l.pending) && l.pending[i+n].Kind == state.ItemEntry && l.pending[i+n].Scope == item.Scope {
				n++
			}
			if err := l.loadEntries(ctx, item.Scope, l.pending[i:i+n]); err != nil {
				return fmt.Errorf("entry of %s: %w", item.Scope, err)
			}
		}
		i += n
	}
	return nil
}

func (l *loader) loadEntries(ctx context.Context, stream string, items []state.Item) error {
	at := l.streams[stream]
	if at == nil {
		return fmt.Errorf("%w: position %d is not of its stream", state.ErrInvalid, items[0].Revision)
	}
	if !at.begun {
		at.begun, at.last = true, items[0].Revision-1
		if err := l.store.streams.Begin(stream, at.last); err != nil {
			return err
		}
	}
	entries := make([]state.Entry, len(items))
	for i, item := range items {
		if at.last++; item.Revision != at.last || item.Revision > at.end {
			return fmt.Errorf("%w: position %d does not follow, or is not of its stream", state.ErrInvalid, item.Revision)
		}
		entries[i] = state.Entry{Position: item.Revision, Time: item.Expires, Value: item.Value}
	}
	return l.store.streams.Fill(ctx, stream, entries)
}

// endStreams makes those that were trimmed whole, and finds those that are not.
func (l *loader) endStreams() error {
	for stream, at := range l.streams {
		if !at.begun {
			if err := l.store.streams.Begin(stream, at.end); err != nil {
				return err
			}
			continue
		}
		if at.last != at.end {
			return fmt.Errorf("%w: entries of the stream %s are missing", state.ErrInvalid, stream)
		}
	}
	return nil
}
