package guard

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Stat follows links, Lstat does not.
func (f *FS) Stat(ctx context.Context, p path.Path) (Info, error) {
	return f.stat(ctx, "stat", p, follow)
}

// Lstat describes what stands at p itself.
func (f *FS) Lstat(ctx context.Context, p path.Path) (Info, error) {
	return f.stat(ctx, "lstat", p, keep)
}

func (f *FS) stat(ctx context.Context, op string, p path.Path, how last) (Info, error) {
	c, err := f.call(ctx, op, "", p)
	if err != nil {
		return Info{}, err
	}
	var found Info
	err = f.s.reach(ctx, &c.at, how, func(r *rules) error {
		info, err := f.s.describe(ctx, r, &c.at, how)
		found = newInfo(r, &c.at, info)
		return err
	})
	if err != nil {
		if r := f.s.rules.Load(); c.at.asked == r.view.Root && errors.Is(err, fs.ErrNotExist) {
			return newInfo(r, &c.at, emptyFolder()), nil
		}
		return Info{}, c.end(err)
	}
	return found, nil
}

// emptyFolder is what an account's root looks like that is not there, or that
// is nothing the account has a right on: there has to be one to log in to.
func emptyFolder() backend.Info {
	return backend.Info{Mode: fs.ModeDir | 0o750, Links: 1}
}

// describe looks at what stands at a place, if the account may know of it.
func (s *session) describe(ctx context.Context, r *rules, p *place, how last) (backend.Info, error) {
	info, err := s.tree.store.Stat(ctx, p.real)
	switch {
	case errors.Is(err, backend.ErrNotDir):
		return info, r.conceal(p, fs.ErrNotExist)
	case swapped(err):
		return info, err
	case err != nil:
		return info, r.conceal(p, err)
	case info.IsSpecial():
		return info, fs.ErrNotExist
	case info.IsLink() && how == follow:
		if err := r.visible(p, false); err != nil {
			return info, err
		}
		return info, backend.ErrLink
	}
	return info, r.visible(p, info.IsDir())
}

// find is describe for a name that may be free.
func (s *session) find(ctx context.Context, p *place) (info backend.Info, exists bool, err error) {
	info, err = s.tree.store.Stat(ctx, p.real)
	if errors.Is(err, fs.ErrNotExist) {
		return info, false, nil
	}
	return info, err == nil, err
}

// folderThere refuses at once what would stand in no folder.
func (s *session) folderThere(ctx context.Context, r *rules, p *place) error {
	info, err := s.tree.store.Stat(ctx, p.real.Dir())
	switch {
	case err != nil:
		return storeError(r, p, err)
	case info.IsLink():
		return backend.ErrLink
	case !info.IsDir():
		return storeError(r, p, fs.ErrNotExist)
	}
	return nil
}

// RealPath resolves every link and returns the path as the account sees it.
func (f *FS) RealPath(ctx context.Context, p path.Path) (path.Path, error) {
	c, err := f.call(ctx, "realpath", "", p)
	if err != nil {
		return p, err
	}
	err = f.s.reach(ctx, &c.at, follow, func(r *rules) error {
		_, err := f.s.describe(ctx, r, &c.at, follow)
		return err
	})
	r := f.s.rules.Load()
	if errors.Is(err, fs.ErrNotExist) && c.at.asked == r.view.Root {
		return p, nil
	}
	if err != nil {
		return p, c.end(err)
	}
	if c.at.real == c.at.asked {
		return p, nil
	}
	if seen, ok := r.view.Seen(c.at.real); ok {
		return seen, nil
	}
	return p, nil
}
