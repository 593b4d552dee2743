package guard

import (
	"context"
	"errors"
	"sync"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// A book keeps account of what a file grows by.
type book interface {
	begin(ctx context.Context, off, n int64) (int64, error)
	finish(ctx context.Context, f backend.File, complete bool)
	truncate(ctx context.Context, f backend.File, size int64) error
	close(ctx context.Context, f backend.File)
}

// pending is the book of what is staged: it holds what that will be charged
// once it takes its place, which is its growth over what it replaces.
type pending struct {
	files *files
	path  path.Path

	mu   sync.Mutex // guards what follows
	base int64      // bytes that what will be replaced makes room for
	top  int64      // the size so far
	held *quota.Reservation
}

func (t *files) pending(p path.Path) *pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &pending{files: t, path: p}
	t.staged[b] = struct{}{}
	return b
}

func (p *pending) granted() quota.Amount {
	if p.held == nil {
		return quota.Amount{}
	}
	return p.held.Granted()
}

func (p *pending) begin(ctx context.Context, off, n int64) (int64, error) {
	granted, err := p.take(ctx, off, n, p.whole)
	if !errors.Is(err, quota.ErrExceeded) {
		return granted, err
	}
	p.files.tight.Add(1)
	defer p.files.tight.Add(-1)
	p.files.giveBack()
	return p.take(ctx, off, n, p.some)
}

// take lets grow reserve what is missing, and returns how much of the write
// there is room for.
func (p *pending) take(ctx context.Context, off, n int64, grow func(context.Context, int64) error) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if missing := off + n - p.base - p.granted().Bytes; missing > 0 {
		err = grow(ctx, missing)
	}
	if room := p.base + p.granted().Bytes - off; room < n {
		n = max(0, room)
	}
	if n > 0 {
		p.top = max(p.top, off+n)
	}
	return n, err
}

func (p *pending) whole(ctx context.Context, missing int64) error {
	want := missing
	if p.files.tight.Load() == 0 {
		want += ahead
	}
	return p.reserve(ctx, missing, want)
}

func (p *pending) some(ctx context.Context, missing int64) error {
	err := p.reserve(ctx, missing, missing)
	if errors.Is(err, quota.ErrExceeded) {
		_ = p.reserve(ctx, 1, missing) // as much as there is, which may be nothing
	}
	return err
}

// reserve takes between least and most. p.mu is held.
func (p *pending) reserve(ctx context.Context, least, most int64) error {
	r, err := p.files.ledger.ReserveBytes(ctx, p.path, least, most)
	if err == nil {
		p.add(r)
	}
	return err
}

func (p *pending) add(r *quota.Reservation) {
	if p.held == nil {
		p.held = r
		return
	}
	p.held.Add(r)
}

// giveBack returns what was reserved ahead.
func (p *pending) giveBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		p.held.Shrink(quota.Amount{Bytes: max(0, p.top-p.base), Files: p.granted().Files})
	}
}

func (p *pending) finish(context.Context, backend.File, bool) {}

func (p *pending) truncate(ctx context.Context, f backend.File, size int64) error {
	err := p.files.tightly(func() error {
		_, err := p.take(ctx, size, 0, p.whole)
		return err
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.top = max(p.top, size)
	return f.Truncate(size)
}

// close gives back all that is still held.
func (p *pending) close(context.Context, backend.File) {
	p.files.mu.Lock()
	delete(p.files.staged, p)
	p.files.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		p.held.Cancel()
		p.held = nil
	}
}

// hold takes any growth that is not held yet.
func (p *pending) hold(ctx context.Context, grow quota.Amount) error {
	return p.files.tightly(func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.top = max(p.top, p.base+grow.Bytes)
		missing := positive(minus(grow, p.granted()))
		if missing == (quota.Amount{}) {
			return nil
		}
		r, err := p.files.ledger.Reserve(ctx, p.path, missing)
		if err == nil {
			p.add(r)
		}
		return err
	})
}

// commit books a growth that is held, and gives back the rest.
func (p *pending) commit(grow quota.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		p.held.Commit(positive(grow))
		p.held = nil
	}
}
