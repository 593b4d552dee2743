package staging

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
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

// clear brings back what was put aside for an operation that was not done, and removes
// all else.
func (a *Area) clear(ctx context.Context, m mount.Mount, folder path.Path) error {
	var left []noted
	var damaged []error // notes, of which what they are about is kept
	err := each(ctx, m.Backend, folder, func(i backend.Info) error {
		if !i.IsRegular() || !strings.HasSuffix(i.Name, originKind) {
			return nil
		}
		n := noted{old: folder.Append(path.MustParse(trimKind(i.Name, originKind) + asideKind))}
		if _, err := m.Backend.Stat(ctx, n.old); errors.Is(err, fs.ErrNotExist) {
			return nil // it was not moved, or is back
		}
		var err error
		n.rel, n.by, err = origin(ctx, m.Backend, folder.Append(path.MustParse(i.Name)))
		switch {
		case err == nil:
			left = append(left, n)
		case errors.Is(err, errNote):
			damaged = append(damaged, fmt.Errorf("%s: %w", i.Name, err))
		default:
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	// What was to replace something says that it did not: it goes back last.
	slices.SortStableFunc(left, func(a, b noted) int { return cmp.Compare(len(b.by), len(a.by)) })
	for _, n := range left {
		if err := a.bringBack(ctx, m, n); err != nil {
			return errors.Join(append(damaged, err)...)
		}
	}
	if len(damaged) > 0 {
		return errors.Join(damaged...)
	}
	return a.removeTree(ctx, m.Backend, folder)
}

// noted is something that lies aside: where it stood, and what is to take its place.
type noted struct {
	old, rel path.Path
	by       string
}

// bringBack restores what lies aside, unless that was replaced. Where another node is
// faster it is done.
func (a *Area) bringBack(ctx context.Context, m mount.Mount, n noted) error {
	if n.by != "" {
		_, err := m.Backend.Stat(ctx, n.old.Dir().Append(path.MustParse(n.by)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	at, err := a.bring(ctx, m, n.old, m.Path.Append(n.rel))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !m.Durable() {
		return err
	}
	return a.table.Sync(ctx, at.Dir())
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
