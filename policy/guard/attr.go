package guard

import (
	"context"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
)

// SetAttr changes size, modes or times. A client's modes keep the owner's
// rights and lose setuid, setgid and sticky; owners are ignored.
func (f *FS) SetAttr(ctx context.Context, p path.Path, a backend.Attr) error {
	c, err := f.call(ctx, "setattr", events.SetAttr, p)
	if err != nil {
		return err
	}
	return c.end(f.s.reach(ctx, &c.at, follow, func(r *rules) error { return f.setAttr(ctx, r, &c.at, a) }))
}

func (f *FS) setAttr(ctx context.Context, r *rules, p *place, a backend.Attr) error {
	info, err := f.s.describe(ctx, r, p, follow)
	if err != nil {
		return err
	}
	if err := f.mayChange(r, p, info, a); err != nil {
		return err
	}
	t := f.s.tree
	release, err := t.names.hold(ctx, span{path: p.real})
	if err != nil {
		return err
	}
	defer release()
	if err := f.unlocked(ctx, locks.Touch{Path: p.real}); err != nil {
		return err
	}
	if a.Size != nil {
		if info.IsDir() {
			return backend.ErrIsDir
		}
		if r.largest > 0 && *a.Size > r.largest {
			return tooLarge(r.largest)
		}
		if err := t.truncate(ctx, p.real, *a.Size); err != nil {
			return err
		}
		a.Size = nil
	}
	owner := ownFile
	if info.IsDir() {
		owner = ownFolder
	}
	if a = clientAttr(undated(a, info), owner); a == (backend.Attr{}) {
		return nil
	}
	if err := t.store.SetAttr(ctx, p.real, a); err != nil {
		return err
	}
	return t.syncSelf(ctx, p.real, info)
}

// mayChange lets who may only create still set times and modes of what the
// session made itself, since clients do.
func (f *FS) mayChange(r *rules, p *place, info backend.Info, a backend.Attr) error {
	err := r.judge(p, policy.OpWrite, info.IsDir())
	if err == nil || a.Size != nil || !f.s.made.has(p.real, info.ID) {
		return err
	}
	if r.judge(p, policy.OpCreate, info.IsDir()) != nil {
		return err
	}
	return nil
}

// truncate sets the size of a file that nobody need have open.
func (t *Tree) truncate(ctx context.Context, p path.Path, size int64) (err error) {
	file, err := t.store.Open(ctx, p, backend.How{Write: true})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
	}()
	book, err := t.files.open(ctx, file, p)
	if err != nil {
		return err
	}
	defer book.close(ctx, file)
	if err := book.truncate(ctx, file, size); err != nil {
		return err
	}
	if m, _ := t.mounts.Of(p); !m.Durable() {
		return nil
	}
	return book.flush(ctx, file)
}

// SetAttr works on the open file, whatever became of its name.
func (f *File) SetAttr(a backend.Attr) error {
	if err := f.enter(""); err != nil {
		return err
	}
	defer f.use.RUnlock()
	return f.c.wrap(f.setAttr(a))
}

func (f *File) setAttr(a backend.Attr) error {
	if !f.how.Write {
		if err := f.mayChange(); err != nil {
			return err
		}
	}
	if a.Size != nil {
		if !f.how.Write {
			return errNotWrite
		}
		if err := f.resize(*a.Size); err != nil {
			return err
		}
		a.Size = nil
	}
	if a.Mode != nil {
		f.modeSet.Store(true)
	}
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	a = clientAttr(undated(a, info), ownFile)
	if a == (backend.Attr{}) {
		return nil
	}
	if err := f.fs.s.tree.mayChange(); err != nil {
		return err
	}
	if f.how.Write {
		if err := f.heed(); err != nil {
			return err
		}
	}
	f.touched.Store(true)
	return f.file.SetAttr(a)
}

// mayChange judges a change of attributes through a handle for reading.
func (f *File) mayChange() error {
	if err := f.fs.s.rules.Load().judge(&f.c.at, policy.OpWrite, false); err != nil {
		return err
	}
	return f.free()
}
