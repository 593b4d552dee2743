package staging

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// reap clears away the folders of a mount whose node and epoch are dead.
func (a *Area) reap(ctx context.Context, m mount.Mount, dead func(node, epoch string) bool) error {
	var errs []error
	err := each(ctx, m.Backend, top, func(i backend.Info) error {
		cut := strings.LastIndexByte(i.Name, '-')
		if !i.IsDir() || cut < 0 || !dead(i.Name[:cut], i.Name[cut+1:]) {
			return nil
		}
		folder, err := top.Join(i.Name)
		if err == nil {
			err = a.clear(ctx, m, folder)
		}
		errs = append(errs, err)
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// clear brings back what was put aside for an operation that never ended, and
// removes all else.
func (a *Area) clear(ctx context.Context, m mount.Mount, folder path.Path) error {
	var notes []string
	err := each(ctx, m.Backend, folder, func(i backend.Info) error {
		if i.IsRegular() && strings.HasSuffix(i.Name, originKind) {
			notes = append(notes, i.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range notes {
		if err := a.bringBack(ctx, m, folder, trimKind(name, originKind)); err != nil {
			return err
		}
	}
	return a.removeTree(ctx, m.Backend, folder)
}

// bringBack restores one thing that lies aside. Where its name is taken the
// operation was complete, and it is left for removal. Where its folder is gone
// that is made again: it cannot be told from one that was only moved, and what
// comes back too much is a smaller harm than what is lost.
func (a *Area) bringBack(ctx context.Context, m mount.Mount, folder path.Path, id string) error {
	old := folder.Append(path.MustParse(id + asideKind))
	if _, err := m.Backend.Stat(ctx, old); errors.Is(err, fs.ErrNotExist) {
		return nil // it was noted, but not moved
	}
	rel, err := origin(ctx, m.Backend, folder.Append(path.MustParse(id+originKind)))
	if err != nil {
		return err
	}
	target := m.Path.Append(rel)
	err = a.table.Place(ctx, old, target, false)
	if errors.Is(err, fs.ErrNotExist) {
		if err := a.makeFolders(ctx, target.Dir()); err != nil {
			return err
		}
		err = a.table.Place(ctx, old, target, false)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil || !m.Durable() {
		return err
	}
	return a.table.Sync(ctx, target.Dir())
}

func (a *Area) makeFolders(ctx context.Context, p path.Path) error {
	if p.IsRoot() {
		return nil
	}
	if err := a.makeFolders(ctx, p.Dir()); err != nil {
		return err
	}
	err := a.table.Mkdir(ctx, p)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if m, _ := a.table.Of(p); err != nil || !m.Durable() {
		return err
	}
	return a.table.Sync(ctx, p.Dir())
}

// each calls do for the entries of a folder; one that is not there has none.
func each(ctx context.Context, b backend.Backend, p path.Path, do func(backend.Info) error) error {
	d, err := b.List(ctx, p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		some, err := d.Next(256)
		for _, i := range some {
			if err := do(i); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func trimKind(name, kind string) string { return strings.TrimSuffix(name, kind) }
