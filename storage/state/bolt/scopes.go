package bolt

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

// Scopes implements state.Store.
func (s *Store) Scopes(ctx context.Context, after string, limit int) (names []string, err error) {
	now := time.Now()
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		for len(names) < state.Limit(limit) {
			name, ok := nextScope(tx, after)
			if !ok {
				return nil
			}
			after = name
			if holds(tx, name, now) {
				names = append(names, name)
			}
		}
		return nil
	})
	return names, err
}

// nextScope returns the next scope that has records or counters.
func nextScope(tx *bbolt.Tx, after string) (string, bool) {
	a, inRecords := nextIn(tx.Bucket(recordsBucket), after)
	b, inCounters := nextIn(tx.Bucket(countersBucket), after)
	switch {
	case inRecords && inCounters:
		return min(a, b), true
	case inRecords:
		return a, true
	}
	return b, inCounters
}

// nextIn returns the first scope after one in a bucket of keys.
func nextIn(bucket *bbolt.Bucket, after string) (string, bool) {
	k, _ := bucket.Cursor().Seek(append([]byte(after), 1))
	if k == nil {
		return "", false
	}
	scope, _, ok := split(k)
	return scope, ok
}

// holds reports whether a scope has anything that has not expired.
func holds(tx *bbolt.Tx, scope string, now time.Time) bool {
	for _, in := range []struct {
		bucket []byte
		end    func([]byte) uint64
	}{{recordsBucket, recordEnd}, {countersBucket, counterEnd}} {
		prefix := key(scope, "")
		c := tx.Bucket(in.bucket).Cursor()
		for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if !expired(timeOf(in.end(v)), now) {
				return true
			}
		}
	}
	return false
}
