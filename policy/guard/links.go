package guard

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
)

// Symlink makes a link where policy allows it; target as the client sent it,
// absolute in what the account sees or relative to p. It is stored relative, so
// that it leads to the same place on the machine.
func (f *FS) Symlink(ctx context.Context, target string, p path.Path) error {
	c, err := f.call(ctx, "symlink", events.Link, p)
	if err != nil {
		return err
	}
	return c.end(f.s.reach(ctx, &c.at, keep, func(r *rules) error { return f.symlink(ctx, r, target, &c.at) }))
}

func (f *FS) symlink(ctx context.Context, r *rules, target string, p *place) error {
	if d := r.policy.MayMakeLinks(); !d.Allowed {
		return r.refuse(d, policy.Target{Path: p.asked})
	}
	if err := r.judge(p, policy.OpCreate, false); err != nil {
		return err
	}
	if err := r.newName(p.real); err != nil {
		return err
	}
	text, err := f.linkText(r, target, p)
	if err != nil {
		return err
	}
	release, err := f.s.tree.names.hold(ctx, span{path: p.real})
	if err != nil {
		return err
	}
	defer release()
	if err := f.unlocked(ctx, locks.Touch{Path: p.real, Member: true}); err != nil {
		return err
	}
	if err := f.s.tree.store.Symlink(ctx, text, p.real); err != nil {
		return storeError(r, p, err)
	}
	f.s.makes(p, false)
	return f.s.tree.syncNew(ctx, p.real.Dir())
}

// errOtherMount is for links that a machine could not follow as the tree does.
var errOtherMount = &UnsupportedError{Text: "a link cannot lead to another mount"}

// linkText is what is stored for a link that leads to target.
func (f *FS) linkText(r *rules, target string, p *place) (string, error) {
	if target == "" {
		return "", fs.ErrInvalid
	}
	if !strings.HasPrefix(target, "/") {
		target = p.seen.Dir().String() + "/" + target
	}
	seen, err := path.Parse(target)
	if err != nil {
		return "", err
	}
	to := r.view.Tree(seen)
	if !r.sees(policy.Target{Path: to}) && !r.sees(policy.Target{Path: to, Folder: true}) {
		return "", r.refuse(r.decide(policy.OpStat, policy.Target{Path: to}), policy.Target{Path: p.asked})
	}
	here, _ := f.s.tree.mounts.Of(p.real.Dir())
	there, _ := f.s.tree.mounts.Of(to)
	if here.Path != there.Path {
		return "", errOtherMount
	}
	return relative(p.real.Dir(), to), nil
}

// relative is the way from a folder to a path, as a link says it.
func relative(from, to path.Path) string {
	a, b := slices.Collect(from.Names()), slices.Collect(to.Names())
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	way := slices.Concat(slices.Repeat([]string{".."}, len(a)), b)
	if len(way) == 0 {
		return "."
	}
	return strings.Join(way, "/")
}

// Readlink returns where a link leads, as the account sees it, relative to the
// link. One that leads nowhere that the account may know of is fs.ErrNotExist.
func (f *FS) Readlink(ctx context.Context, p path.Path) (string, error) {
	c, err := f.call(ctx, "readlink", "", p)
	if err != nil {
		return "", err
	}
	var text string
	err = f.s.reach(ctx, &c.at, keep, func(r *rules) error {
		info, err := f.s.describe(ctx, r, &c.at, keep)
		if err != nil {
			return err
		}
		if !info.IsLink() {
			return fs.ErrInvalid
		}
		text, err = f.shownLink(ctx, r, &c.at)
		return err
	})
	return text, c.end(err)
}

func (f *FS) shownLink(ctx context.Context, r *rules, p *place) (string, error) {
	said, err := f.s.tree.store.Readlink(ctx, p.real)
	if errors.Is(err, fs.ErrInvalid) {
		return "", errSwapped
	}
	if err != nil {
		return "", err
	}
	to, ok := f.s.tree.leads(p.real.Dir(), said)
	if !ok || !r.sees(policy.Target{Path: to}) && !r.sees(policy.Target{Path: to, Folder: true}) {
		return "", fs.ErrNotExist
	}
	seen, ok := r.view.Seen(to)
	if !ok {
		return "", fs.ErrNotExist
	}
	dir, ok := r.view.Seen(p.real.Dir())
	if !ok {
		dir = p.seen.Dir()
	}
	return relative(dir, seen), nil
}

// leads is where a link in a folder says it leads, no further links followed.
func (t *Tree) leads(folder path.Path, said string) (path.Path, bool) {
	names, ok := linkNames(said)
	if !ok {
		return path.Path{}, false
	}
	w := walk{tree: t, at: folder}
	for _, name := range names {
		if name == ".." {
			if w.up() != nil {
				return path.Path{}, false
			}
			continue
		}
		next, err := w.at.Join(name)
		if err != nil {
			return path.Path{}, false
		}
		w.at = next
	}
	return w.at, true
}

// errSharedQuota is for a hard link that would be charged in two places.
var errSharedQuota = &UnsupportedError{Text: "a file cannot have names under different quotas"}

// Link makes a hard link.
func (f *FS) Link(ctx context.Context, from, to path.Path) error {
	c, err := f.callBoth(ctx, "link", events.Link, from, to)
	if err != nil {
		return err
	}
	m := &move{fs: f, from: &c.at, to: c.to}
	return c.end(f.s.reachBoth(ctx, &c.at, c.to, keep, func(r *rules) error { return m.link(ctx, r) }))
}

func (m *move) link(ctx context.Context, r *rules) error {
	decide := func(q policy.Move) policy.Decision { return r.policy.DecideLink(q.From, q.To) }
	if err := m.prepare(ctx, r, keep, decide); err != nil {
		return err
	}
	if m.source.IsDir() {
		return backend.ErrIsDir
	}
	if !m.source.IsRegular() {
		return &UnsupportedError{Text: "only a file can have several names"}
	}
	from, to, t := m.from.real, m.to.real, m.fs.s.tree
	release, err := t.names.hold(ctx, span{path: from}, span{path: to})
	if err != nil {
		return err
	}
	defer release()
	// Through a second name somebody could write to a locked file.
	if err := m.fs.unlocked(ctx, locks.Touch{Path: from}, locks.Touch{Path: to, Member: true}); err != nil {
		return err
	}
	if t.quotas.Crosses(from, to) {
		return errSharedQuota
	}
	if err := m.linkTo(ctx, r); err != nil {
		return err
	}
	m.fs.s.makes(m.to, false)
	return t.syncNew(ctx, to.Dir())
}

// linkTo makes the link. Whoever writes to the file waits for that, and not for
// the disk to keep it.
func (m *move) linkTo(ctx context.Context, r *rules) error {
	from, to, t := m.from.real, m.to.real, m.fs.s.tree
	// Nobody removes another name of the file while its names are counted.
	s := t.files.use(m.source.ID, from)
	defer t.files.leave(s)
	l, err := t.borrow(ctx, s, from)
	if err != nil {
		return err
	}
	defer l.end()
	if err := l.busy(); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.gone {
		return errSwapped
	}
	if err := m.unchanged(ctx); err != nil {
		return err
	}
	if err := t.store.Link(ctx, from, to); err != nil {
		return storeError(r, m.to, err)
	}
	s.named(to)
	return nil
}
