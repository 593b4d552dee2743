package locks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/storage/state"
)

// A scope is the locks of one mount. What it knows is good as long as the
// generation record has the revision that it was read at.
type scope struct {
	store state.Store
	name  string
	now   func() time.Time

	changing sync.Mutex // held by one change at a time, so that they need not collide in the store
	known    atomic.Pointer[snapshot]
	asked    atomic.Int64 // when the store last said that this is so, in nanoseconds

	alone bool        // nobody else changes the locks
	doubt atomic.Bool // a change of them is under way, or its outcome is not known
}

// present returns the locks that stand now, at the cost of one read where
// nothing has changed, and of none for who is alone.
func (s *scope) present(ctx context.Context) (*snapshot, error) {
	if known := s.own(); known != nil {
		return known, nil
	}
	began := s.now().UnixNano()
	revision, err := s.revision(ctx)
	if err != nil {
		return nil, err
	}
	known := s.known.Load()
	if known == nil || known.generation != revision || !s.fresh(known) {
		if known, err = s.read(ctx, revision); err != nil {
			return nil, err
		}
	}
	s.asked.Store(began)
	return known, nil
}

// own is what is known to whoever makes all changes itself, nil where the store is to
// be asked: nothing is known yet, a lock may have run out, or there is a doubt.
func (s *scope) own() *snapshot {
	if !s.alone || s.doubt.Load() { // before what is known, which is learned before it is cleared
		return nil
	}
	known := s.known.Load()
	if known == nil || !s.fresh(known) {
		return nil
	}
	return known
}

// recent is present, or what the store said less than a while ago.
func (s *scope) recent(ctx context.Context, while time.Duration) (*snapshot, error) {
	if known, ok := s.knows(while); ok {
		return known, nil
	}
	return s.present(ctx)
}

// knows is what the store said less than a while ago, if it did.
func (s *scope) knows(while time.Duration) (*snapshot, bool) {
	at := s.asked.Load() // before what is known, which is learned before it is set
	known := s.known.Load()
	if known == nil || !s.fresh(known) {
		return nil, false
	}
	age := s.now().UnixNano() - at
	return known, age >= 0 && age < int64(while)
}

// fresh reports that none of the locks can have run out. What has is not
// judged by this node's clock: the store is asked for what it still holds.
func (s *scope) fresh(known *snapshot) bool {
	return known.stale.IsZero() || s.now().Before(known.stale)
}

func (s *scope) revision(ctx context.Context) (uint64, error) {
	r, err := s.store.Get(ctx, s.name, generation)
	if errors.Is(err, state.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the locks: %w", err)
	}
	return r.Revision, nil
}

// patience is how long what the store has just said is believed, where by this
// node's clock a lock should have run out already.
const patience = time.Second

// read reads all locks, again where they changed meanwhile.
func (s *scope) read(ctx context.Context, revision uint64) (*snapshot, error) {
	for {
		locks, err := s.list(ctx)
		if err != nil {
			return nil, err
		}
		now, err := s.revision(ctx)
		if err != nil {
			return nil, err
		}
		if now == revision {
			read := newSnapshot(revision, locks)
			read.postpone(s.now().Add(patience))
			return s.learn(read), nil
		}
		revision = now
	}
}

func (s *scope) list(ctx context.Context) ([]*Lock, error) {
	var locks []*Lock
	for after := ""; ; {
		page, err := s.store.List(ctx, s.name, lockPrefix, after, 0)
		if err != nil {
			return nil, fmt.Errorf("read the locks: %w", err)
		}
		for _, r := range page.Records {
			l, err := decode(r)
			if err != nil {
				return nil, err
			}
			locks = append(locks, l)
			after = r.Name
		}
		if !page.More {
			return locks, nil
		}
	}
}

// learn keeps what was read, unless something newer is known.
func (s *scope) learn(read *snapshot) *snapshot {
	for {
		known := s.known.Load()
		if known != nil && known.generation > read.generation {
			return read
		}
		if s.known.CompareAndSwap(known, read) {
			return read
		}
	}
}

// A change is what one call does to the locks: put one, drop some.
type change struct {
	put  *Lock
	drop []string
}

// attempts bounds how often a change is decided anew because another node was
// faster: each time one of them got on.
const attempts = 100

// change decides on the locks and writes what was decided, in one go with a check that
// they are still the present ones: so what this node last knew will do to begin with,
// and is asked for only where it leads to nothing. A nil change writes nothing.
func (s *scope) change(ctx context.Context, decide func(*snapshot) (*change, error)) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if known := s.known.Load(); known != nil && s.fresh(known) {
		if c, err := decide(known); err == nil && c != nil {
			if err := s.write(ctx, known, c); !errors.Is(err, state.ErrConflict) {
				return err
			}
		}
	}
	for range attempts {
		present, err := s.present(ctx)
		if err != nil {
			return err
		}
		c, err := decide(present)
		if err != nil || c == nil {
			return err
		}
		if err := s.write(ctx, present, c); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("change the locks: %w", state.ErrConflict)
}

// write makes a change of these locks, which are then known to have been the present
// ones.
func (s *scope) write(ctx context.Context, present *snapshot, c *change) error {
	began := s.now().UnixNano()
	b := state.Batch{
		Scope:  s.name,
		ID:     state.NewOperationID(),
		Checks: []state.Check{{Name: generation, Revision: present.generation}},
		Puts:   []state.Put{{Name: generation, Value: []byte{}}},
	}
	removed := c.drop
	if c.put != nil {
		value, err := encode(c.put)
		if err != nil {
			return err
		}
		c.put.Expires = s.now().Add(c.put.Timeout)
		b.Puts = append(b.Puts, state.Put{Name: lockPrefix + c.put.Token, Value: value, TTL: c.put.Timeout})
		removed = append(removed, c.put.Token)
	}
	for _, token := range c.drop {
		b.Deletes = append(b.Deletes, lockPrefix+token)
	}
	s.doubt.Store(true)
	result, err := apply(ctx, s.store, b)
	if err != nil {
		return err
	}
	s.learn(present.with(result.Revision, c.put, removed...))
	s.asked.Store(began)
	s.doubt.Store(false) // what was not known before is refused from now on by its check
	return nil
}

// apply makes a batch. Where its outcome is not known it is asked for again by
// its id, which makes it no more than once.
func apply(ctx context.Context, store state.Store, b state.Batch) (state.Result, error) {
	var result state.Result
	var err error
	for range 3 {
		result, err = store.Apply(ctx, b)
		if err == nil || !errors.Is(err, state.ErrUnknown) {
			break
		}
	}
	if err != nil {
		return result, fmt.Errorf("change the locks: %w", err)
	}
	return result, nil
}
