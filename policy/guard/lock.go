package guard

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
)

// Lock locks p. Locking what does not exist makes an empty file, exclusively;
// created tells.
func (f *FS) Lock(ctx context.Context, p path.Path, q LockRequest) (l Lock, created bool, err error) {
	c, err := f.call(ctx, "lock", events.LockTree, p)
	if err != nil {
		return Lock{}, false, err
	}
	err = f.s.reach(ctx, &c.at, follow, func(r *rules) error {
		l, created, err = f.lock(ctx, r, &c.at, q)
		return err
	})
	if err != nil {
		return Lock{}, false, c.end(err)
	}
	return f.s.shownLock(l), created, c.end(nil)
}

func (f *FS) lock(ctx context.Context, r *rules, p *place, q LockRequest) (Lock, bool, error) {
	info, err := f.s.describe(ctx, r, p, follow)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return Lock{}, false, err
	case missing:
		if err := f.mayStand(ctx, r, p); err != nil {
			return Lock{}, false, err
		}
	default:
		if err := r.judge(p, policy.OpWrite, info.IsDir()); err != nil {
			return Lock{}, false, err
		}
	}
	release, err := f.holdToLock(ctx, p, missing)
	if err != nil {
		return Lock{}, false, err
	}
	defer release()
	f = f.Once() // what is locked is known right after
	l, err := f.s.tree.locks.Lock(ctx, locks.Request{
		Path: p.real, Deep: q.Deep, Shared: q.Shared,
		AccountID: r.account.ID, Account: r.account.Name, Door: string(f.s.config.Door),
		Owner: q.Owner, Timeout: q.Timeout,
	})
	if err != nil || !missing {
		return l, false, err
	}
	if err := f.lockNull(ctx, r, p, l.Token); err != nil {
		undo := f.s.tree.locks.Unlock(context.WithoutCancel(ctx), p.real, r.account.ID, l.Token)
		return Lock{}, false, errors.Join(err, undo)
	}
	return l, true, nil
}

// holdToLock keeps others off what is to be locked: whoever has looked for locks
// has done by then what it looked for.
func (f *FS) holdToLock(ctx context.Context, p *place, missing bool) (release func(), err error) {
	if err := f.s.tree.mayChange(); err != nil {
		return nil, err
	}
	release, err = f.s.tree.names.hold(ctx, span{p.real, true})
	if err != nil {
		return nil, err
	}
	_, exists, err := f.s.find(ctx, p)
	if err == nil && exists == missing {
		err = errSwapped
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// mayStand says whether an empty file can be made where the account finds
// nothing. What it is not shown may be there all the same.
func (f *FS) mayStand(ctx context.Context, r *rules, p *place) error {
	if err := r.judge(p, policy.OpCreate, false); err != nil {
		return err
	}
	info, exists, err := f.s.find(ctx, p)
	switch {
	case err != nil:
		return storeError(r, p, err)
	case !exists:
		return nil
	case info.IsSpecial():
		return fs.ErrExist
	}
	if err := r.visible(p, info.IsDir()); err != nil {
		return err
	}
	return errSwapped
}

// lockNull makes the empty file that a lock on nothing stands for (RFC 4918 7.3).
func (f *FS) lockNull(ctx context.Context, r *rules, p *place, token string) error {
	how := Open{Write: true, Create: true, Exclusive: true}
	with := f.With(append([]string{token}, f.tokens...))
	file := &File{fs: with, c: &call{s: f.s, at: *p}, how: how}
	file.ctx, file.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	err := file.create(ctx, r, policy.OpCreate)
	if errors.Is(err, fs.ErrExist) {
		return errSwapped
	}
	if err != nil {
		return err
	}
	if info, err := file.file.Stat(); err == nil {
		f.s.nulls.add(p.real, info.ID)
	}
	file.drop()
	return f.s.tree.syncFolder(ctx, p.real.Dir())
}

// RefreshLock starts a lock's life anew.
func (f *FS) RefreshLock(ctx context.Context, p path.Path, token string, timeout time.Duration) (Lock, error) {
	c, err := f.call(ctx, "lock", events.LockTree, p)
	if err != nil {
		return Lock{}, err
	}
	var l Lock
	err = f.s.reach(ctx, &c.at, follow, func(r *rules) error {
		info, err := f.s.describe(ctx, r, &c.at, follow)
		if err != nil {
			return err
		}
		if err := r.judge(&c.at, policy.OpWrite, info.IsDir()); err != nil {
			return err
		}
		l, err = f.s.tree.locks.Refresh(ctx, c.at.real, r.account.ID, token, timeout)
		return err
	})
	if err != nil {
		return Lock{}, c.end(err)
	}
	return f.s.shownLock(l), c.end(nil)
}

// Unlock releases a lock of the account's own.
func (f *FS) Unlock(ctx context.Context, p path.Path, token string) error {
	c, err := f.call(ctx, "unlock", events.Unlock, p)
	if err != nil {
		return err
	}
	return c.end(f.s.reach(ctx, &c.at, follow, func(r *rules) error {
		if _, err := f.s.describe(ctx, r, &c.at, follow); err != nil {
			return err
		}
		if err := r.onlyReads(); err != nil {
			return err
		}
		return f.s.tree.locks.Unlock(ctx, c.at.real, r.account.ID, token)
	}))
}

// Locks returns the locks that hold on p.
func (f *FS) Locks(ctx context.Context, p path.Path) ([]Lock, error) {
	return f.listLocks(ctx, p, func(p path.Path) ([]Lock, error) { return f.lockView().Covering(ctx, p) })
}

// LocksBelow returns the locks on p and on what is below it, as far as the
// account may know of it.
func (f *FS) LocksBelow(ctx context.Context, p path.Path) ([]Lock, error) {
	return f.listLocks(ctx, p, func(p path.Path) ([]Lock, error) {
		r := f.s.rules.Load()
		all, err := f.lockView().List(ctx, p, f.s.tree.mountsBelow(p)...)
		var seen []Lock
		for _, l := range all {
			if r.sees(policy.Target{Path: l.Path}) || r.sees(policy.Target{Path: l.Path, Folder: true}) {
				seen = append(seen, l)
			}
		}
		return seen, err
	})
}

// lockView is what Locks and LocksBelow look at.
func (f *FS) lockView() *locks.View {
	if f.view != nil {
		return f.view
	}
	return f.s.tree.locks.View()
}

func (f *FS) listLocks(ctx context.Context, p path.Path, list func(path.Path) ([]Lock, error)) ([]Lock, error) {
	c, err := f.aside(ctx, "locks", p)
	if err != nil {
		return nil, err
	}
	var found []Lock
	err = f.s.reach(ctx, &c.at, follow, func(r *rules) error {
		_, err := f.s.describe(ctx, r, &c.at, follow)
		if err == nil {
			found, err = list(c.at.real)
		}
		return err
	})
	if err != nil {
		return nil, c.end(err)
	}
	for i := range found {
		found[i] = f.s.shownLock(found[i])
	}
	return found, nil
}
