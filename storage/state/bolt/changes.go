package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
	"gatehouse/storage/state/watch"
)

// pieceSize is about how many changes are read at once.
const pieceSize = 1000

// note writes a batch to the change log and drops the oldest of the log.
func (s *Store) note(tx *bbolt.Tx, scope string, revision uint64, changes []state.Change) error {
	order, log := tx.Bucket(orderBucket), tx.Bucket(changesBucket)
	n, err := order.NextSequence()
	if err != nil {
		return err
	}
	k := numbered(scope, revision)
	if err := order.Put(number(n), k); err != nil {
		return err
	}
	if err := log.Put(k, encodeChanges(changes)); err != nil {
		return err
	}
	if n <= s.changes {
		return nil
	}
	return forget(order, log, number(n-s.changes))
}

// forget drops a batch from the change log.
func forget(order, log *bbolt.Bucket, n []byte) error {
	k := order.Get(n)
	if k == nil {
		return nil
	}
	if err := log.Delete(bytes.Clone(k)); err != nil {
		return err
	}
	return order.Delete(n)
}

// trimChanges cuts the change log to its length, where it was longer before.
func (s *Store) trimChanges(db *bbolt.DB) error {
	var old [][]byte
	err := db.View(func(tx *bbolt.Tx) error {
		order := tx.Bucket(orderBucket)
		c := order.Cursor()
		for k, _ := c.First(); k != nil && numberIn(k, 0)+s.changes <= order.Sequence(); k, _ = c.Next() {
			old = append(old, bytes.Clone(k))
		}
		return nil
	})
	if err == nil && len(old) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the change log: %w", err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		order, log := tx.Bucket(orderBucket), tx.Bucket(changesBucket)
		for _, k := range old {
			if err := forget(order, log, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("trim the change log: %w", err)
	}
	return nil
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	if err := state.CheckScope(scope); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	return s.hub.Follow(ctx, scope, after, s.changed), nil
}

// changed reads the change log of a scope after a revision.
func (s *Store) changed(ctx context.Context, scope string, after uint64) (piece watch.Piece, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		present := revisionOf(tx, scope)
		piece = watch.Piece{Upto: after}
		if present == after {
			return nil
		}
		log := tx.Bucket(changesBucket)
		if log.Get(numbered(scope, after+1)) == nil {
			piece = watch.Piece{Cut: true, Upto: present}
			return nil
		}
		for piece.Upto < present && len(piece.Changes) < pieceSize {
			piece.Upto++
			piece.Changes, err = decodeChanges(piece.Changes, piece.Upto, log.Get(numbered(scope, piece.Upto)))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return piece, err
}

// A batch in the log is, for each change, its deletion as 1, the length of its
// name and the name.
func encodeChanges(changes []state.Change) []byte {
	var b []byte
	for _, c := range changes {
		deleted := byte(0)
		if c.Deleted {
			deleted = 1
		}
		b = append(b, deleted)
		b = binary.AppendUvarint(b, uint64(len(c.Name)))
		b = append(b, c.Name...)
	}
	return b
}

func decodeChanges(to []state.Change, revision uint64, b []byte) ([]state.Change, error) {
	for len(b) > 0 {
		length, n := binary.Uvarint(b[1:])
		if n <= 0 || length > uint64(len(b)-1-n) {
			return nil, fmt.Errorf("%w: change log", errDamaged)
		}
		rest := b[1+n:]
		to = append(to, state.Change{Revision: revision, Name: string(rest[:length]), Deleted: b[0] == 1})
		b = rest[length:]
	}
	return to, nil
}
