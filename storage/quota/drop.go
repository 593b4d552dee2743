package quota

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// Drop removes the quotas on and below a folder, whose owner is gone.
func (l *Ledger) Drop(ctx context.Context, folder path.Path) error {
	pools := l.within(folder)
	// Always from above to below, so that two who drop never wait for each other.
	slices.SortFunc(pools, func(a, b *pool) int { return a.folder.Compare(b.folder) })
	for _, p := range pools {
		unlock, err := l.setting.Lock(ctx, p.folder)
		if err != nil {
			return fmt.Errorf("drop the quotas below %s: %w", folder, err)
		}
		defer unlock()
	}
	for {
		err := l.dropAll(ctx, pools)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("drop the quotas below %s: %w", folder, err)
		}
		return nil
	}
}

func (l *Ledger) dropAll(ctx context.Context, pools []*pool) error {
	var all []kept
	for _, p := range pools {
		revision, r, err := l.read(ctx, p.folder)
		if err != nil {
			return err
		}
		if revision != 0 {
			all = append(all, kept{l.learn(p.folder, r, revision), revision})
		}
	}
	return l.drop(ctx, all...)
}

// kept is a quota, and the revision of the record that it was read from.
type kept struct {
	pool     *pool
	revision uint64
}

// drop removes records, and the counters that belong to them.
func (l *Ledger) drop(ctx context.Context, all ...kept) error {
	var b state.Batch
	for _, k := range all {
		name := recordName(k.pool.folder)
		b.Checks = append(b.Checks, state.Check{Name: name, Revision: k.revision})
		b.Deletes = append(b.Deletes, name)
	}
	if _, err := l.apply(ctx, b); err != nil {
		return err
	}
	var errs []error
	for _, k := range all {
		l.forget(k.pool)
		errs = append(errs, k.pool.clear(ctx))
	}
	return errors.Join(errs...)
}

// clear removes the counters of a quota that is no more.
func (p *pool) clear(ctx context.Context) error {
	if err := lock(ctx, p.op); err != nil {
		return err
	}
	defer unlock(p.op)
	err := p.both(func(f *figure) error {
		_, err := p.count(ctx, state.Drop{ID: state.NewOperationID(), Name: f.name})
		return err
	})
	if err != nil {
		return err
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
