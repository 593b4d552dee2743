// Package bolt keeps state in a data folder: the file state.db has records and
// counters, the journal in the folder events has streams, so that appending never
// delays a change. One process holds the data folder at a time.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
	"gatehouse/storage/state/journal"
	"gatehouse/storage/state/watch"
)

// ErrInUse says that another process holds the data folder.
var ErrInUse = errors.New("another gateway is running on this data folder")

// Names in the data folder.
const (
	StateFile    = "state.db"
	EventsFolder = "events"
)

// Options are what may be chosen; the zero value is good.
type Options struct {
	// Changes is how many batches the change log remembers, over all scopes.
	Changes uint64
	// Log hears of what fails in the background.
	Log *slog.Logger
}

const (
	defaultChanges = 50_000
	sweepEvery     = time.Minute
)

// Store is a state.Store in a data folder. Its clock is time.Now.
type Store struct {
	hub     watch.Hub
	changes uint64
	log     *slog.Logger
	records *file
	streams *journal.Journal
	moment  moment
	loading sync.RWMutex // read by what writes, so that a load is alone

	ctx    context.Context // ends when the store is closed
	cancel context.CancelFunc
	sweeps sync.WaitGroup

	mu     sync.Mutex // guards what follows
	closed bool
	calls  sync.WaitGroup
}

var _ state.Store = (*Store)(nil)

// Open opens the store of a data folder, which it makes where it is missing. It
// returns ErrInUse, state.ErrNewer, or what is wrong with the files.
func Open(dir string, o Options) (*Store, error) { return open(dir, o, stateFormat) }

func open(dir string, o Options, records format) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	s := &Store{changes: o.Changes, log: o.Log}
	if s.changes == 0 {
		s.changes = defaultChanges
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	db, err := s.openFiles(dir, records)
	if err != nil {
		return nil, err
	}
	if err := s.trimChanges(db); err != nil {
		return nil, errors.Join(err, db.Close(), s.streams.Close())
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.records = startFile(db, &s.moment.RWMutex)
	s.sweeps.Go(s.sweepAlways)
	return s, nil
}

// A moment is read while something is committed, so that a dump, which locks it,
// sees one moment.
type moment struct {
	sync.RWMutex
	shown func() // set by tests: called after something was shown, before the replies
}

// A showing is a moment as the journal holds it.
type showing struct{ *moment }

func (s showing) Lock() { s.RLock() }

func (s showing) Unlock() {
	s.RUnlock()
	if s.shown != nil {
		s.shown()
	}
}

// Close waits for what was begun and lets the folder go.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return state.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.hub.Close()
	s.sweeps.Wait()
	s.calls.Wait()
	return errors.Join(s.streams.Close(), s.records.close())
}

// begin is called before anything is done with the files; s.calls.Done after it.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return state.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// view reads the records as of one moment.
func (s *Store) view(ctx context.Context, read func(tx *bbolt.Tx) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	return s.records.db.View(read)
}

// update makes a change of the records, with those of others in one commit. The
// plan may outlive the call, where its context ends: it leaves alone what is
// returned.
func (s *Store) update(ctx context.Context, p plan) error {
	return s.updateAnd(ctx, p, func() {})
}

// updateAnd calls made once something was written, even if the caller is gone.
func (s *Store) updateAnd(ctx context.Context, p plan, made func()) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.loading.RLock()
	defer s.loading.RUnlock()
	return s.records.do(ctx, p, made)
}
