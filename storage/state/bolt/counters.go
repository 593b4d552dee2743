package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
)

// Count implements state.Store.
func (s *Store) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if err := state.CheckCounter(scope, op); err != nil {
		return state.CounterValue{}, err
	}
	var v state.CounterValue
	name, id := counter.Name(op)
	if counter.Looks(op) {
		err := s.view(ctx, func(tx *bbolt.Tx) (err error) {
			v, _, err = count(tx, key(scope, name), op, time.Now())
			return err
		})
		return v, err
	}
	err := s.update(ctx, func(tx *bbolt.Tx) (func() error, error) {
		now := time.Now()
		made := operation{kindCount, scope, id}
		if before, ok := made.before(tx, now); ok {
			return nil, json.Unmarshal(before, &v)
		}
		counted, write, err := count(tx, key(scope, name), op, now)
		v = counted
		if err != nil || id == "" {
			return write, err
		}
		return func() error { return remember(tx, made, now, counted, write) }, nil
	})
	if err != nil {
		return state.CounterValue{}, err
	}
	return v, nil
}

// remember writes a counter and what its operation returned.
func remember(tx *bbolt.Tx, made operation, now time.Time, v state.CounterValue, write func() error) error {
	if write != nil {
		if err := write(); err != nil {
			return err
		}
	}
	result, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return made.remember(tx, now, result)
}

// count does an operation on a counter; write is nil where it changes nothing.
func count(tx *bbolt.Tx, k []byte, op state.CounterOp, now time.Time) (v state.CounterValue, write func() error, err error) {
	stored := tx.Bucket(countersBucket).Get(k)
	c, err := decodeCounter(stored, now)
	if err != nil {
		return v, nil, err
	}
	if v, err = c.Do(op, now); err != nil {
		return v, nil, err
	}
	if c.Empty() {
		if stored == nil {
			return v, nil, nil
		}
		return v, func() error { return deleteCounter(tx, k) }, nil
	}
	value, err := encodeCounter(c)
	if err != nil || bytes.Equal(value, stored) {
		return v, nil, err
	}
	return v, func() error { return putCounter(tx, k, value) }, nil
}

func encodeCounter(c counter.State) ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode a counter: %w", err)
	}
	return encodeTimed(c.Expires(), b), nil
}

// decodeCounter returns a counter never touched where there is none that lives.
func decodeCounter(stored []byte, now time.Time) (c counter.State, err error) {
	if stored == nil {
		return c, nil
	}
	end, value, err := decodeTimed(stored)
	if err != nil || expired(end, now) {
		return c, err
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, fmt.Errorf("%w: counter: %w", errDamaged, err)
	}
	return c, nil
}

func putCounter(tx *bbolt.Tx, k, value []byte) error {
	bucket := tx.Bucket(countersBucket)
	if err := expire(tx, countersBucket, k, counterEnd(bucket.Get(k)), counterEnd(value)); err != nil {
		return err
	}
	return bucket.Put(k, value)
}

func deleteCounter(tx *bbolt.Tx, k []byte) error {
	bucket := tx.Bucket(countersBucket)
	if err := expire(tx, countersBucket, k, counterEnd(bucket.Get(k)), 0); err != nil {
		return err
	}
	return bucket.Delete(k)
}

// counterEnd is when a stored counter expires.
func counterEnd(value []byte) uint64 {
	if len(value) < 9 {
		return 0
	}
	return numberIn(value[1:], 0)
}
