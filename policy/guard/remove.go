package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
)

// Remove removes a file or link, RemoveDir an empty folder, RemoveAll a tree.
func (f *FS) Remove(ctx context.Context, p path.Path) error {
	return f.removal(ctx, "remove", p, f.remove)
}

// RemoveDir removes an empty folder.
func (f *FS) RemoveDir(ctx context.Context, p path.Path) error {
	return f.removal(ctx, "rmdir", p, f.removeDir)
}

// RemoveAll removes a file or a whole tree. Where some of it cannot be removed
// the error names the first path, and what could not be stays.
func (f *FS) RemoveAll(ctx context.Context, p path.Path) error {
	return f.removal(ctx, "remove", p, f.removeAll)
}

func (f *FS) removal(ctx context.Context, op string, p path.Path, do func(context.Context, *rules, *place) error) error {
	c, err := f.call(ctx, op, events.Delete, p)
	if err != nil {
		return err
	}
	err = f.s.reach(ctx, &c.at, keep, func(r *rules) error { return do(ctx, r, &c.at) })
	var member *memberError
	if errors.As(err, &member) {
		if rel, ok := c.at.real.Rel(member.p); ok {
			c.at.seen = c.at.seen.Append(rel)
		}
	}
	return c.end(err)
}

func (f *FS) remove(ctx context.Context, r *rules, p *place) error {
	info, err := f.s.describe(ctx, r, p, keep)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return backend.ErrIsDir
	}
	if err := r.judge(p, policy.OpDelete, false); err != nil {
		return err
	}
	t := f.s.tree
	release, err := f.holdToRemove(ctx, span{path: p.real})
	if err != nil {
		return err
	}
	defer release()
	freed, err := t.unlink(ctx, p.real)
	if err != nil {
		return err
	}
	t.release(ctx, p.real, freed)
	return errors.Join(t.unlock(ctx, p.real), t.syncFolder(ctx, p.real.Dir()))
}

// unlink removes what is no folder, and returns what that frees.
func (t *Tree) unlink(ctx context.Context, p path.Path) (quota.Amount, error) {
	info, err := t.store.Stat(ctx, p)
	if err != nil {
		return quota.Amount{}, err
	}
	if !info.IsRegular() {
		return quota.Amount{}, t.unlinkOther(ctx, p)
	}
	for range maxSwaps {
		freed, err := t.unlinkFile(ctx, p, info)
		if !errors.Is(err, errSwapped) {
			return freed, err
		}
		if info, err = t.store.Stat(ctx, p); err != nil {
			return quota.Amount{}, err
		}
		if !info.IsRegular() {
			return quota.Amount{}, t.unlinkOther(ctx, p)
		}
	}
	return quota.Amount{}, errSwapped
}

// unlinkOther removes a link or special file.
func (t *Tree) unlinkOther(ctx context.Context, p path.Path) error {
	if err := t.mayChange(); err != nil {
		return err
	}
	return t.store.Remove(ctx, p)
}

func (t *Tree) unlinkFile(ctx context.Context, p path.Path, info backend.Info) (quota.Amount, error) {
	if err := t.mayChange(); err != nil {
		return quota.Amount{}, err
	}
	s := t.files.use(info.ID, p)
	defer t.files.leave(s)
	l, err := t.borrow(ctx, s, p)
	if err != nil {
		return quota.Amount{}, err
	}
	defer l.end()
	freed, err := s.remove(ctx, p,
		func() (backend.Info, error) { return t.store.Stat(ctx, p) },
		func() error { return t.store.Remove(ctx, p) },
		l.gone)
	if err == nil && (!l.sure() || freed == (quota.Amount{})) {
		t.doubt(p)
		return quota.Amount{}, nil
	}
	return freed, err
}

func (f *FS) mayRemoveFolder(ctx context.Context, r *rules, p *place) error {
	for t := range p.targets(true) {
		if err := r.keeps(t.Path); err != nil {
			return err
		}
	}
	return r.judgeTree(p, policy.OpDelete)
}

// holdToRemove keeps others off what is to go, unless it is locked.
func (f *FS) holdToRemove(ctx context.Context, of span) (release func(), err error) {
	t, touch := f.s.tree, locks.Touch{Path: of.path, Tree: true, Member: true}
	if t.files.shared {
		return f.holdAtOnce(ctx, of, touch)
	}
	if release, err = t.hold(ctx, of); err != nil {
		return nil, err
	}
	if err := f.unlocked(ctx, touch); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// holdAtOnce asks quotas and locks at the same time, which are a way off where nodes
// share them.
func (f *FS) holdAtOnce(ctx context.Context, of span, touch locks.Touch) (release func(), err error) {
	t, asked := f.s.tree, make(chan error, 1)
	leave, err := t.names.hold(ctx, of)
	if err != nil {
		return nil, err
	}
	go func() { asked <- f.unlocked(ctx, touch) }()
	done, err := t.quotas.Touch(ctx, of.path)
	if err = cmp.Or(<-asked, err); err != nil {
		done()
		leave()
		return nil, err
	}
	return func() {
		done()
		leave()
	}, nil
}

func (f *FS) removeDir(ctx context.Context, r *rules, p *place) error {
	info, err := f.s.describe(ctx, r, p, keep)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return backend.ErrNotDir
	}
	if err := f.mayRemoveFolder(ctx, r, p); err != nil {
		return err
	}
	t := f.s.tree
	release, err := f.holdToRemove(ctx, span{p.real, true})
	if err != nil {
		return err
	}
	defer release()
	err = t.store.RemoveDir(ctx, p.real)
	if errors.Is(err, backend.ErrNotEmpty) {
		return f.notEmpty(ctx, p.real)
	}
	if err != nil {
		return err
	}
	return f.forgetFolder(ctx, p.real)
}

// errHidden is for a folder that looks empty and is not.
var errHidden = fmt.Errorf("it holds special files, which are not shown: remove it as a tree: %w", backend.ErrNotEmpty)

func (f *FS) notEmpty(ctx context.Context, p path.Path) error {
	shown := false
	err := f.s.tree.members(ctx, p, func(_ path.Path, info backend.Info) error {
		shown = shown || !info.IsSpecial()
		return nil
	})
	if err != nil || shown {
		return backend.ErrNotEmpty
	}
	return errHidden
}

// forgetFolder makes locks forget a folder that is gone. A quota is of the path:
// who makes the folder anew finds it again.
func (f *FS) forgetFolder(ctx context.Context, p path.Path) error {
	t := f.s.tree
	return errors.Join(t.unlock(ctx, p), t.syncFolder(ctx, p.Dir()))
}

func (f *FS) removeAll(ctx context.Context, r *rules, p *place) error {
	info, err := f.s.describe(ctx, r, p, keep)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return f.remove(ctx, r, p)
	}
	if err := f.mayRemoveFolder(ctx, r, p); err != nil {
		return err
	}
	t := f.s.tree
	if t.holdsMount(p.real) {
		return backend.ErrBusy
	}
	release, err := f.holdToRemove(ctx, span{p.real, true})
	if err != nil {
		return err
	}
	defer release()
	if err := t.removeTree(ctx, p.real); err != nil {
		return err
	}
	return f.forgetFolder(ctx, p.real)
}

// passes bounds how often a folder is emptied into which others put things.
const passes = 8

// removeTree removes a folder with all it holds, special files too. It goes on
// after an error, and returns the first.
func (t *Tree) removeTree(ctx context.Context, p path.Path) error {
	var err error
	for range passes {
		if first := t.empty(ctx, p); first != nil {
			return first
		}
		if err = t.mayChange(); err == nil {
			err = t.store.RemoveDir(ctx, p)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, backend.ErrNotEmpty) {
			break
		}
	}
	if err != nil {
		return &memberError{p, err}
	}
	return nil
}

func (t *Tree) empty(ctx context.Context, folder path.Path) error {
	var first error
	note := func(p path.Path, err error) {
		var deeper *memberError
		if first == nil && err != nil && !errors.Is(err, fs.ErrNotExist) {
			if first = err; !errors.As(err, &deeper) {
				first = &memberError{p, err}
			}
		}
	}
	var folders []path.Path
	var freed quota.Amount
	err := t.members(ctx, folder, func(p path.Path, info backend.Info) error {
		if info.IsDir() {
			folders = append(folders, p)
			return nil
		}
		amount, err := t.unlink(ctx, p)
		if _, own := t.quotas.On(p); own { // it stands where a quota is
			t.release(ctx, p, amount)
		} else {
			freed = plus(freed, amount)
		}
		note(p, err)
		return ctx.Err()
	})
	t.release(ctx, folder, freed)
	note(folder, err)
	for _, p := range folders {
		if ctx.Err() != nil {
			break
		}
		note(p, t.removeTree(ctx, p))
	}
	if first == nil {
		return ctx.Err()
	}
	return first
}
