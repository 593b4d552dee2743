package quota

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"

	"gatehouse/policy/path"
)

// Room returns the quota above p with the smallest remainder in bytes, and the
// one with the smallest in files may differ: figures are the smallest of each.
// ok is false where no quota is above p.
func (l *Ledger) Room(ctx context.Context, p path.Path) (u Usage, ok bool, err error) {
	bytes, files := int64(math.MaxInt64), int64(math.MaxInt64)
	for _, q := range l.above(p) {
		now, err := q.usage(ctx)
		if err != nil {
			return Usage{}, false, err
		}
		if now.Counting {
			continue
		}
		if left := remainder(now.Bytes, now.Used.Bytes); !ok || left < bytes {
			bytes = left
			u.Folder, u.Bytes, u.Used.Bytes = now.Folder, now.Bytes, now.Used.Bytes
		}
		if left := remainder(now.Files, now.Used.Files); !ok || left < files {
			files = left
			u.Files, u.Used.Files = now.Files, now.Used.Files
		}
		ok = true
	}
	return u, ok, nil
}

// List returns every quota and its use, by folder.
func (l *Ledger) List(ctx context.Context) ([]Usage, error) {
	pools := l.within(path.Root)
	list := make([]Usage, 0, len(pools))
	for _, p := range pools {
		u, err := p.usage(ctx)
		l.activateDue(p)
		if err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b Usage) int { return a.Folder.Compare(b.Folder) })
	return list, nil
}

// Get returns the quota that stands on exactly this folder.
func (l *Ledger) Get(ctx context.Context, folder path.Path) (u Usage, ok bool, err error) {
	l.mu.RLock()
	p := l.folders.at(folder)
	l.mu.RUnlock()
	if p == nil {
		return Usage{}, false, nil
	}
	u, err = p.usage(ctx)
	l.activateDue(p)
	return u, err == nil, err
}

// Limits returns the limits on p and below it, as this node knows them, without
// asking the store.
func (l *Ledger) Limits(p path.Path) []Limit {
	var list []Limit
	for _, q := range l.within(p) {
		q.mu.Lock()
		list = append(list, Limit{Folder: q.folder, Amount: q.limit, Owner: q.owner})
		q.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b Limit) int { return a.Folder.Compare(b.Folder) })
	return list
}

// On returns the limit on exactly this folder, in the same way.
func (l *Ledger) On(folder path.Path) (Limit, bool) {
	l.mu.RLock()
	q := l.folders.at(folder)
	l.mu.RUnlock()
	if q == nil {
		return Limit{}, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return Limit{Folder: folder, Amount: q.limit, Owner: q.owner}, true
}

// Measure returns what a folder holds: as its quota knows, or counted now.
func (l *Ledger) Measure(ctx context.Context, folder path.Path) (Amount, error) {
	if u, ok, err := l.Get(ctx, folder); ok || err != nil {
		return u.Used, err
	}
	found, err := l.walk(ctx, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return Amount{}, nil
	}
	return found, err
}

// usage is what the store says and what is not yet booked there.
func (p *pool) usage(ctx context.Context) (Usage, error) {
	if err := lock(ctx, p.op); err != nil {
		return Usage{}, err
	}
	defer unlock(p.op)
	if err := p.both(func(f *figure) error { return p.look(ctx, f) }); err != nil {
		return Usage{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return Usage{
		Limit:    Limit{Folder: p.folder, Amount: p.limit, Owner: p.owner},
		Used:     Amount{Bytes: p.bytes.present(), Files: p.files.present()},
		Counting: !p.counted,
		Doubt:    p.unsure,
	}, nil
}
