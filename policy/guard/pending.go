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

// pending is the book of a staged upload: it holds what the upload will be
// charged once it takes its place, which is its growth over what it replaces.
type pending struct {
	files *files
	path  path.Path

	mu    sync.Mutex // guards what follows
	base  int64      // the size of what will be replaced
	parts []*quota.Reservation
	bytes int64 // held by parts
	count int64 // files held by parts
}

func (p *pending) begin(ctx context.Context, off, n int64) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	need := off + n - p.base - p.bytes
	if need <= 0 {
		return n, nil
	}
	err := p.reserve(ctx, need, need)
	if errors.Is(err, quota.ErrExceeded) && p.reserve(ctx, 1, need) == nil {
		n = max(0, p.base+p.bytes-off)
	} else if err != nil {
		n = 0
	}
	return n, err
}

// reserve takes between least and most. p.mu is held.
func (p *pending) reserve(ctx context.Context, least, most int64) error {
	return p.files.tightly(func() error {
		r, err := p.files.ledger.ReserveBytes(ctx, p.path, least, most)
		if err == nil {
			p.parts = append(p.parts, r)
			p.bytes += r.Granted().Bytes
		}
		return err
	})
}

func (p *pending) finish(context.Context, backend.File, bool) {}

func (p *pending) truncate(ctx context.Context, f backend.File, size int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if need := size - p.base - p.bytes; need > 0 {
		if err := p.reserve(ctx, need, need); err != nil {
			return err
		}
	}
	return f.Truncate(size)
}

// close gives back all that is still held.
func (p *pending) close(context.Context, backend.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.parts {
		r.Cancel()
	}
	p.parts, p.bytes, p.count = nil, 0, 0
}

// hold takes any growth that is not held yet.
func (p *pending) hold(ctx context.Context, grow quota.Amount) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	missing := quota.Amount{Bytes: max(0, grow.Bytes-p.bytes), Files: max(0, grow.Files-p.count)}
	if missing == (quota.Amount{}) {
		return nil
	}
	r, err := p.files.reserve(ctx, p.path, missing)
	if err != nil {
		return err
	}
	p.parts = append(p.parts, r)
	p.bytes += missing.Bytes
	p.count += missing.Files
	return nil
}

// commit books a growth that is held, and gives back the rest.
func (p *pending) commit(grow quota.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.parts {
		held := r.Granted()
		used := quota.Amount{Bytes: min(held.Bytes, max(0, grow.Bytes)), Files: min(held.Files, max(0, grow.Files))}
		r.Commit(used)
		grow.Bytes -= used.Bytes
		grow.Files -= used.Files
	}
	p.parts, p.bytes, p.count = nil, 0, 0
}
