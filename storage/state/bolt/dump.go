package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
	"gatehouse/storage/state/journal"
)

// errStopped says that whoever reads a dump wants no more of it.
var errStopped = errors.New("stopped")

// Dump implements state.Store. While it runs the files grow by what is changed.
func (s *Store) Dump(ctx context.Context) iter.Seq2[state.Item, error] {
	return func(yield func(state.Item, error) bool) {
		err := s.dump(ctx, func(i state.Item) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case s.ctx.Err() != nil:
				return state.ErrClosed
			case !yield(i, nil):
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(state.Item{}, err)
		}
	}
}

func (s *Store) dump(ctx context.Context, yield func(state.Item) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	records, streams, err := s.snapshots()
	if err != nil {
		return fmt.Errorf("dump the state: %w", err)
	}
	err = dumpScopes(records, time.Now(), yield)
	if err == nil {
		err = streams.Dump(yield)
	}
	streams.Release()
	return errors.Join(err, records.Rollback())
}

// snapshots begins to read records and streams as of one moment.
func (s *Store) snapshots() (records *bbolt.Tx, streams *journal.Snapshot, err error) {
	s.loading.RLock()
	defer s.loading.RUnlock()
	s.moment.Lock()
	defer s.moment.Unlock()
	if records, err = s.records.db.Begin(false); err != nil {
		return nil, nil, err
	}
	if streams, err = s.streams.Snapshot(); err != nil {
		return nil, nil, errors.Join(err, records.Rollback())
	}
	return records, streams, nil
}

func dumpScopes(tx *bbolt.Tx, now time.Time, yield func(state.Item) error) error {
	for name, ok := firstScope(tx, ""); ok; name, ok = firstScope(tx, name) {
		err := yield(state.Item{Kind: state.ItemScope, Scope: name, Revision: revisionOf(tx, name)})
		if err == nil {
			err = dumpRecords(tx, name, now, yield)
		}
		if err == nil {
			err = dumpCounters(tx, name, now, yield)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firstScope returns the next scope that was written or is counted in.
func firstScope(tx *bbolt.Tx, after string) (string, bool) {
	next, counted := nextIn(tx.Bucket(countersBucket), after)
	k, _ := tx.Bucket(scopesBucket).Cursor().Seek(append([]byte(after), 0))
	switch {
	case k == nil:
		return next, counted
	case !counted:
		return string(k), true
	}
	return min(next, string(k)), true
}

func dumpRecords(tx *bbolt.Tx, scope string, now time.Time, yield func(state.Item) error) error {
	return each(tx, recordsBucket, scope, func(name string, value []byte) error {
		r, err := decodeRecord(name, value)
		if err != nil || expired(r.Expires, now) {
			return err
		}
		return yield(state.Item{
			Kind: state.ItemRecord, Scope: scope, Name: name,
			Value: r.Value, Revision: r.Revision, Expires: r.Expires,
		})
	})
}

func dumpCounters(tx *bbolt.Tx, scope string, now time.Time, yield func(state.Item) error) error {
	return each(tx, countersBucket, scope, func(name string, value []byte) error {
		end, counter, err := decodeTimed(value)
		if err != nil || expired(end, now) {
			return err
		}
		return yield(state.Item{Kind: state.ItemCounter, Scope: scope, Name: name, Value: bytes.Clone(counter)})
	})
}

func each(tx *bbolt.Tx, bucket []byte, scope string, do func(name string, value []byte) error) error {
	prefix := key(scope, "")
	c := tx.Bucket(bucket).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if err := do(string(k[len(prefix):]), v); err != nil {
			return err
		}
	}
	return nil
}
