package guard

import (
	"context"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
)

// A Tree is what all sessions of a node share: mounts, staging, quotas, locks,
// and the table of open files that makes growth exact whoever writes.
type Tree struct {
	mounts  *mount.Table
	store   backend.Backend // mounts
	staging *staging.Area
	quotas  *quota.Ledger
	locks   *locks.Table
	names   names
	files   files
}

// TreeConfig is what a Tree is made of.
type TreeConfig struct {
	Mounts  *mount.Table
	Staging *staging.Area
	Quotas  *quota.Ledger
	Locks   *locks.Table
}

// NewTree makes the shared part.
func NewTree(c TreeConfig) *Tree {
	return &Tree{
		mounts:  c.Mounts,
		store:   c.Mounts,
		staging: c.Staging,
		quotas:  c.Quotas,
		locks:   c.Locks,
		files:   files{ledger: c.Quotas, byID: make(map[backend.FileID]*stored), staged: make(map[*pending]struct{})},
	}
}

// FS makes the file system of a session, which the caller closes.
func (t *Tree) FS(c Config) *FS {
	s := &session{tree: t, config: c, handles: make(map[handle]struct{}), made: newMade(), nulls: newMade()}
	s.rules.Store(newRules(c.Effective, c))
	return &FS{s: s}
}

// System makes a file system with every right on the whole tree, for the
// administration's own work; actor is named in its events. Locks do not hold it.
func (t *Tree) System(actor string, report func(events.Event)) *FS {
	site := policy.Site{Symlinks: policy.Allow}
	f := t.FS(Config{
		Effective: policy.System(site),
		Door:      policy.API,
		Report: func(e events.Event) {
			e.Actor = actor
			if report != nil {
				report(e)
			}
		},
	})
	f.s.system = true
	return f
}

// sync makes a folder's entries durable where its mount promises that for
// every change.
func (t *Tree) sync(ctx context.Context, folders ...path.Path) error {
	for _, p := range folders {
		m, _ := t.mounts.Of(p)
		if m.Sync != mount.SyncAlways {
			continue
		}
		if err := t.store.Sync(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// hold keeps others off these names, and announces to the quotas that
// something there may go away.
func (t *Tree) hold(ctx context.Context, spans ...span) (release func(), err error) {
	leave, err := t.names.hold(ctx, spans...)
	if err != nil {
		return nil, err
	}
	paths := make([]path.Path, len(spans))
	for i, s := range spans {
		paths[i] = s.path
	}
	done, err := t.quotas.Touch(ctx, paths...)
	if err != nil {
		leave()
		return nil, err
	}
	return func() {
		done()
		leave()
	}, nil
}

// release gives back what was freed at p. What the ledger cannot take now its
// next count finds: the files are gone either way.
func (t *Tree) release(ctx context.Context, p path.Path, freed quota.Amount) {
	if freed != (quota.Amount{}) {
		_ = t.quotas.Release(context.WithoutCancel(ctx), p, freed)
	}
}
