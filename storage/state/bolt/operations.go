package bolt

import (
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

// Kinds of operations: the same id may be used once in each.
const (
	kindApply = 'a'
	kindCount = 'c'
)

// An operation identifies a change that was made.
type operation struct {
	kind  byte
	scope string
	id    state.OperationID
}

func (o operation) key() []byte { return append([]byte{o.kind}, key(o.scope, string(o.id))...) }

// before returns what the operation returned when it was made the first time.
func (o operation) before(tx *bbolt.Tx, now time.Time) ([]byte, bool) {
	if o.id == "" {
		return nil, false
	}
	value := tx.Bucket(madeBucket).Get(o.key())
	if len(value) < 8 || expired(timeOf(numberIn(value, 0)), now) {
		return nil, false
	}
	return value[8:], true
}

// remember keeps what the operation returns for as long as it may be retried.
func (o operation) remember(tx *bbolt.Tx, now time.Time, result []byte) error {
	if o.id == "" {
		return nil
	}
	bucket, k := tx.Bucket(madeBucket), o.key()
	end := instant(now.Add(state.OperationLife))
	if err := expire(tx, madeBucket, k, numberIn(bucket.Get(k), 0), end); err != nil {
		return err
	}
	return bucket.Put(k, append(number(end), result...))
}
