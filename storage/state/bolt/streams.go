package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

const (
	// full is how full the pages of a stream are made: nothing comes between.
	full = 0.95
	// trimSize is how many entries one commit drops.
	trimSize = 5000
)

// Append implements state.Store.
func (s *Store) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	if err := state.CheckEntries(stream, entries); err != nil {
		return 0, err
	}
	var position uint64
	err := s.update(ctx, s.streams, func(tx *bbolt.Tx) (func() error, error) {
		now := time.Now()
		op := operation{kindAppend, stream, id}
		if made, ok := op.before(tx, now); ok {
			position = numberIn(made, 0)
			return nil, nil
		}
		first, trimmed := ends(tx, stream)
		last := first + uint64(len(entries))
		position = last
		return func() error {
			for i, e := range entries {
				if err := putEntry(tx, stream, first+uint64(i)+1, now, e); err != nil {
					return err
				}
			}
			if err := putEnds(tx, stream, last, trimmed); err != nil {
				return err
			}
			return op.remember(tx, now, number(last))
		}, nil
	})
	if err != nil {
		return 0, err
	}
	return position, nil
}

// ends returns the last position of a stream and the last one trimmed.
func ends(tx *bbolt.Tx, stream string) (last, trimmed uint64) {
	value := tx.Bucket(streamsBucket).Get([]byte(stream))
	return numberIn(value, 0), numberIn(value, 1)
}

func putEnds(tx *bbolt.Tx, stream string, last, trimmed uint64) error {
	return tx.Bucket(streamsBucket).Put([]byte(stream), binary.BigEndian.AppendUint64(number(last), trimmed))
}

func putEntry(tx *bbolt.Tx, stream string, position uint64, at time.Time, value []byte) error {
	bucket := tx.Bucket(entriesBucket)
	bucket.FillPercent = full
	return bucket.Put(numbered(stream, position), encodeTimed(at, value))
}

// Read implements state.Store.
func (s *Store) Read(ctx context.Context, stream string, after uint64, limit int) (found []state.Entry, err error) {
	err = s.view(ctx, s.streams, func(tx *bbolt.Tx) error {
		last, trimmed := ends(tx, stream)
		if after = max(after, trimmed); after >= last {
			return nil
		}
		c := tx.Bucket(entriesBucket).Cursor()
		k, v := c.Seek(numbered(stream, after+1))
		found, err = entries(stream, k, v, c.Next, limit)
		return err
	})
	return found, err
}

// ReadBack implements state.Store.
func (s *Store) ReadBack(ctx context.Context, stream string, before uint64, limit int) (found []state.Entry, err error) {
	err = s.view(ctx, s.streams, func(tx *bbolt.Tx) error {
		last, trimmed := ends(tx, stream)
		if before == 0 || before > last {
			before = last + 1
		}
		if before <= trimmed+1 {
			return nil
		}
		c := tx.Bucket(entriesBucket).Cursor()
		from := numbered(stream, before-1)
		k, v := c.Seek(from)
		switch { // an entry that is gone from the file hides none of those before it
		case k == nil:
			k, v = c.Last()
		case !bytes.Equal(k, from):
			k, v = c.Prev()
		}
		found, err = entries(stream, k, v, c.Prev, limit)
		return err
	})
	return found, err
}

// entries reads a stream from a key on, in the direction of next.
func entries(stream string, k, v []byte, next func() ([]byte, []byte), limit int) ([]state.Entry, error) {
	var found []state.Entry
	prefix := key(stream, "")
	for ; k != nil && bytes.HasPrefix(k, prefix) && len(found) < state.Limit(limit); k, v = next() {
		at, value, err := decodeTimed(v)
		if err != nil {
			return nil, err
		}
		found = append(found, state.Entry{
			Position: numberIn(k[len(prefix):], 0), Time: at, Value: bytes.Clone(value),
		})
	}
	return found, nil
}

// Trim implements state.Store.
func (s *Store) Trim(ctx context.Context, stream string, upTo uint64) error {
	for more := true; more; {
		err := s.update(ctx, s.streams, func(tx *bbolt.Tx) (func() error, error) {
			last, trimmed := ends(tx, stream)
			end := min(upTo, last, trimmed+trimSize)
			more = end < min(upTo, last)
			if end <= trimmed {
				return nil, nil
			}
			return func() error { return trim(tx, stream, trimmed, end) }, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trim drops the entries after a position up to and with another.
func trim(tx *bbolt.Tx, stream string, after, upTo uint64) error {
	bucket := tx.Bucket(entriesBucket)
	for p := after + 1; p <= upTo; p++ {
		if err := bucket.Delete(numbered(stream, p)); err != nil {
			return err
		}
	}
	last, _ := ends(tx, stream)
	return putEnds(tx, stream, last, upTo)
}
