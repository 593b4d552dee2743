package guard

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
)

// Mkdir makes one folder.
func (f *FS) Mkdir(ctx context.Context, p path.Path, mode fs.FileMode) error {
	c, err := f.call(ctx, "mkdir", events.Mkdir, p)
	if err != nil {
		return err
	}
	return c.end(f.s.reach(ctx, &c.at, keep, func(r *rules) error { return f.mkdir(ctx, r, &c.at, mode) }))
}

func (f *FS) mkdir(ctx context.Context, r *rules, p *place, mode fs.FileMode) error {
	if p.seen.IsRoot() {
		return fs.ErrExist
	}
	if err := r.judge(p, policy.OpCreate, true); err != nil {
		return err
	}
	if err := r.newName(p.real); err != nil {
		return err
	}
	if err := f.vacant(ctx, r, p); err != nil {
		return err
	}
	t := f.s.tree
	// Nobody puts something into a folder that may not be there to stay.
	release, err := t.names.hold(ctx, span{p.real, true})
	if err != nil {
		return err
	}
	defer release()
	if err := f.unlocked(ctx, locks.Touch{Path: p.real, Member: true}); err != nil {
		return err
	}
	if err := t.store.Mkdir(ctx, p.real); err != nil {
		return storeError(r, p, err)
	}
	err = f.dress(ctx, p.real, mode)
	if err == nil {
		err = t.syncNew(ctx, p.real.Dir())
	}
	if err != nil {
		return errors.Join(err, t.store.RemoveDir(context.WithoutCancel(ctx), p.real))
	}
	f.s.makes(p, true)
	if info, err := t.store.Stat(ctx, p.real); err == nil {
		f.s.made.add(p.real, info.ID)
	}
	return nil
}

// vacant is fs.ErrExist where something stands, once who is just making it is
// done. So who makes a folder that is there keeps nobody off what is below.
func (f *FS) vacant(ctx context.Context, r *rules, p *place) error {
	release, err := f.s.tree.names.hold(ctx, span{path: p.real})
	if err != nil {
		return err
	}
	defer release()
	_, exists, err := f.s.find(ctx, p)
	if err == nil && exists {
		err = fs.ErrExist
	}
	if err != nil {
		return storeError(r, p, err)
	}
	return nil
}

// dress gives a new folder the mode and owner that it is to have; the mount's
// mode is as a umask to the client's.
func (f *FS) dress(ctx context.Context, p path.Path, mode fs.FileMode) error {
	o := f.s.owner()
	a := backend.Attr{UID: o.uid, GID: o.gid}
	if mode != 0 {
		made, err := f.s.tree.store.Stat(ctx, p)
		if err != nil {
			return err
		}
		if mode = mode&made.Mode.Perm() | ownFolder; mode != made.Mode.Perm() {
			a.Mode = &mode
		}
	}
	if a == (backend.Attr{}) {
		return nil
	}
	return f.s.tree.store.SetAttr(ctx, p, a)
}

// storeError is what the account hears where the store could not do something:
// a file on the way is no folder, and of what it may not know it hears nothing.
func storeError(r *rules, p *place, err error) error {
	if swapped(err) {
		return err
	}
	if errors.Is(err, backend.ErrNotDir) {
		err = fs.ErrNotExist
	}
	return r.conceal(p, err)
}
