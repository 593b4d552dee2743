package quota

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	if counted {
		return p.enforce(ctx)
	}
	return l.countSoon(ctx, p)
}

// set writes the record. It returns the pool of a quota that is, nil for one
// that is removed.
func (l *Ledger) set(ctx context.Context, limit Limit) (*pool, error) {
	l.setting.Lock()
	defer l.setting.Unlock()
	for {
		old, now, err := l.read(ctx, limit.Folder)
		if err != nil {
			return nil, err
		}
		if limit.Bytes < 0 && limit.Files < 0 {
			if old == 0 {
				return nil, nil
			}
			err = l.drop(ctx, state.Check{Name: recordName(limit.Folder), Revision: old})
		} else {
			if old == 0 {
				now = record{ID: newID()}
				if err := l.prepare(ctx, now.ID); err != nil {
					return nil, err
				}
			}
			now.Bytes, now.Files = limit.Bytes, limit.Files
			err = l.write(ctx, limit.Folder, now, old)
		}
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l.mu.RLock()
		defer l.mu.RUnlock()
		return l.folders.at(limit.Folder), nil
	}
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

// prepare makes the counters of a new quota: without limit until it is counted.
func (l *Ledger) prepare(ctx context.Context, id string) error {
	p := newPool(l.store, l.node, l.epoch, id)
	unlimited := int64(Unlimited)
	for _, f := range []*figure{&p.bytes, &p.files} {
		if _, err := p.count(ctx, state.Lease{ID: state.NewOperationID(), Name: f.name, SetLimit: &unlimited}); err != nil {
			return err
		}
	}
	return nil
}

// write writes a record that has this revision, and takes it in.
func (l *Ledger) write(ctx context.Context, folder path.Path, r record, revision uint64) error {
	value, err := encode(r)
	if err != nil {
		return err
	}
	name := recordName(folder)
	result, err := l.apply(ctx, state.Batch{
		Checks: []state.Check{{Name: name, Revision: revision}},
		Puts:   []state.Put{{Name: name, Value: value}},
	})
	if err != nil {
		return err
	}
	l.learn(folder, r, result.Revision)
	return nil
}

// drop removes records, and the counters that belong to them.
func (l *Ledger) drop(ctx context.Context, records ...state.Check) error {
	b := state.Batch{Checks: records}
	for _, c := range records {
		b.Deletes = append(b.Deletes, c.Name)
	}
	result, err := l.apply(ctx, b)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range records {
		folder, _ := folderOf(c.Name)
		if p := l.forget(folder, result.Revision); p != nil {
			errs = append(errs, p.clear(ctx))
		}
	}
	return errors.Join(errs...)
}

// clear removes the counters of a quota that is no more.
func (p *pool) clear(ctx context.Context) error {
	if err := lock(ctx, p.op); err != nil {
		return err
	}
	defer unlock(p.op)
	for _, f := range []*figure{&p.bytes, &p.files} {
		if _, err := p.count(ctx, state.Drop{ID: state.NewOperationID(), Name: f.name}); err != nil {
			return err
		}
	}
	p.mu.Lock()
	open := p.open
	p.open = false
	p.mu.Unlock()
	if !open {
		return nil
	}
	return p.unmark(ctx, p.openName())
}

// apply makes a batch in the scope of the records, once, also where its outcome
// is not known at first.
func (l *Ledger) apply(ctx context.Context, b state.Batch) (state.Result, error) {
	b.Scope, b.ID = scope, state.NewOperationID()
	var result state.Result
	var err error
	for range 3 {
		result, err = l.store.Apply(ctx, b)
		if err == nil || !errors.Is(err, state.ErrUnknown) {
			break
		}
	}
	return result, err
}

// alter changes a quota's record, wherever it has moved.
func (l *Ledger) alter(ctx context.Context, p *pool, change func(*record)) error {
	l.setting.Lock()
	defer l.setting.Unlock()
	for {
		folder := p.at()
		revision, r, err := l.read(ctx, folder)
		if err != nil {
			return fmt.Errorf("change the quota of %s: %w", folder, err)
		}
		if revision == 0 || r.ID != p.id {
			return nil
		}
		change(&r)
		err = l.write(ctx, folder, r, revision)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("change the quota of %s: %w", folder, err)
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
	for _, f := range []*figure{&p.bytes, &p.files} {
		if err := p.resolve(ctx, f); err != nil {
			return err
		}
		p.mu.Lock()
		limit := p.limit.Bytes
		if f == &p.files {
			limit = p.limit.Files
		}
		if p.gone || !p.counted || f.limit == limit {
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

// Rename makes the quotas on and below a folder follow its rename. A quota that
// stood where one arrives is replaced by it.
func (l *Ledger) Rename(ctx context.Context, from, to path.Path) error {
	l.setting.Lock()
	defer l.setting.Unlock()
	for {
		moved, b, err := l.rename(ctx, from, to)
		if err != nil {
			return fmt.Errorf("rename the quotas below %s: %w", from, err)
		}
		if len(moved) == 0 {
			return nil
		}
		result, err := l.apply(ctx, b)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("rename the quotas below %s: %w", from, err)
		}
		return l.moved(ctx, moved, result.Revision)
	}
}

// moved takes in a rename, and clears away the quotas that it replaced.
func (l *Ledger) moved(ctx context.Context, moved []move, revision uint64) error {
	var errs []error
	for _, m := range moved {
		l.mu.RLock()
		replaced := l.folders.at(m.to)
		l.mu.RUnlock()
		l.learn(m.to, m.record, revision)
		if replaced != nil && replaced.id != m.record.ID {
			errs = append(errs, replaced.clear(ctx))
		}
	}
	return errors.Join(errs...)
}

// A move is that of one record.
type move struct {
	from, to path.Path
	record   record
}

func (l *Ledger) rename(ctx context.Context, from, to path.Path) ([]move, state.Batch, error) {
	var moved []move
	var b state.Batch
	for _, p := range l.within(from) {
		at := p.at()
		revision, r, err := l.read(ctx, at)
		if err != nil {
			return nil, b, err
		}
		rel, ok := from.Rel(at)
		if revision == 0 || !ok {
			continue
		}
		target := to.Append(rel)
		value, err := encode(r)
		if err != nil {
			return nil, b, err
		}
		moved = append(moved, move{at, target, r})
		b.Checks = append(b.Checks, state.Check{Name: recordName(at), Revision: revision})
		b.Deletes = append(b.Deletes, recordName(at))
		b.Puts = append(b.Puts, state.Put{Name: recordName(target), Value: value})
	}
	return moved, b, nil
}

// Drop removes the quotas on and below a folder that is gone.
func (l *Ledger) Drop(ctx context.Context, folder path.Path) error {
	l.setting.Lock()
	defer l.setting.Unlock()
	for {
		var gone []state.Check
		for _, p := range l.within(folder) {
			at := p.at()
			revision, _, err := l.read(ctx, at)
			if err != nil {
				return fmt.Errorf("drop the quotas below %s: %w", folder, err)
			}
			if revision != 0 {
				gone = append(gone, state.Check{Name: recordName(at), Revision: revision})
			}
		}
		if len(gone) == 0 {
			return nil
		}
		err := l.drop(ctx, gone...)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("drop the quotas below %s: %w", folder, err)
		}
		return nil
	}
}

func (l *Ledger) within(p path.Path) []*pool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	found := l.folders.within(p)
	return slices.Clip(found)
}
