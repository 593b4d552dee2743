package mount

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Open opens a regular file.
func (t *Table) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	find := t.existing
	if how.Create {
		find = t.fresh
	}
	at, err := find(ctx, "open", p)
	if err != nil {
		return nil, err
	}
	if at.way {
		if how.Exclusive {
			return nil, pathError("open", p, fs.ErrExist)
		}
		return nil, pathError("open", p, backend.ErrIsDir)
	}
	var f backend.File
	open := func() (err error) {
		f, err = at.Backend.Open(ctx, at.rel, how)
		return err
	}
	if how.Create {
		err = t.making(ctx, at, open)
	} else {
		err = open()
	}
	if err != nil {
		return nil, at.error(err)
	}
	return at.file(f), nil
}

// Stat describes what stands at p itself.
func (t *Table) Stat(ctx context.Context, p path.Path) (backend.Info, error) {
	at, err := t.existing(ctx, "stat", p)
	if err != nil {
		return backend.Info{}, err
	}
	i, err := at.Backend.Stat(ctx, at.rel)
	if at.way && (!i.IsDir() || errors.Is(err, fs.ErrNotExist)) && !at.point {
		return t.shell(p), nil
	}
	if err != nil {
		return backend.Info{}, at.error(err)
	}
	i.Name = p.Base()
	return i, nil
}

// Mkdir makes one folder.
func (t *Table) Mkdir(ctx context.Context, p path.Path) error {
	at, err := t.fresh(ctx, "mkdir", p)
	if err != nil {
		return err
	}
	if at.way {
		return pathError("mkdir", p, fs.ErrExist)
	}
	return at.error(t.making(ctx, at, func() error { return at.Backend.Mkdir(ctx, at.rel) }))
}

// Remove removes a file, link or special file.
func (t *Table) Remove(ctx context.Context, p path.Path) error {
	at, err := t.existing(ctx, "remove", p)
	if err != nil {
		return err
	}
	if at.way {
		return pathError("remove", p, backend.ErrBusy)
	}
	return at.error(at.Backend.Remove(ctx, at.rel))
}

// RemoveDir removes an empty folder.
func (t *Table) RemoveDir(ctx context.Context, p path.Path) error {
	at, err := t.existing(ctx, "rmdir", p)
	if err != nil {
		return err
	}
	if at.way {
		return pathError("rmdir", p, backend.ErrBusy)
	}
	return at.error(at.Backend.RemoveDir(ctx, at.rel))
}

// Symlink makes a link.
func (t *Table) Symlink(ctx context.Context, target string, p path.Path) error {
	at, err := t.fresh(ctx, "symlink", p)
	if err != nil {
		return err
	}
	if at.way {
		return pathError("symlink", p, fs.ErrExist)
	}
	return at.error(t.making(ctx, at, func() error { return at.Backend.Symlink(ctx, target, at.rel) }))
}

// Readlink reads a link.
func (t *Table) Readlink(ctx context.Context, p path.Path) (string, error) {
	at, err := t.existing(ctx, "readlink", p)
	if err != nil {
		return "", err
	}
	if at.way {
		return "", pathError("readlink", p, fs.ErrInvalid)
	}
	target, err := at.Backend.Readlink(ctx, at.rel)
	return target, at.error(err)
}

// SetAttr changes what is not nil, on a file or folder.
func (t *Table) SetAttr(ctx context.Context, p path.Path, a backend.Attr) error {
	at, err := t.existing(ctx, "setattr", p)
	if err != nil {
		return err
	}
	return at.error(t.making(ctx, at.inner(), func() error { return at.Backend.SetAttr(ctx, at.rel, a) }))
}

// Properties returns the properties of a file or folder.
func (t *Table) Properties(ctx context.Context, p path.Path) (map[string][]byte, error) {
	at, err := t.existing(ctx, "getproperties", p)
	if err != nil {
		return nil, err
	}
	props, err := at.Backend.Properties(ctx, at.rel)
	if at.way && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return props, at.error(err)
}

// SetProperties replaces the properties of a file or folder.
func (t *Table) SetProperties(ctx context.Context, p path.Path, props map[string][]byte) error {
	at, err := t.existing(ctx, "setproperties", p)
	if err != nil {
		return err
	}
	return at.error(t.making(ctx, at.inner(), func() error { return at.Backend.SetProperties(ctx, at.rel, props) }))
}

// Space tells what the mount that holds p has.
func (t *Table) Space(ctx context.Context, p path.Path) (backend.Space, error) {
	at, err := t.existing(ctx, "statfs", p)
	if err != nil {
		return backend.Space{}, err
	}
	s, err := at.Backend.Space(ctx, at.rel)
	if at.way && errors.Is(err, fs.ErrNotExist) {
		s, err = at.Backend.Space(ctx, path.Root)
	}
	return s, at.error(err)
}

// Sync makes the entries of the folder p durable.
func (t *Table) Sync(ctx context.Context, p path.Path) error {
	at, err := t.existing(ctx, "sync", p)
	if err != nil {
		return err
	}
	err = at.Backend.Sync(ctx, at.rel)
	if at.way && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return at.error(err)
}

// making does what makes something new at a place. Where the folder for it is
// one that is only shown, on the way to a mount point, it is made first.
func (t *Table) making(ctx context.Context, at place, do func() error) error {
	err := do()
	if !errors.Is(err, fs.ErrNotExist) || len(t.ways[at.tree.Dir()]) == 0 || at.point {
		return err
	}
	for name := path.Root; name != at.rel.Dir(); {
		name = below(name, at.rel)
		made := at.Backend.Mkdir(ctx, name)
		if made == nil && at.Durable() {
			made = at.Backend.Sync(ctx, name.Dir())
		}
		if made != nil && !errors.Is(made, fs.ErrExist) {
			return made
		}
	}
	return do()
}

// inner is a place in the folder at, for making the folder itself.
func (at place) inner() place {
	if !at.way || at.point {
		at.point = true
		return at
	}
	inside := path.MustParse("x")
	return place{Mount: at.Mount, tree: at.tree.Append(inside), rel: at.rel.Append(inside)}
}

// below is the folder one further down from p on the way to q.
func below(p, q path.Path) path.Path {
	for q.Dir() != p {
		q = q.Dir()
	}
	return q
}
