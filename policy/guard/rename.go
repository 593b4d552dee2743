package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
)

// Rename moves a file or tree. backend.ErrCrossMount between mounts, once
// policy and locks have agreed. fs.ErrInvalid where one path contains the other.
func (f *FS) Rename(ctx context.Context, from, to path.Path, r Replace) error {
	c, err := f.callBoth(ctx, "rename", events.Rename, from, to)
	if err != nil {
		return err
	}
	m := &move{fs: f, from: &c.at, to: c.to, how: r}
	return c.end(f.s.reachBoth(ctx, &c.at, c.to, keep, func(r *rules) error { return m.rename(ctx, r) }))
}

// A move is a rename or copy on its way.
type move struct {
	fs       *FS
	from, to *place
	how      Replace
	source   backend.Info
	target   backend.Info
	exists   bool          // something stands at the target
	early    *early        // of a copy
	swap     *staging.Swap // where a folder had to give way
	moved    quota.Amount  // what was moved from one quota to another

	asked   policy.Move // what policy was asked last
	decided policy.Decision
}

// errQuotaFolder is for folders with a quota on or in them: what they hold can be
// moved, and they can be removed and made anew, with the quota that they had.
var errQuotaFolder = &UnsupportedError{Text: "a folder with a quota of its own stays where it is"}

// errOverlap is for a tree that would stand in itself.
var errOverlap = fmt.Errorf("source and target are the same, or one holds the other: %w", fs.ErrInvalid)

// errSharedFile is for files that would be charged in two places.
var errSharedFile = &UnsupportedError{Text: "a file with several names cannot move from one quota to another"}

func (m *move) rename(ctx context.Context, r *rules) error {
	if err := m.mayRename(ctx, r); err != nil {
		return err
	}
	release, err := m.fs.s.tree.hold(ctx, span{m.from.real, true}, span{m.to.real, true})
	if err != nil {
		return err
	}
	defer release()
	if err := m.fs.first(ctx, m.touches(policy.OpRename)...); err != nil {
		return err
	}
	if err := m.unchanged(ctx); err != nil {
		return err
	}
	if err := m.stays(); err != nil {
		return cmp.Or(m.fs.again(ctx, m.touches(policy.OpRename)...), err)
	}
	if err := m.charge(ctx); err != nil {
		return err
	}
	return m.settle(ctx)
}

// opens refuses to put a tree where quotas stand within it, or to take one away
// there: each would be charged for another part of it. A quota is of a path, and
// what moves onto that very path is charged to it.
func (m *move) opens() error {
	if !m.source.IsDir() && !m.target.IsDir() { // one that is not there is none
		return nil
	}
	to := m.to.real
	if slices.ContainsFunc(m.fs.s.tree.quotas.Limits(to), func(q quota.Limit) bool { return q.Folder != to }) {
		return errQuotaFolder
	}
	return nil
}

// prepare looks at both ends and asks policy.
func (m *move) prepare(ctx context.Context, r *rules, how last, decide func(policy.Move) policy.Decision) error {
	if overlap(m.from.asked, m.to.asked) || overlap(m.from.real, m.to.real) {
		return errOverlap
	}
	var err error
	if m.source, err = m.fs.s.describe(ctx, r, m.from, how); err != nil {
		return err
	}
	if err := m.look(ctx, r); err != nil {
		return err
	}
	if err := m.judge(r, decide); err != nil {
		return err
	}
	if !m.exists {
		return cmp.Or(m.fs.s.folderThere(ctx, r, m.to), r.newName(m.to.real))
	}
	return m.mayReplace(r)
}

// look finds what stands at the target, where the account may know of it.
func (m *move) look(ctx context.Context, r *rules) (err error) {
	m.target, m.exists = backend.Info{}, false
	if r.hides(m.to.asked) || r.hides(m.to.real) {
		return nil
	}
	if m.target, m.exists, err = m.fs.s.find(ctx, m.to); err != nil {
		return storeError(r, m.to, err)
	}
	return nil
}

func overlap(a, b path.Path) bool { return a.Contains(b) || b.Contains(a) }

func (m *move) judge(r *rules, decide func(policy.Move) policy.Decision) error {
	moves := []policy.Move{{From: m.from.asked, To: m.to.asked}}
	if m.from.asked != m.from.real || m.to.asked != m.to.real {
		moves = append(moves, policy.Move{From: m.from.real, To: m.to.real})
	}
	for _, q := range moves {
		q.Folder, q.Replaces = m.source.IsDir(), m.replaces()
		m.asked, m.decided = q, decide(q)
		if m.exists && !r.sees(policy.Target{Path: q.To, Folder: m.target.IsDir()}) {
			m.unseen(q, decide)
		}
		if !m.decided.Allowed {
			return m.refuse(r, q, m.decided)
		}
	}
	return nil
}

// unseen refuses what would replace something that the account is not shown as
// if nothing stood there, if that is refused as well.
func (m *move) unseen(q policy.Move, decide func(policy.Move) policy.Decision) {
	q.Replaces = policy.ReplacesNothing
	if d := decide(q); !d.Allowed {
		m.asked, m.decided = q, d
	}
}

// refuse hides the target where the account may not know of it; the source it
// has been shown.
func (m *move) refuse(r *rules, q policy.Move, d policy.Decision) error {
	return r.refuse(d, policy.Target{Path: q.To, Folder: q.Folder})
}

func (m *move) replaces() policy.Replaced {
	switch {
	case !m.exists:
		return policy.ReplacesNothing
	case m.target.IsDir():
		return policy.ReplacesFolder
	}
	return policy.ReplacesFile
}

// mayReplace says whether what stands at the target gives way.
func (m *move) mayReplace(r *rules) error {
	if m.how == KeepTarget || m.target.IsSpecial() {
		return fs.ErrExist
	}
	if m.source.IsDir() && m.source.ID == m.target.ID {
		return fs.ErrInvalid
	}
	if m.target.IsDir() {
		if m.how == ReplaceFile {
			return backend.ErrIsDir
		}
		for t := range m.to.targets(true) {
			if err := r.keeps(t.Path); err != nil {
				return err
			}
		}
		return nil
	}
	if m.source.IsDir() && m.how == ReplaceFile {
		return backend.ErrNotDir
	}
	return nil
}

// unchanged looks again, now that the names are held: what was judged must
// still be what is there.
func (m *move) unchanged(ctx context.Context) error {
	source, err := m.fs.s.tree.store.Stat(ctx, m.from.real)
	if err != nil {
		return err
	}
	target, exists, err := m.fs.s.find(ctx, m.to)
	if err != nil {
		return err
	}
	if source.ID != m.source.ID || exists != m.exists || exists && target.ID != m.target.ID {
		return errSwapped
	}
	return m.opens()
}

// charge moves what the quotas know along with the files. Whoever writes to one of
// them waits for that, and not for the disk to keep the names.
func (m *move) charge(ctx context.Context) error {
	t, from, to := m.fs.s.tree, m.from.real, m.to.real
	still, err := m.freeze(ctx)
	if err != nil {
		return err
	}
	defer still.thaw()
	limited := [2][]quota.Limit{t.quotas.Limits(from), t.quotas.Limits(to)}
	replaced, gives := &census{}, quota.Amount{}
	if m.exists {
		if replaced, err = t.count(ctx, to, still.find); err != nil {
			return err
		}
		gives = t.gives(to, replaced, still.sure(m.target.ID))
	}
	crosses := t.quotas.Crosses(from, to)
	if crosses {
		err = m.across(ctx, still, gives)
	} else {
		err = m.do(ctx)
	}
	if err != nil {
		return err
	}
	m.fs.s.makes(m.to, m.source.IsDir())
	gone := still.gone(m.target.ID)
	if !gone {
		gives = quota.Amount{}
	}
	// What was replaced made room at the target for as much of what moved,
	// which the folders above the source then give back.
	shared := quota.Amount{}
	if crosses {
		shared = least(m.moved, gives)
	}
	t.release(ctx, from, shared)
	t.release(ctx, to, minus(gives, shared))
	if crosses {
		t.doubt(from, to)
	} else if gives != replaced.total() {
		t.doubt(to)
	}
	if gone {
		still.lose(replaced)
	}
	still.moved(ctx, t, from, to)
	for i, p := range []path.Path{from, to} {
		if !slices.Equal(limited[i], t.quotas.Limits(p)) {
			t.quotas.Recheck(p) // one that was set meanwhile has counted what was there then
		}
	}
	return nil
}

// across moves from one quota to another, where what is replaced gives so much.
func (m *move) across(ctx context.Context, still *still, gives quota.Amount) error {
	t, from, to := m.fs.s.tree, m.from.real, m.to.real
	if err := t.unwritten(ctx, from); err != nil {
		return err
	}
	moving, err := t.count(ctx, from, still.find)
	if err != nil {
		return err
	}
	if moving.shared.Files > 0 {
		return errSharedFile
	}
	m.moved = moving.alone
	grow := positive(minus(m.moved, gives))
	reserved, err := t.files.move(ctx, from, to, grow)
	if err != nil {
		return err
	}
	defer reserved.Cancel()
	if err := m.do(ctx); err != nil {
		return err
	}
	if err := m.stayed(ctx, still); err != nil {
		t.doubt(from, to)
		if m.undo(ctx) == nil {
			return err
		} // else it is where it was to go
	}
	reserved.Commit(positive(minus(m.moved, gives)))
	if !still.gone(m.target.ID) {
		m.chargeFully(ctx, least(m.moved, gives))
	}
	return nil
}

// chargeFully charges what the replaced file, which is still somewhere, was to give.
func (m *move) chargeFully(ctx context.Context, gives quota.Amount) {
	r, err := m.fs.s.tree.files.reserve(ctx, m.to.real, gives)
	if err == nil {
		r.Commit(gives) // what there is no room for the next count finds
	}
}

// stayed looks again at what was moved from one quota to another. Another node may have
// begun to write there just before, and would go on being charged where it no longer is;
// or this one has stood still meanwhile, and was taken for dead. What came to the tree
// while it was measured is charged besides, what went is not given back again: until the
// quotas are counted anew their figures are rather too large.
func (m *move) stayed(ctx context.Context, still *still) error {
	t, to := m.fs.s.tree, m.to.real
	if err := t.mayChange(); err != nil || !t.files.shared || !m.source.IsDir() {
		return err
	}
	if err := t.unwritten(ctx, to); err != nil {
		return err
	}
	now, err := t.count(ctx, to, still.find)
	if err != nil {
		return err
	}
	if now.shared.Files > 0 {
		return errSharedFile // another node has just given it a name where it came from
	}
	if more := positive(minus(now.alone, m.moved)); more != (quota.Amount{}) {
		came, err := t.files.reserve(ctx, to, more)
		if err != nil {
			return err
		}
		came.Commit(more)
	}
	m.moved = least(m.moved, now.alone)
	return nil
}

// undo takes back what do did.
func (m *move) undo(ctx context.Context) error {
	if m.swap != nil {
		return m.swap.Undo()
	}
	if m.exists {
		return fs.ErrExist // a file has replaced a file, which is gone
	}
	return m.fs.s.tree.store.Rename(context.WithoutCancel(ctx), m.to.real, m.from.real, false)
}

func (m *move) freeze(ctx context.Context) (*still, error) {
	var alone []fileAt
	if m.source.IsRegular() {
		alone = append(alone, fileAt{m.source.ID, m.from.real})
	}
	if m.exists && m.target.IsRegular() && m.target.ID != m.source.ID {
		alone = append(alone, fileAt{m.target.ID, m.to.real})
	}
	return m.fs.s.tree.freeze(ctx, []path.Path{m.from.real, m.to.real}, alone...)
}

// do moves on disk. Where a folder is in the way, it is put aside first.
func (m *move) do(ctx context.Context) (err error) {
	t, from, to := m.fs.s.tree, m.from.real, m.to.real
	if err := m.fs.again(ctx, m.touches(policy.OpRename)...); err != nil {
		return err
	}
	if !m.exists || !m.target.IsDir() && !m.source.IsDir() {
		return t.store.Rename(ctx, from, to, m.exists)
	}
	m.swap, err = t.staging.Move(ctx, from, to)
	return err
}

// settle makes locks follow, which stay with the name (RFC 4918 7.7), and the new
// name durable. What was put aside for it goes once it is: what is left of that is
// out of sight, and goes at the next start.
func (m *move) settle(ctx context.Context) error {
	t, from, to := m.fs.s.tree, m.from.real, m.to.real
	ctx = context.WithoutCancel(ctx)
	err := t.syncNew(ctx, to.Dir(), from.Dir())
	if err == nil && m.swap != nil {
		_ = m.swap.Drop()
	}
	return errors.Join(t.unlock(ctx, from), err)
}
