package guard

import (
	"context"
	"errors"
	"maps"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
)

// Properties returns the dead properties of p, by name.
func (f *FS) Properties(ctx context.Context, p path.Path) (map[string][]byte, error) {
	c, err := f.aside(ctx, "properties", p)
	if err != nil {
		return nil, err
	}
	var props map[string][]byte
	err = f.s.reach(ctx, &c.at, follow, func(r *rules) error {
		if _, err := f.s.describe(ctx, r, &c.at, follow); err != nil {
			return err
		}
		var err error
		props, err = f.s.tree.store.Properties(ctx, c.at.real)
		if errors.Is(err, backend.ErrUnsupported) {
			return nil
		}
		return err
	})
	return props, c.end(err)
}

// Properties returns the dead properties of an entry that Next gave. What stands
// in the folder itself is not looked up again.
func (d *Dir) Properties(ctx context.Context, i Info) (map[string][]byte, error) {
	if props, ok, err := d.direct(ctx, i); ok || err != nil {
		return props, err
	}
	seen, err := d.c.at.seen.Join(i.Name())
	if err != nil {
		return nil, d.c.wrap(err)
	}
	fsys := FS{s: d.c.s}
	return fsys.Properties(ctx, seen)
}

// direct reads through the open folder what was judged with the rules in force. It
// may be a file or a folder by now: the account has to see either.
func (d *Dir) direct(ctx context.Context, i Info) (props map[string][]byte, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return nil, false, d.c.wrap(err)
	}
	if !i.Direct() || !i.among.alike || !i.among.file.visible || !i.among.folder.visible || d.store == nil {
		return nil, false, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, false, d.c.wrap(err)
	}
	if r, err := d.c.s.viewed(ctx); err != nil || r != i.rules {
		return nil, false, d.c.wrap(err)
	}
	props, err = d.store.Properties(i.Name())
	return props, err == nil, nil
}

// SetProperties changes dead properties: nil removes one. All or nothing.
func (f *FS) SetProperties(ctx context.Context, p path.Path, change map[string][]byte) error {
	c, err := f.call(ctx, "setproperties", events.Property, p)
	if err != nil {
		return err
	}
	return c.end(f.s.reach(ctx, &c.at, follow, func(r *rules) error { return f.setProperties(ctx, r, &c.at, change) }))
}

func (f *FS) setProperties(ctx context.Context, r *rules, p *place, change map[string][]byte) error {
	info, err := f.s.describe(ctx, r, p, follow)
	if err != nil {
		return err
	}
	if err := r.judge(p, policy.OpWrite, info.IsDir()); err != nil {
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
	props, err := t.store.Properties(ctx, p.real)
	if err != nil && !errors.Is(err, backend.ErrUnsupported) {
		return err
	}
	next := make(map[string][]byte, len(props)+len(change))
	maps.Copy(next, props)
	for name, value := range change {
		if next[name] = value; value == nil {
			delete(next, name)
		}
	}
	if err := t.store.SetProperties(ctx, p.real, next); err != nil {
		return err
	}
	return t.syncSelf(ctx, p.real, info)
}
