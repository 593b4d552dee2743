package bolt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

// A plan looks at a file, as it is within a commit, and says what to write; nil
// for nothing. Its error refuses this change alone, that of the writing ends the
// commit and all changes in it.
type plan func(tx *bbolt.Tx) (write func() error, err error)

const (
	groupSize     = 256
	groupPatience = 2 * time.Millisecond
	// replyPatience is how long a change under way is waited for after its
	// caller's context has ended.
	replyPatience = time.Second
)

// A file is a database and the one goroutine that writes it: it makes the
// changes of many callers in one commit, so that they share its cost. It ends
// with close.
type file struct {
	db        *bbolt.DB
	moment    *sync.RWMutex
	jobs      chan *job
	closing   chan struct{}
	done      sync.WaitGroup
	committed func() // set by tests: called after a commit, before the replies

	// of the goroutine
	last  int  // how many changes the last commit had
	shaky bool // a commit is visible and may not be durable
}

// A job is a change and its way back to the caller.
type job struct {
	plan  plan
	made  func() // after it was written
	wrote bool
	taken atomic.Bool // by the writer, or by a caller who gave up
	err   error
	done  chan struct{}
}

func startFile(db *bbolt.DB, moment *sync.RWMutex) *file {
	f := &file{db: db, moment: moment, jobs: make(chan *job), closing: make(chan struct{})}
	f.done.Go(f.run)
	return f
}

// close is called when no more changes come.
func (f *file) close() error {
	close(f.closing)
	f.done.Wait()
	return f.db.Close()
}

// do makes a change. An error after the context has ended says whether the
// change may have been made: then it is an ErrUnknown too.
func (f *file) do(ctx context.Context, p plan, made func()) error {
	j := &job{plan: p, made: made, done: make(chan struct{})}
	select {
	case f.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
	}
	if j.taken.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	select {
	case <-j.done:
		return j.err
	case <-time.After(replyPatience):
		return fmt.Errorf("%w: %w", state.ErrUnknown, ctx.Err())
	}
}

func (f *file) run() {
	for {
		select {
		case first := <-f.jobs:
			f.commit(f.collect(first))
		case <-f.closing:
			return
		}
	}
}

// collect takes the changes that wait. Where the last commit had several, as
// many are expected again and waited for a little; a lone writer never waits.
func (f *file) collect(first *job) []*job {
	group := []*job{first}
	var late <-chan time.Time
	for len(group) < groupSize {
		select {
		case j := <-f.jobs:
			group = append(group, j)
			continue
		default:
		}
		if len(group) >= f.last {
			break
		}
		if late == nil {
			late = time.After(groupPatience)
		}
		select {
		case j := <-f.jobs:
			group = append(group, j)
			continue
		case <-late:
		}
		break
	}
	f.last = len(group)
	return group
}

// commit makes a group of changes durable and replies to each.
func (f *file) commit(group []*job) {
	var mine []*job
	for _, j := range group {
		if j.taken.CompareAndSwap(false, true) {
			mine = append(mine, j)
		}
	}
	err := f.transact(mine)
	if f.committed != nil {
		f.committed()
	}
	for _, j := range mine {
		if err != nil {
			j.err = err
		}
		if j.wrote && (err == nil || errors.Is(err, state.ErrUnknown)) {
			j.made()
		}
		close(j.done)
	}
}

// transact writes a group. Its error is of all.
func (f *file) transact(group []*job) (err error) {
	tx, err := f.db.Begin(true)
	if err != nil {
		return fmt.Errorf("begin a change of the state: %w", err)
	}
	id := uint64(tx.ID())
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(fmt.Errorf("change the state: the file is damaged: %v", p), f.rollback(tx))
		}
	}()
	wrote := false
	for _, j := range group {
		var write func() error
		if write, j.err = j.plan(tx); j.err != nil || write == nil {
			continue
		}
		wrote, j.wrote = true, true
		if err := write(); err != nil {
			return errors.Join(unmade(err), f.rollback(tx))
		}
	}
	if !wrote && !f.shaky {
		return f.rollback(tx)
	}
	if err := f.finish(tx); err != nil {
		return f.unsure(id, err)
	}
	f.shaky = false
	return nil
}

func (f *file) finish(tx *bbolt.Tx) error {
	f.moment.RLock()
	defer f.moment.RUnlock()
	return tx.Commit()
}

func (f *file) rollback(tx *bbolt.Tx) error {
	if err := tx.Rollback(); err != nil {
		return fmt.Errorf("undo a change of the state: %w", err)
	}
	return nil
}

// unsure tells a commit that failed from one of which the last step failed: it
// can be seen, and may be gone after a loss of power. A further commit, made
// even where there is nothing to write, settles it.
func (f *file) unsure(id uint64, cause error) error {
	visible := false
	err := f.db.View(func(tx *bbolt.Tx) error {
		visible = uint64(tx.ID()) >= id
		return nil
	})
	if err != nil || visible {
		f.shaky = true
		return fmt.Errorf("%w: change the state: %w", state.ErrUnknown, errors.Join(cause, err))
	}
	return unmade(cause)
}

// unmade is the error of a commit of which nothing was made: a state.ErrFull where the
// disk has no room for it.
func unmade(cause error) error {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(cause, full) {
			return fmt.Errorf("%w: change the state: %w", state.ErrFull, cause)
		}
	}
	return fmt.Errorf("change the state: %w", cause)
}
