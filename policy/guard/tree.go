package guard

import (
	"context"
	"slices"

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
	kept    []path.Path // where the homes of deleted accounts are
	fence   func() error
}

// TreeConfig is what a Tree is made of.
type TreeConfig struct {
	Mounts  *mount.Table
	Staging *staging.Area
	Quotas  *quota.Ledger
	Locks   *locks.Table
	// Fence, where other nodes work on the same tree, is asked before each change and
	// each piece that is written: its error refuses it. Nil: this node is alone.
	Fence func() error
}

// NewTree makes the shared part.
func NewTree(c TreeConfig) *Tree {
	t := &Tree{
		mounts:  c.Mounts,
		store:   c.Mounts,
		staging: c.Staging,
		quotas:  c.Quotas,
		locks:   c.Locks,
		fence:   c.Fence,
		files: files{
			shared: c.Fence != nil, ledger: c.Quotas, sync: c.Mounts.Sync,
			byID: make(map[backend.FileID]*stored), staged: make(map[*pending]struct{}),
		},
	}
	t.files.stands = t.stands
	if c.Fence != nil {
		c.Quotas.Yielding(t.files.giveBack)
	}
	for _, m := range c.Mounts.Mounts() {
		if p, err := m.Path.Join(policy.Kept); err == nil {
			t.kept = append(t.kept, p)
		}
	}
	return t
}

// FS makes the file system of a session, which the caller closes.
func (t *Tree) FS(c Config) *FS {
	c.kept = t.kept
	s := &session{tree: t, config: c, handles: make(map[handle]struct{})}
	s.ended, s.end = context.WithCancelCause(context.Background())
	s.rules.Store(newRules(c.Effective, c))
	if c.Traffic != nil {
		c.Traffic.Expect(TrafficLimits(c.Effective))
	}
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

// holdsMount reports whether p is a mount point, or has one below it.
func (t *Tree) holdsMount(p path.Path) bool {
	return slices.ContainsFunc(t.mounts.Mounts(), func(m mount.Mount) bool { return p.Contains(m.Path) })
}

// mountsBelow are the mount points below p.
func (t *Tree) mountsBelow(p path.Path) []path.Path {
	var below []path.Path
	for _, m := range t.mounts.Mounts() {
		if p != m.Path && p.Contains(m.Path) {
			below = append(below, m.Path)
		}
	}
	return below
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
