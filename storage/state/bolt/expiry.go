package bolt

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/pause"
)

// sweepSize is how much one commit sweeps, so that others need not wait.
const sweepSize = 500

// Buckets whose keys expire, by the letter that stands for them in the index,
// and when a value of theirs does.
var expiring = map[byte]struct {
	bucket []byte
	end    func(value []byte) uint64
}{
	'r': {recordsBucket, recordEnd},
	'c': {countersBucket, counterEnd},
	'm': {madeBucket, func(value []byte) uint64 { return numberIn(value, 0) }},
}

// expire moves the end of a key's life in the index; 0 is no end.
func expire(tx *bbolt.Tx, bucket, key []byte, from, to uint64) error {
	if from == to {
		return nil
	}
	index := tx.Bucket(expiryBucket)
	if from != 0 {
		if err := index.Delete(expiryKey(from, bucket, key)); err != nil {
			return err
		}
	}
	if to == 0 {
		return nil
	}
	return index.Put(expiryKey(to, bucket, key), nil)
}

// expiryKey begins with the end, then the bucket's first letter.
func expiryKey(end uint64, bucket, key []byte) []byte {
	return append(append(number(end), bucket[0]), key...)
}

// sweepAlways takes out what has expired, until the store is closed.
func (s *Store) sweepAlways() {
	pause.Every(s.ctx, sweepEvery, func() {
		if err := s.sweep(s.ctx); err != nil && s.ctx.Err() == nil {
			s.log.Error("sweeping the state failed", slog.Any("error", err))
		}
	})
}

// sweep takes out what has expired by now.
func (s *Store) sweep(ctx context.Context) error {
	now := instant(time.Now())
	for more := true; more; {
		err := s.update(ctx, func(tx *bbolt.Tx) (func() error, error) {
			due := dueBy(tx, now)
			more = len(due) == sweepSize
			if len(due) == 0 {
				return nil, nil
			}
			return func() error { return drop(tx, due) }, nil
		})
		if err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// dueBy returns keys of the index whose time has come.
func dueBy(tx *bbolt.Tx, now uint64) [][]byte {
	var due [][]byte
	c := tx.Bucket(expiryBucket).Cursor()
	for k, _ := c.First(); k != nil && numberIn(k, 0) <= now && len(due) < sweepSize; k, _ = c.Next() {
		due = append(due, bytes.Clone(k))
	}
	return due
}

func drop(tx *bbolt.Tx, due [][]byte) error {
	for _, k := range due {
		if err := dropOne(tx, k); err != nil {
			return err
		}
		if err := tx.Bucket(expiryBucket).Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// dropOne deletes what an index key stands for, if that is its end indeed.
func dropOne(tx *bbolt.Tx, k []byte) error {
	if len(k) <= 9 {
		return nil
	}
	in, known := expiring[k[8]]
	if !known {
		return nil
	}
	bucket := tx.Bucket(in.bucket)
	if in.end(bucket.Get(k[9:])) != numberIn(k, 0) {
		return nil
	}
	return bucket.Delete(k[9:])
}
