package guard

import (
	"cmp"
	"context"

	"gatehouse/policy"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
)

// mayRename asks policy, and what the account stands on.
func (m *move) mayRename(ctx context.Context, r *rules) error {
	if err := m.prepare(ctx, r, keep, r.policy.DecideRename); err != nil {
		return err
	}
	for t := range m.from.targets(m.source.IsDir()) {
		if err := r.keeps(t.Path); err != nil {
			return err
		}
	}
	return nil
}

// touches is what the locks are asked about: a copy leaves its source alone.
func (m *move) touches(op policy.Operation) []locks.Touch {
	to := locks.Touch{Path: m.to.real, Tree: true, Member: !m.exists}
	if op == policy.OpCopy {
		return []locks.Touch{to}
	}
	return []locks.Touch{{Path: m.from.real, Tree: true, Member: true}, to}
}

// stays refuses to move what stays where it is: folders with quotas, mount
// points, and between mounts everything.
func (m *move) stays() error {
	t, from, to := m.fs.s.tree, m.from.real, m.to.real
	if m.source.IsDir() && len(t.quotas.Limits(from)) > 0 {
		return errQuotaFolder
	}
	if t.holdsMount(from) {
		return backend.ErrBusy
	}
	if err := m.admitted(); err != nil {
		return err
	}
	here, _ := t.mounts.Of(from)
	there, _ := t.mounts.Of(to)
	if here.Path != there.Path {
		return backend.ErrCrossMount
	}
	return nil
}

// admitted says whether the mounts let something stand at the target.
func (m *move) admitted() error {
	t, to := m.fs.s.tree, m.to.real
	if !m.exists {
		return t.mounts.Admits(to)
	}
	if t.holdsMount(to) {
		return backend.ErrBusy
	}
	return nil
}

// mayCopy asks policy, the locks, quotas and mounts.
func (m *move) mayCopy(ctx context.Context, r *rules) (err error) {
	if err := m.prepare(ctx, r, follow, r.policy.DecideCopy); err != nil {
		return err
	}
	if m.early, err = m.fs.early(ctx, m.touches(policy.OpCopy)[0]); err != nil {
		return err
	}
	return cmp.Or(m.opens(), m.admitted())
}
