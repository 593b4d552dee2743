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
	return l.SetIf(ctx, limit, func(Limit) error { return nil })
}

// SetIf is Set unless is says no of the limit that stands there, without figures where
// there is none: of two who have seen the same one, on whichever nodes, one sets it.
func (l *Ledger) SetIf(ctx context.Context, limit Limit, is func(Limit) error) error {
	limit.Bytes, limit.Files = max(limit.Bytes, Unlimited), max(limit.Files, Unlimited)
	if len(limit.Folder.String()) > path.MaxLength {
		return path.ErrTooLong
	}
	p, err := l.set(ctx, limit, is)
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
	if err := l.enforce(ctx, p); err != nil {
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
func (l *Ledger) set(ctx context.Context, limit Limit, is func(Limit) error) (*pool, error) {
	unlock, err := l.setting.Lock(ctx, limit.Folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for {
		var no error
		p, err := l.trySet(ctx, limit, func(now Limit) error { no = is(now); return no })
		if no != nil || !errors.Is(err, state.ErrConflict) {
			return p, err
		}
	}
}

func (l *Ledger) trySet(ctx context.Context, limit Limit, is func(Limit) error) (*pool, error) {
	old, now, err := l.read(ctx, limit.Folder)
	if err != nil {
		return nil, err
	}
	present := Limit{Folder: limit.Folder, Amount: Amount{Bytes: Unlimited, Files: Unlimited}}
	if old != 0 {
		present.Owner, present.Amount = now.Owner, Amount{Bytes: now.Bytes, Files: now.Files}
	}
	if err := is(present); err != nil {
		return nil, err
	}
	none := limit.Bytes < 0 && limit.Files < 0
	switch {
	case none && old == 0:
		return nil, nil
	case none:
		return nil, l.drop(ctx, kept{l.learn(limit.Folder, now, old), old})
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
	now, err := l.apply(ctx, state.Batch{
		Checks: []state.Check{{Name: name, Revision: revision}},
		Puts:   []state.Put{{Name: name, Value: value}},
	})
	if err != nil {
		return nil, err
	}
	return l.learn(folder, r, now), nil
}

// apply makes a batch in the scope of the records, once, also where its outcome
// is not known at first, and returns its revision.
func (l *Ledger) apply(ctx context.Context, b state.Batch) (uint64, error) {
	b.Scope, b.ID = scope, state.NewOperationID()
	var made state.Result
	err := known(func() (err error) {
		made, err = l.store.Apply(ctx, b)
		return err
	})
	return made.Revision, err
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

// enforce puts a changed limit in force, now or, where the store does not take it, later.
func (l *Ledger) enforce(ctx context.Context, p *pool) error {
	err := p.enforce(ctx)
	if err != nil {
		p.mu.Lock()
		p.active = true
		p.mu.Unlock()
		l.activate(p)
	}
	return err
}

// enforce puts a changed limit in force: what is leased and not handed out is
// given back first, so that it is not used beyond it.
func (p *pool) enforce(ctx context.Context) error {
	if err := lock(ctx, p.op); err != nil {
		return err
	}
	defer unlock(p.op)
	return p.bound(ctx)
}

// limitOf is what the record says of a figure. p.mu is held.
func (p *pool) limitOf(f *figure) int64 {
	if f == &p.files {
		return p.limit.Files
	}
	return p.limit.Bytes
}

// bound has the counters have the limits that the record says. p.op is held.
func (p *pool) bound(ctx context.Context) error {
	for _, f := range p.figures() {
		if err := p.resolve(ctx, f); err != nil {
			return err
		}
		p.mu.Lock()
		limit, at := p.limitOf(f), p.at
		if !p.counted || f.limit == limit {
			p.mu.Unlock()
			continue
		}
		op := f.begin(p.holder, ask{giveBack: true, limit: &limit, at: at})
		p.mu.Unlock()
		v, err := p.do(ctx, f, op)
		if err == nil && v.Limit != limit && !p.ended() {
			err = p.overrule(ctx, f, limit, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overrule puts a limit in force that the counter takes for one of old, where the record
// is not newer either: the store has lost what the counter's was of. p.op is held.
func (p *pool) overrule(ctx context.Context, f *figure, limit int64, at uint64) error {
	r, err := p.store.Get(ctx, scope, recordName(p.folder))
	if err != nil || r.Revision != at {
		return err // what is newer is put in force once it is heard of
	}
	p.mu.Lock()
	op := f.begin(p.holder, ask{limit: &limit})
	p.mu.Unlock()
	_, err = p.do(ctx, f, op)
	return err
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
