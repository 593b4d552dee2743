package events

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/journal"
	"gatehouse/storage/state/memory"
)

// A site is a store and the folder of a spool, with one run after the other over both.
type site struct {
	t   *testing.T
	dir string
	state.Store
	runs uint64
}

// A run is a gateway that may be killed: nothing that it does then has any effect.
type run struct {
	*Log
	site *site

	mu       sync.Mutex // guards what follows
	killed   bool
	away     bool
	hangs    bool
	slow     time.Duration
	replies  int // so many are lost
	disk     error
	unsure   bool // what the disk refuses is there all the same
	appends  int
	breaking int            // after so many calls of the store and the disk it is killed
	sent     []func() error // what it sent while the store hung, and has not arrived
}

// start begins a run, whatever became of the one before.
func (s *site) start(set ...func(*Config)) *run {
	s.t.Helper()
	r := &run{site: s}
	s.runs++
	c := Config{
		State: wire{s.Store, r}, Node: "node1", Run: s.runs, Sealer: testSealer(s.t), SignEvents: 1 << 30, SignEvery: 1 << 62,
		Spool: s.dir, files: func(dir string) (spoolFiles, error) {
			j, err := journal.Open(dir, journal.Options{})
			if err != nil {
				return nil, err
			}
			return &failing{j, r}, nil
		},
	}
	for _, set := range set {
		set(&c)
	}
	l, err := New(s.t.Context(), c)
	if err != nil {
		s.t.Fatalf("open: %v", err)
	}
	r.Log = l
	return r
}

func (r *run) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

var errKilled = errors.New("it was killed")

// may says whether a call has any effect.
func (r *run) may() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.breaking > 0 {
		if r.breaking--; r.breaking == 0 {
			r.killed = true
		}
	}
	if r.killed {
		return errKilled
	}
	return nil
}

// kill ends the run as kill -9 does.
func (r *run) kill() {
	r.set(func() { r.killed = true })
	r.end()
}

// end ends the goroutines of a run.
func (r *run) end() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.Close(ctx)
}

func (r *run) stop() {
	r.site.t.Helper()
	if err := r.Close(context.Background()); err != nil {
		r.site.t.Errorf("close: %v", err)
	}
}

func (r *run) reach(ctx context.Context) error {
	if err := r.may(); err != nil {
		return fmt.Errorf("%w: %w", state.ErrAway, err)
	}
	r.mu.Lock()
	away, hangs, slow := r.away, r.hangs, r.slow
	r.mu.Unlock()
	time.Sleep(slow)
	if hangs {
		<-ctx.Done()
		return fmt.Errorf("%w: %w: %w", state.ErrUnknown, state.ErrAway, ctx.Err())
	}
	if away {
		return state.ErrAway
	}
	return nil
}

// A wire is a run's way to the store.
type wire struct {
	state.Store
	run *run
}

func (w wire) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	if err := w.run.reach(ctx); err != nil {
		if errors.Is(err, errKilled) {
			return 0, err
		}
		w.run.set(func() {
			w.run.sent = append(w.run.sent, func() error {
				_, err := w.Store.Append(context.WithoutCancel(ctx), stream, id, entries...)
				return err
			})
		})
		return 0, err
	}
	n, err := w.Store.Append(ctx, stream, id, entries...)
	if err == nil && w.run.loses() {
		return 0, state.ErrUnknown
	}
	return n, err
}

// loses reports whether an answer is lost.
func (r *run) loses() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.appends++
	if r.replies == 0 {
		return false
	}
	r.replies--
	return true
}

func (w wire) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	if err := w.run.reach(ctx); err != nil {
		return nil, err
	}
	return w.Store.ReadBack(ctx, stream, before, limit)
}

// A failing disk is a journal's that may fail.
type failing struct {
	spoolFiles
	run *run
}

func (f *failing) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	if err := f.run.may(); err != nil {
		return 0, err
	}
	f.run.mu.Lock()
	broken, unsure := f.run.disk, f.run.unsure
	f.run.mu.Unlock()
	if broken == nil || unsure {
		n, err := f.spoolFiles.Append(ctx, stream, id, entries...)
		if broken == nil || err != nil {
			return n, err
		}
		return 0, fmt.Errorf("%w: %w", state.ErrUnknown, broken)
	}
	return 0, broken
}

func (f *failing) Trim(ctx context.Context, stream string, upTo uint64) error {
	if err := f.run.may(); err != nil {
		return err
	}
	return f.spoolFiles.Trim(ctx, stream, upTo)
}

// goes waits until what is noted is surely durable.
func goes() {
	time.Sleep(noteDurable)
	synctest.Wait()
}

// bubble runs a test with a site, which ends with nothing running.
func bubble(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, dir: filepath.Join(dir, "spool"), Store: memory.New()}
		test(t, s)
	})
}

func (s *site) spooled() bool {
	_, err := os.Stat(s.dir)
	return err == nil
}
