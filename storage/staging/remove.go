package staging

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// deepest is how long a path in the reserved folder may become before the
// folder is moved up to the top: what was put aside may be as deep as paths
// go, and its names are longer here.
const deepest = path.MaxLength / 4

// removeTree removes a file or tree of the reserved folder. What is gone
// already is no error.
func (a *Area) removeTree(ctx context.Context, b backend.Backend, p path.Path) error {
	r := &removal{area: a, backend: b, todo: []path.Path{p}}
	for len(r.todo) > 0 {
		next := r.todo[len(r.todo)-1]
		r.todo = r.todo[:len(r.todo)-1]
		if err := r.remove(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

type removal struct {
	area    *Area
	backend backend.Backend
	todo    []path.Path // trees that were moved up
}

func (r *removal) remove(ctx context.Context, p path.Path) error {
	err := r.backend.Remove(ctx, p)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, backend.ErrIsDir) {
		return err
	}
	if len(p.String()) > deepest {
		return r.moveUp(ctx, p)
	}
	return r.removeFolder(ctx, p)
}

// removeFolder removes a folder with all it holds. Entries that are removed
// while they are listed may hide others, so it looks again while that helps.
func (r *removal) removeFolder(ctx context.Context, p path.Path) error {
	for {
		err := r.backend.RemoveDir(ctx, p)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, backend.ErrNotEmpty) {
			return err
		}
		removed, inside := r.empty(ctx, p)
		if inside != nil {
			return inside
		}
		if removed == 0 {
			return err
		}
	}
}

func (r *removal) empty(ctx context.Context, p path.Path) (removed int, err error) {
	inside := func(i backend.Info) error {
		child, err := p.Join(i.Name)
		if err != nil {
			return err
		}
		removed++
		return r.remove(ctx, child)
	}
	err = each(ctx, r.backend, p, inside)
	if !errors.Is(err, fs.ErrPermission) {
		return removed, err
	}
	// A folder of the user's that forbids its owner to look into it.
	mode := private
	if err := r.backend.SetAttr(ctx, p, backend.Attr{Mode: &mode}); err != nil {
		return removed, err
	}
	return removed, each(ctx, r.backend, p, inside)
}

func (r *removal) moveUp(ctx context.Context, p path.Path) error {
	up := r.area.next(".deep")
	if err := r.backend.Rename(ctx, p, up, false); err != nil {
		return err
	}
	r.todo = append(r.todo, up)
	return nil
}
