package bolt

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, scope, name string) (r state.Record, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		var found bool
		r, found, err = getRecord(tx, scope, name, time.Now())
		if err == nil && !found {
			return state.ErrNotFound
		}
		return err
	})
	return r, err
}

// getRecord returns a record that has not expired.
func getRecord(tx *bbolt.Tx, scope, name string, now time.Time) (state.Record, bool, error) {
	value := tx.Bucket(recordsBucket).Get(key(scope, name))
	if value == nil || strings.IndexByte(scope, 0) >= 0 {
		return state.Record{}, false, nil
	}
	r, err := decodeRecord(name, value)
	if err != nil || expired(r.Expires, now) {
		return state.Record{}, false, err
	}
	return r, true, nil
}

// List implements state.Store.
func (s *Store) List(ctx context.Context, scope, prefix, after string, limit int) (page state.Page, err error) {
	now := time.Now()
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		if strings.IndexByte(scope, 0) >= 0 {
			return nil
		}
		begin, start := key(scope, prefix), key(scope, max(prefix, after))
		c := tx.Bucket(recordsBucket).Cursor()
		k, v := c.Seek(start)
		if after >= prefix && after != "" && bytes.Equal(k, start) {
			k, v = c.Next()
		}
		for ; k != nil && bytes.HasPrefix(k, begin); k, v = c.Next() {
			r, err := decodeRecord(string(k[len(scope)+1:]), v)
			if err != nil {
				return err
			}
			if expired(r.Expires, now) {
				continue
			}
			if len(page.Records) == state.Limit(limit) {
				page.More = true
				return nil
			}
			page.Records = append(page.Records, r)
		}
		return nil
	})
	return page, err
}

// Revision implements state.Store.
func (s *Store) Revision(ctx context.Context, scope string) (revision uint64, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		revision = revisionOf(tx, scope)
		return nil
	})
	return revision, err
}

func revisionOf(tx *bbolt.Tx, scope string) uint64 {
	return numberIn(tx.Bucket(scopesBucket).Get([]byte(scope)), 0)
}

// Apply implements state.Store.
func (s *Store) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if err := b.Validate(); err != nil {
		return state.Result{}, err
	}
	var result state.Result
	changes := len(b.Puts)+len(b.Deletes) > 0
	err := s.updateAnd(ctx, func(tx *bbolt.Tx) (func() error, error) {
		now := time.Now()
		op := operation{kindApply, b.Scope, b.ID}
		if made, ok := op.before(tx, now); ok {
			result.Revision = numberIn(made, 0)
			return nil, nil
		}
		if err := check(tx, b, now); err != nil {
			return nil, err
		}
		result.Revision = revisionOf(tx, b.Scope)
		if !changes {
			return nil, nil
		}
		result.Revision++
		revision := result.Revision
		return func() error {
			if err := s.write(tx, b, revision, now); err != nil {
				return fmt.Errorf("scope %s: %w", b.Scope, err)
			}
			return op.remember(tx, now, number(revision))
		}, nil
	}, func() { s.hub.Notify(b.Scope) })
	if err != nil {
		return state.Result{}, err
	}
	return result, nil
}

func check(tx *bbolt.Tx, b state.Batch, now time.Time) error {
	for _, c := range b.Checks {
		r, _, err := getRecord(tx, b.Scope, c.Name, now)
		if err != nil {
			return err
		}
		if r.Revision != c.Revision {
			return &state.ConflictError{Name: c.Name, Revision: r.Revision}
		}
	}
	return nil
}

// write makes a batch whose checks hold.
func (s *Store) write(tx *bbolt.Tx, b state.Batch, revision uint64, now time.Time) error {
	var changes []state.Change
	for _, name := range b.Deletes {
		_, found, err := getRecord(tx, b.Scope, name, now)
		if err != nil {
			return err
		}
		if found {
			changes = append(changes, state.Change{Revision: revision, Name: name, Deleted: true})
		}
		if err := deleteRecord(tx, b.Scope, name); err != nil {
			return err
		}
	}
	for _, p := range b.Puts {
		r := state.Record{Name: p.Name, Value: p.Value, Revision: revision}
		if p.TTL > 0 {
			r.Expires = now.Add(p.TTL)
		}
		if err := putRecord(tx, b.Scope, r); err != nil {
			return err
		}
		changes = append(changes, state.Change{Revision: revision, Name: p.Name})
	}
	if err := tx.Bucket(scopesBucket).Put([]byte(b.Scope), number(revision)); err != nil {
		return err
	}
	return s.note(tx, b.Scope, revision, changes)
}

func putRecord(tx *bbolt.Tx, scope string, r state.Record) error {
	k := key(scope, r.Name)
	bucket := tx.Bucket(recordsBucket)
	if err := expire(tx, recordsBucket, k, recordEnd(bucket.Get(k)), instant(r.Expires)); err != nil {
		return err
	}
	return bucket.Put(k, encodeRecord(r))
}

func deleteRecord(tx *bbolt.Tx, scope, name string) error {
	k := key(scope, name)
	bucket := tx.Bucket(recordsBucket)
	if err := expire(tx, recordsBucket, k, recordEnd(bucket.Get(k)), 0); err != nil {
		return err
	}
	return bucket.Delete(k)
}

// recordEnd is when a stored record expires.
func recordEnd(value []byte) uint64 {
	if len(value) < 17 {
		return 0
	}
	return numberIn(value[1:], 1)
}
