package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
	id     string
	node   string
	epoch  string
	holder string // node and epoch

	op       chan struct{} // held during an operation at the store: one at a time
	counting chan struct{} // held while the folder is counted

	mu       sync.Mutex // guards what follows
	folder   path.Path
	revision uint64 // of the record
	limit    Amount
	counted  bool
	gone     bool // the quota was removed: nothing is booked any more
	bytes    figure
	files    figure
	used     time.Time // when something was last asked of it
	active   bool      // it may hold a lease, or have something to book
	open     bool      // its record in openScope stands

	watch   watch
	touches int       // changes under way that may remove or move something
	settled time.Time // when a count was last put in force
	due     time.Time // when to count anew; zero: no need
	wait    time.Duration
}

// A watch is what happened to a quota since its counting began.
type watch struct {
	events uint64
	grown  Amount // what was committed
}

func newPool(store state.Store, node, epoch string, id string) *pool {
	return &pool{
		store: store, id: id, node: node, epoch: epoch, holder: node + "/" + epoch,
		op: make(chan struct{}, 1), counting: make(chan struct{}, 1),
		bytes: figure{name: "bytes", chunk: chunkBytes},
		files: figure{name: "files", chunk: chunkFiles},
	}
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

// take hands out between least and most of a figure, leasing more where there
// is too little. An *ExceededError says that the quota has no room.
func (p *pool) take(ctx context.Context, f *figure, least, most int64) (int64, error) {
	if got, ok := p.quick(f, least, most); ok {
		return got, nil
	}
	if err := lock(ctx, p.op); err != nil {
		return 0, err
	}
	defer unlock(p.op)
	for try := 0; ; {
		if got, ok := p.quick(f, least, most); ok {
			return got, nil
		}
		granted, err := p.lease(ctx, f, least)
		if err != nil {
			return 0, err
		}
		if granted {
			continue
		}
		if try == reclaims || !p.contended(f) {
			return 0, p.exceeded()
		}
		if err := p.reclaim(ctx, try); err != nil {
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

// touched notes that the pool is in use. p.mu is held.
func (p *pool) touched() {
	p.used = time.Now()
	p.active = true
	p.watch.events++
}

// lease asks the store for what is missing of least, and reports whether it got
// that. Where there surely is too little it costs no write. p.op is held.
func (p *pool) lease(ctx context.Context, f *figure, least int64) (bool, error) {
	if err := p.resolve(ctx, f); err != nil {
		return false, err
	}
	missing := p.missing(f, least)
	if missing <= 0 {
		return true, nil
	}
	if !p.has(f, missing) {
		if err := p.look(ctx, f); err != nil {
			return false, err
		}
		if !p.has(f, missing) {
			return false, nil
		}
	}
	p.mu.Lock()
	op := f.begin(p.holder, ask{least: missing, want: f.want(missing)})
	p.active = true
	p.mu.Unlock()
	v, err := p.do(ctx, f, op)
	return v.Granted >= missing, err
}

func (p *pool) missing(f *figure, least int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(least, 1) - f.avail
}

func (p *pool) has(f *figure, missing int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return f.free() >= missing
}

// look reads a counter, which is no write. p.op is held.
func (p *pool) look(ctx context.Context, f *figure) error {
	v, err := p.count(ctx, state.Lease{Name: f.name, Holder: p.holder})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f.heard(v)
	return nil
}

// patience bounds an operation at the store. It outlives who asked for it,
// since what was begun there is done all the same.
const patience = 10 * time.Second

// do makes the operation that begin began. p.op is held.
func (p *pool) do(ctx context.Context, f *figure, op state.Lease) (state.CounterValue, error) {
	v, err := p.count(ctx, op)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		f.done(v)
	case errors.Is(err, state.ErrInvalid) || errors.Is(err, state.ErrClosed):
		f.undo(op)
	}
	return v, err
}

func (p *pool) count(ctx context.Context, op state.CounterOp) (state.CounterValue, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var v state.CounterValue
	var err error
	for range 3 {
		v, err = p.store.Count(ctx, counterScope+p.id, op)
		if err == nil || !errors.Is(err, state.ErrUnknown) {
			break
		}
	}
	if err != nil {
		return v, fmt.Errorf("ask for the quota of %s: %w", p.at(), err)
	}
	return v, nil
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
	f.heard(v)
	p.recount(0)
	return nil
}

// commit ends a reservation of which so much was written.
func (p *pool) commit(granted, used Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
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
	got, err := p.takeBoth(ctx, used)
	if err == nil {
		p.commit(got, used)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	if err != nil {
		p.bytes.pending += used.Bytes
		p.files.pending += used.Files
		p.watch.grown = p.watch.grown.plus(used)
		p.touched()
	}
	if p.counted {
		p.recount(0)
	}
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

func (p *pool) at() path.Path {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.folder
}

// recount asks for a count after a while. p.mu is held.
func (p *pool) recount(after time.Duration) {
	at := time.Now().Add(after)
	if p.due.IsZero() || at.Before(p.due) {
		p.due = at
	}
	p.active = true
}
