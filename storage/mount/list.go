package mount

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// List opens a folder for reading its entries.
func (t *Table) List(ctx context.Context, p path.Path) (backend.Dir, error) {
	at, err := t.existing(ctx, "list", p)
	if err != nil {
		return nil, err
	}
	d := &dir{at: at, shown: t.ways[p]}
	if d.points, err = t.points(ctx, p); err != nil {
		return nil, err
	}
	d.inner, err = at.Backend.List(ctx, at.rel)
	if err != nil && !(at.way && !at.point && absent(err)) {
		return nil, at.error(err)
	}
	return d, nil
}

// absent says that no real folder stands where one is only shown.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, backend.ErrNotDir) || errors.Is(err, backend.ErrLink)
}

// points describes the folders in p that lead to mounts. One whose store is
// away is shown all the same.
func (t *Table) points(ctx context.Context, p path.Path) ([]backend.Info, error) {
	var points []backend.Info
	for _, name := range t.ways[p] {
		child, err := p.Join(name)
		if err != nil {
			return nil, pathError("list", p, err)
		}
		i, err := t.Stat(ctx, child)
		if err != nil {
			i = t.shell(child)
		}
		points = append(points, i)
	}
	return points, nil
}

// shell describes a folder that is there only because it leads to a mount.
func (t *Table) shell(p path.Path) backend.Info {
	return backend.Info{
		Name:     p.Base(),
		Mode:     fs.ModeDir | 0o755,
		Modified: t.since,
		Accessed: t.since,
		Changed:  t.since,
		Links:    2,
	}
}

// A dir yields the mount points first, then what the backend lists beside them.
type dir struct {
	at     place
	points []backend.Info
	shown  []string // names that mounts have taken
	inner  backend.Dir
}

func (d *dir) Close() error {
	if d.inner == nil {
		return nil
	}
	return d.at.error(d.inner.Close())
}

func (d *dir) Next(n int) ([]backend.Info, error) {
	if n <= 0 {
		return nil, pathError("list", d.at.tree, fs.ErrInvalid)
	}
	if len(d.points) > 0 {
		some := d.points[:min(n, len(d.points))]
		d.points = d.points[len(some):]
		return some, nil
	}
	if d.inner == nil {
		return nil, io.EOF
	}
	for {
		some, err := d.inner.Next(n)
		if len(d.shown) > 0 || d.at.rel.IsRoot() {
			some = slices.DeleteFunc(some, d.hidden)
		}
		if err == io.EOF || err == nil && len(some) > 0 {
			return some, err
		}
		if err != nil {
			return some, d.at.error(err)
		}
	}
}

// hidden reports what a mount has taken the name of, and what is reserved, which
// only the top of a mount holds.
func (d *dir) hidden(i backend.Info) bool {
	return slices.Contains(d.shown, i.Name) || d.at.rel.IsRoot() && strings.EqualFold(i.Name, Reserved)
}

// Properties is not for what only appears here.
func (d *dir) Properties(name string) (map[string][]byte, error) {
	if d.inner == nil || d.hidden(backend.Info{Name: name}) {
		return nil, pathError("getproperties", d.at.tree, fs.ErrInvalid)
	}
	props, err := d.inner.Properties(name)
	return props, d.at.error(err)
}
