package quota

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// prompt is how long Set waits for a folder to be counted before it leaves that
// to the background.
const prompt = 5 * time.Second

var errClosed = errors.New("the quotas are closed")

// Set sets, changes or, with both figures negative, removes the quota on a
// folder. On a folder that holds something it is counted first, and enforced
// then; what is counted at once is enforced when Set returns.
func (l *Ledger) Set(ctx context.Context, limit Limit) error {
	limit.Bytes, limit.Files = max(limit.Bytes, Unlimited), max(limit.Files, Unlimited)
	if len(limit.Folder.String()) > path.MaxLength {
		return path.ErrTooLong
	}
	p, err := l.set(ctx, limit)
	if err != nil {
		return fmt.Errorf("set the quota of %s: %w", limit.Folder, err)
	}
	if p == nil {
		return nil
	}
	p.mu.Lock()
	counted := p.counted
	p.mu.Unlock()
	if !counted {
		return l.countSoon(ctx, p)
	}
	if err := p.enforce(ctx); err != nil {
		return err
	}
	return p.callIn(ctx)
}

// calls is how often Set looks whether the others have given back what they leased
// under a limit that was higher.
const calls = 12

// callIn has other nodes give back what they lease and do not use, where that is more
// than a lowered limit leaves. It waits a little for them.
func (p *pool) callIn(ctx context.Context) error {
	for try := range calls {
		beyond := false
		for _, f := range p.figures() {
			p.mu.Lock()
			beyond = beyond || f.others && f.limit >= 0 && f.limit-f.used < f.leased
			p.mu.Unlock()
		}
		if !beyond {
			return nil
		}
		if err := p.reclaim(ctx, try); err != nil {
			return err
		}
		if err := p.lookAll(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lookAll reads both counters.
func (p *pool) lookAll(ctx context.Context) error {
	if err := lock(ctx, p.op); err != nil {
		return err
	}
	defer unlock(p.op)
	for _, f := range p.figures() {
		if err := p.look(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// set writes the record. It returns the pool of a quota that is, nil for one
// that is removed.
func (l *Ledger) set(ctx context.Context, limit Limit) (*pool, error) {
	unlock, err := l.setting.Lock(ctx, limit.Folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for {
		p, err := l.trySet(ctx, limit)
		if !errors.Is(err, state.ErrConflict) {
			return p, err
		}
	}
}

func (l *Ledger) trySet(ctx context.Context, limit Limit) (*pool, error) {
	old, now, err := l.read(ctx, limit.Folder)
	if err != nil {
		return nil, err
	}
	none := limit.Bytes < 0 && limit.Files < 0
	switch {
	case none && old == 0:
		return nil, nil
	case none:
		return nil, l.drop(ctx, kept{l.learn(limit.Folder, now), old})
	case old == 0:
		return l.found(ctx, limit)
	}
	now.Bytes, now.Files, now.Owner = limit.Bytes, limit.Files, limit.Owner
	return l.write(ctx, limit.Folder, now, old)
}

// read returns the record of a folder's quota and its revision, 0 for none.
func (l *Ledger) read(ctx context.Context, folder path.Path) (uint64, record, error) {
	r, err := l.store.Get(ctx, scope, recordName(folder))
	if errors.Is(err, state.ErrNotFound) {
		return 0, record{}, nil
	}
	if err != nil {
		return 0, record{}, err
	}
	now, err := decode(r)
	return r.Revision, now, err
}

// write writes a record that has this revision, and takes it in.
func (l *Ledger) write(ctx context.Context, folder path.Path, r record, revision uint64) (*pool, error) {
	value, err := encode(r)
	if err != nil {
		return nil, err
	}
	name := recordName(folder)
	err = l.apply(ctx, state.Batch{
		Checks: []state.Check{{Name: name, Revision: revision}},
		Puts:   []state.Put{{Name: name, Value: value}},
	})
	if err != nil {
		return nil, err
	}
	return l.learn(folder, r), nil
}

// apply makes a batch in the scope of the records, once, also where its outcome
// is not known at first.
func (l *Ledger) apply(ctx context.Context, b state.Batch) error {
	b.Scope, b.ID = scope, state.NewOperationID()
	return known(func() error {
		_, err := l.store.Apply(ctx, b)
		return err
	})
}

// enforced notes that a quota was counted, and is enforced from now on.
func (l *Ledger) enforced(ctx context.Context, p *pool) error {
	unlock, err := l.setting.Lock(ctx, p.folder)
	if err != nil {
		return err
	}
	defer unlock()
	for {
		revision, r, err := l.read(ctx, p.folder)
		if err != nil {
			return fmt.Errorf("change the quota of %s: %w", p.folder, err)
		}
		if r.ID != p.id {
			return nil // it was removed meanwhile
		}
		r.Counted = true
		_, err = l.write(ctx, p.folder, r, revision)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("change the quota of %s: %w", p.folder, err)
		}
		return nil
	}
}

// enforce puts a changed limit in force: what is leased and not handed out is
// given back first, so that it is not used beyond it.
func (p *pool) enforce(ctx context.Context) error {
	if err := lock(ctx, p.op); err != nil {
		return err
	}
	defer unlock(p.op)
	for _, f := range p.figures() {
		if err := p.resolve(ctx, f); err != nil {
			return err
		}
		p.mu.Lock()
		limit := p.limit.Bytes
		if f == &p.files {
			limit = p.limit.Files
		}
		if !p.counted || f.limit == limit {
			p.mu.Unlock()
			continue
		}
		op := f.begin(p.holder, ask{giveBack: true, limit: &limit})
		p.mu.Unlock()
		if _, err := p.do(ctx, f, op); err != nil {
			return err
		}
	}
	return nil
}

// Recheck has the quotas on and below p counted anew, in the background.
func (l *Ledger) Recheck(p path.Path) {
	for _, q := range l.within(p) {
		q.mu.Lock()
		q.recount(0)
		q.mu.Unlock()
		l.activate(q)
	}
}

// countSoon counts a folder in the background, and waits a little for it.
func (l *Ledger) countSoon(ctx context.Context, p *pool) error {
	done := make(chan struct{})
	begun := l.spawn(func() {
		defer close(done)
		if err := l.measure(l.ctx, p); err != nil {
			l.again(p) // it is made again
		}
	})
	if !begun {
		return errClosed
	}
	wait := time.NewTimer(prompt)
	defer wait.Stop()
	select {
	case <-done:
	case <-wait.C:
	case <-ctx.Done():
	}
	return nil
}

// Rescan counts a folder's quota anew with the walker, while writes go on.
func (l *Ledger) Rescan(ctx context.Context, folder path.Path) (Usage, error) {
	l.mu.RLock()
	p := l.folders.at(folder)
	l.mu.RUnlock()
	if p == nil {
		return Usage{}, fmt.Errorf("count what %s holds: it has no quota", folder)
	}
	if err := l.measure(ctx, p); err != nil {
		l.again(p)
		return Usage{}, err
	}
	l.activate(p)
	return p.usage(ctx)
}

func (l *Ledger) within(p path.Path) []*pool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.folders.within(p)
}
