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

// Properties returns the dead properties of an entry of the folder by the name
// that Next gave it. Links have none.
func (d *Dir) Properties(ctx context.Context, name string) (map[string][]byte, error) {
	d.mu.Lock()
	err := d.usable()
	d.mu.Unlock()
	if err != nil {
		return nil, d.c.wrap(err)
	}
	seen, err := d.c.at.seen.Join(name)
	if err != nil {
		return nil, d.c.wrap(err)
	}
	fsys := FS{s: d.c.s}
	return fsys.Properties(ctx, seen)
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
