package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
)

// A load is made in pieces of about this many bytes.
const loadSize = 4 << 20

// Load implements state.Store. Both files are marked while it runs: what a load
// that broke off has left is taken out, at once or when they are opened again.
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
	l := loader{store: s, missing: make(map[string]uint64)}
	err := l.load(ctx, items)
	if err == nil {
		err = errors.Join(s.streams.db.Update(unmark), s.records.db.Update(unmark))
	}
	if err != nil {
		empty := errors.Join(s.records.db.Update(stateFormat.empty), s.streams.db.Update(eventsFormat.empty))
		return fmt.Errorf("load the state: %w", errors.Join(err, empty))
	}
	return s.notifyAll()
}

// mark marks both files if they are empty.
func (s *Store) mark() error {
	for _, f := range []*file{s.records, s.streams} {
		if err := f.db.View(wantEmpty); err != nil {
			return err
		}
	}
	mark := func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(loadingKey, []byte{1}) }
	return errors.Join(s.records.db.Update(mark), s.streams.db.Update(mark))
}

func wantEmpty(tx *bbolt.Tx) error {
	for _, name := range [][]byte{scopesBucket, countersBucket, streamsBucket} {
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
	missing map[string]uint64 // streams and the position they have to come to
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
		if err := l.flush(); err != nil {
			return err
		}
	}
	if err := l.flush(); err != nil {
		return err
	}
	return l.store.streams.db.View(l.checkStreams)
}

func (l *loader) flush() error {
	err := l.store.records.db.Update(func(tx *bbolt.Tx) error { return l.write(tx, loadRecords) })
	if err == nil {
		err = l.store.streams.db.Update(func(tx *bbolt.Tx) error { return l.write(tx, l.loadStreams) })
	}
	l.pending, l.size = l.pending[:0], 0
	return err
}

func (l *loader) write(tx *bbolt.Tx, load func(*bbolt.Tx, state.Item) error) error {
	for _, item := range l.pending {
		if err := load(tx, item); err != nil {
			return fmt.Errorf("%s of %s: %w", item.Kind, item.Scope, err)
		}
	}
	return nil
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
func (l *loader) loadStreams(tx *bbolt.Tx, item state.Item) error {
	switch item.Kind {
	case state.ItemStream:
		l.missing[item.Scope] = item.Revision
		return putEnds(tx, item.Scope, item.Revision, item.Revision)
	case state.ItemEntry:
		return l.loadEntry(tx, item)
	}
	return nil
}

func (l *loader) loadEntry(tx *bbolt.Tx, item state.Item) error {
	end, known := l.missing[item.Scope]
	if !known || item.Revision > end {
		return fmt.Errorf("%w: position %d is not of its stream", state.ErrInvalid, item.Revision)
	}
	last, trimmed := ends(tx, item.Scope)
	if last == trimmed {
		last, trimmed = item.Revision-1, item.Revision-1
	}
	if item.Revision != last+1 {
		return fmt.Errorf("%w: a gap before position %d", state.ErrInvalid, item.Revision)
	}
	if err := putEnds(tx, item.Scope, item.Revision, trimmed); err != nil {
		return err
	}
	at := item.Expires
	if at.IsZero() {
		at = time.Unix(0, 1)
	}
	return putEntry(tx, item.Scope, item.Revision, at, item.Value)
}

func (l *loader) checkStreams(tx *bbolt.Tx) error {
	for stream, end := range l.missing {
		if last, _ := ends(tx, stream); last != end {
			return fmt.Errorf("%w: entries of the stream %s are missing", state.ErrInvalid, stream)
		}
	}
	return nil
}
