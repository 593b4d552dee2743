package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// How much is leased at a time, where there is much room.
const (
	chunkBytes = 8 << 20
	chunkFiles = 256
)

// A pool is one quota as this node deals with it: what it leased of it, what
// is handed out, and what is not yet booked.
type pool struct {
	store  state.Store
	folder path.Path
	id     string
	node   string
	epoch  string
	holder string // node and epoch
	share  *atomic.Pointer[Sharing]
	only   *atomic.Bool
	buried *sync.Map

	op       chan struct{} // held during an operation at the store: one at a time
	counting chan struct{} // held while the folder is counted

	mu      sync.Mutex // guards what follows
	limit   Amount
	at      uint64 // the revision of the record that says so
	owner   string
	counted bool
	gone    bool // the quota was removed: the store hears nothing of it any more
	bytes   figure
	files   figure
	used    time.Time // when something was last asked of it
	active  bool      // it may hold a lease, or have something to book
	open    bool      // its record in openScope stands
	stray   bool      // one may stand that is not relied on
	bare    bool      // its counters are not made yet; no other node knows of it

	watch   watch
	touches int       // changes under way that may remove or move something
	turn    uint64    // grows when another node has counted
	stale   int       // of touches, those that began before
	settled time.Time // when a count was last put in force
	due     time.Time // when to count anew; zero: no need
	unsure  bool      // the figure may be too large until then
	wait    time.Duration
}

// A watch is what happened to a quota since its counting began.
type watch struct {
	events uint64
	grown  Amount // what was committed
	moves  int    // changes of several paths, which a walk may have missed at each of them
}

func (l *Ledger) newPool(folder path.Path, id string) *pool {
	return &pool{
		store: l.store, folder: folder, id: id, node: l.node, epoch: l.epoch, holder: l.node + "/" + l.epoch,
		op: make(chan struct{}, 1), counting: make(chan struct{}, 1),
		share: &l.share, only: &l.only, buried: &l.buried,
		bytes: figure{name: "bytes", chunk: chunkBytes, share: &l.share},
		files: figure{name: "files", chunk: chunkFiles, share: &l.share},
	}
}

func (p *pool) figures() [2]*figure { return [2]*figure{&p.bytes, &p.files} }

// both does something for the two figures at once: the store commits together
// what comes together. p.op is held, or nobody knows of p.
func (p *pool) both(do func(*figure) error) error {
	bytes := make(chan error, 1)
	go func() { bytes <- do(&p.bytes) }()
	files := do(&p.files)
	return errors.Join(<-bytes, files)
}

// lock takes one of the pool's channels, unlock gives it back.
func lock(ctx context.Context, c chan struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func unlock(c chan struct{}) { <-c }

// take hands out between least and most of a figure, as much as there is room
// for, leasing more where there is too little. An *ExceededError says that the
// quota has no room.
func (p *pool) take(ctx context.Context, f *figure, least, most int64) (int64, error) {
	if err := p.holds(); err != nil {
		return 0, err
	}
	if got, ok := p.quick(f, most, most); ok {
		return got, nil
	}
	if err := lock(ctx, p.op); err != nil {
		return 0, err
	}
	defer unlock(p.op)
	for try := 0; ; {
		granted, err := p.lease(ctx, f, least, most)
		if got, ok := p.quick(f, least, most); ok {
			return got, nil
		}
		switch {
		case err != nil:
			return 0, err
		case p.ended():
			return most, nil // there is nothing to keep any more
		case granted:
			continue // others were faster
		case try == reclaims:
			return 0, p.exceeded()
		}
		if try == 0 {
			contended, err := p.contended(ctx, f)
			if err != nil {
				return 0, err
			}
			if !contended {
				return 0, p.exceeded()
			}
		}
		// Meanwhile this node gives to the others what they ask it for.
		unlock(p.op)
		err = p.reclaim(ctx, try)
		p.op <- struct{}{}
		if err != nil {
			return 0, err
		}
		try++
	}
}

func (p *pool) quick(f *figure, least, most int64) (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	got, ok := f.take(least, most)
	if ok && got > 0 {
		p.touched()
	}
	return got, ok
}

func (p *pool) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// touched notes that the pool is in use. p.mu is held.
func (p *pool) touched() {
	p.used = time.Now()
	p.active = true
	p.watch.events++
}

// lease asks the store for what is missing of most, and reports whether it got
// any. Where there surely is less than what is missing of least it costs no
// write. p.op is held.
func (p *pool) lease(ctx context.Context, f *figure, least, most int64) (bool, error) {
	if err := p.resolve(ctx, f); err != nil {
		return false, err
	}
	if err := p.prepare(ctx); err != nil {
		return false, err
	}
	if !p.has(f, most) {
		if err := p.look(ctx, f); err != nil {
			return false, err
		}
	}
	p.mu.Lock()
	for f.shared() && f.freed > 0 {
		p.mu.Unlock()
		if err := p.bookFreed(ctx, f); err != nil {
			return false, err
		}
		p.mu.Lock()
	}
	if f.avail >= most { // others gave it back meanwhile
		p.mu.Unlock()
		return true, nil
	}
	missing := max(least-f.avail, 1)
	if f.free() < missing {
		p.mu.Unlock()
		return false, nil
	}
	op := f.begin(p.holder, ask{least: missing, want: f.want(most - f.avail)})
	p.active = true
	p.mu.Unlock()
	v, err := p.do(ctx, f, op)
	return v.Granted > 0, err
}

// has reports whether the store is known to have what is missing of most.
func (p *pool) has(f *figure, most int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return f.free() >= most-f.avail
}

// look reads a counter, which is no write. p.op is held.
func (p *pool) look(ctx context.Context, f *figure) error {
	_, err := p.hear(ctx, f)
	return err
}

// hear is look, with what the store says.
func (p *pool) hear(ctx context.Context, f *figure) (state.CounterValue, error) {
	v, err := p.count(ctx, state.Lease{Name: f.name, Holder: p.holder})
	if err != nil {
		return v, err
	}
	left := p.left(v)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard(f, v)
	if left {
		p.countLater(secondLook)
	}
	return v, nil
}

// heard takes in what the store says of a figure. p.mu is held.
func (p *pool) heard(f *figure, v state.CounterValue) {
	f.heard(v)
	counted := v.Recounts != f.recounts
	f.recounts = v.Recounts
	if counted && f.shared() {
		p.spoiled(f)
	}
}

// left reports that a dead run holds a lease. It is settled when that run is buried,
// but for what it had asked for before it stood still, and what comes thereafter.
func (p *pool) left(v state.CounterValue) bool {
	if p.share.Load() == nil {
		return false
	}
	for holder := range v.Holders {
		if p.dead(holder) {
			return true
		}
	}
	return false
}

// patience bounds an operation at the store. It outlives who asked for it,
// since what was begun there is done all the same.
const patience = 10 * time.Second

// do makes the operation that begin began, unless the quota is no more: its
// counters would come back. p.op is held.
func (p *pool) do(ctx context.Context, f *figure, op state.Lease) (state.CounterValue, error) {
	if p.ended() {
		return state.CounterValue{}, nil
	}
	v, err := p.count(ctx, op)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		if f.done(op, v) && f.shared() {
			p.recount(0)
		}
		p.heard(f, v)
		if op.Recounts != nil && *op.Recounts != v.Recounts {
			p.uncertain() // what was freed was left out
		}
	case errors.Is(err, state.ErrClosed):
		f.undo(op)
	}
	return v, err
}

func (p *pool) count(ctx context.Context, op state.CounterOp) (state.CounterValue, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var v state.CounterValue
	err := known(func() (err error) {
		v, err = p.store.Count(ctx, counterScope+p.id, op)
		return err
	})
	if err != nil {
		return v, fmt.Errorf("ask for the quota of %s: %w: %w", p.folder, ErrAway, err)
	}
	return v, nil
}

// known tries again where it cannot be told whether an operation was done: its
// id makes it one.
func known(do func() error) error {
	var err error
	for range 3 {
		if err = do(); !errors.Is(err, state.ErrUnknown) {
			break
		}
	}
	return err
}

// resolve finds out what became of an operation whose outcome was not known.
// p.op is held.
func (p *pool) resolve(ctx context.Context, f *figure) error {
	p.mu.Lock()
	stuck, since := f.stuck, f.since
	p.mu.Unlock()
	if stuck == nil {
		return nil
	}
	if time.Since(since) < state.OperationLife-time.Minute {
		_, err := p.do(ctx, f, *stuck)
		return err
	}
	v, err := p.count(ctx, state.Lease{Name: f.name, Holder: p.holder})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f.forget(v)
	p.heard(f, v)
	p.recount(0)
	return nil
}

// commit ends a reservation of which so much was written.
func (p *pool) commit(granted, used Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes.commit(granted.Bytes, used.Bytes)
	p.files.commit(granted.Files, used.Files)
	if used != (Amount{}) {
		p.touched()
		p.watch.grown = p.watch.grown.plus(used)
	}
}

// force books growth that was written without a reservation here: it had been
// made before the quota was set. Whether counting saw it is not known.
func (p *pool) force(ctx context.Context, used Amount) {
	if used == (Amount{}) {
		return
	}
	got, err := p.takeBoth(ctx, used)
	if err == nil {
		p.commit(got, used)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.bytes.write(used.Bytes)
		p.files.write(used.Files)
		p.watch.grown = p.watch.grown.plus(used)
		p.touched()
	}
	p.recount(0)
}

// takeBoth takes exactly this growth, all of it or nothing.
func (p *pool) takeBoth(ctx context.Context, grow Amount) (Amount, error) {
	bytes, err := p.take(ctx, &p.bytes, grow.Bytes, grow.Bytes)
	if err != nil {
		return Amount{}, err
	}
	files, err := p.take(ctx, &p.files, grow.Files, grow.Files)
	if err != nil {
		p.commit(Amount{Bytes: bytes}, Amount{})
		return Amount{}, err
	}
	return Amount{Bytes: bytes, Files: files}, nil
}

// exceeded is the error of a quota without room.
func (p *pool) exceeded() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &ExceededError{Folder: p.folder, Room: Amount{Bytes: p.bytes.room(), Files: p.files.room()}}
}

// recount asks for a count after a while. p.mu is held.
func (p *pool) recount(after time.Duration) {
	at := time.Now().Add(after)
	if p.due.IsZero() || at.Before(p.due) {
		p.due = at
	}
	p.active, p.unsure = true, true
}
