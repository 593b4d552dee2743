package mount

import (
	"context"
	"io/fs"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Rename moves from to to within one mount.
func (t *Table) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	source, target, err := t.pair(ctx, "rename", from, to)
	if err != nil {
		return err
	}
	refusal := error(nil)
	switch {
	case from != to && from.Contains(to):
		refusal = fs.ErrInvalid
	case source.way:
		refusal = backend.ErrBusy
	case target.way && !replace:
		refusal = fs.ErrExist
	case target.way:
		refusal = backend.ErrBusy
	case source.Path != target.Path:
		refusal = backend.ErrCrossMount
	}
	if refusal != nil {
		return linkError("rename", from, to, refusal)
	}
	return linkError("rename", from, to, t.making(ctx, target, func() error {
		return source.Backend.Rename(ctx, source.rel, target.rel, replace)
	}))
}

// Link makes a hard link within one mount.
func (t *Table) Link(ctx context.Context, from, to path.Path) error {
	source, target, err := t.pair(ctx, "link", from, to)
	if err != nil {
		return err
	}
	switch {
	case source.way:
		return linkError("link", from, to, backend.ErrIsDir)
	case target.way:
		return linkError("link", from, to, fs.ErrExist)
	case source.Path != target.Path:
		return linkError("link", from, to, backend.ErrCrossMount)
	}
	return linkError("link", from, to, t.making(ctx, target, func() error {
		return source.Backend.Link(ctx, source.rel, target.rel)
	}))
}

func (t *Table) pair(ctx context.Context, op string, from, to path.Path) (source, target place, err error) {
	if source, err = t.existing(ctx, op, from); err != nil {
		return place{}, place{}, linkError(op, from, to, err)
	}
	if target, err = t.fresh(ctx, op, to); err != nil {
		return place{}, place{}, linkError(op, from, to, err)
	}
	return source, target, nil
}

// Place moves what is staged, at a path in the reserved folder of to's mount as
// its backend knows it, to the tree path to. Replace is as in Rename.
func (t *Table) Place(ctx context.Context, staged, to path.Path, replace bool) error {
	target, err := t.toPlace(ctx, staged, to, replace)
	if err != nil {
		return err
	}
	return pathError("place", to, t.making(ctx, target, func() error {
		return target.Backend.Rename(ctx, staged, target.rel, replace)
	}))
}

// PlaceSync is Place, and then Sync of the folder that to is in. After placed the
// error is that of Sync, which a client that is gone does not keep from being done.
func (t *Table) PlaceSync(ctx context.Context, staged, to path.Path, replace bool) (placed bool, err error) {
	target, err := t.toPlace(ctx, staged, to, replace)
	if err != nil {
		return false, err
	}
	both, ok := target.Backend.(backend.RenameSyncer)
	if !ok {
		if err := t.Place(ctx, staged, to, replace); err != nil {
			return false, err
		}
		return true, t.Sync(context.WithoutCancel(ctx), to.Dir())
	}
	err = t.making(ctx, target, func() (err error) {
		placed, err = both.RenameSync(ctx, staged, target.rel, replace)
		return err
	})
	return placed, pathError("place", to, err)
}

// toPlace is where Place puts something.
func (t *Table) toPlace(ctx context.Context, staged, to path.Path, replace bool) (place, error) {
	target, err := t.fresh(ctx, "place", to)
	if err != nil {
		return place{}, err
	}
	switch {
	case !isReserved(staged):
		return place{}, pathError("place", to, fs.ErrInvalid)
	case target.way && !replace:
		return place{}, pathError("place", to, fs.ErrExist)
	case target.way:
		return place{}, pathError("place", to, backend.ErrIsDir)
	}
	return target, nil
}

// Take is the inverse of Place: it moves what stands at from out of the tree.
func (t *Table) Take(ctx context.Context, from, staged path.Path) error {
	source, err := t.existing(ctx, "take", from)
	if err != nil {
		return err
	}
	if source.way {
		return pathError("take", from, backend.ErrBusy)
	}
	if !isReserved(staged) {
		return pathError("take", from, fs.ErrInvalid)
	}
	return pathError("take", from, source.Backend.Rename(ctx, source.rel, staged, false))
}

// Admits tells whether something new may be called p: ErrReserved or
// fs.ErrNotExist in the reserved folder, fs.ErrExist at a mount point and above one.
func (t *Table) Admits(p path.Path) error {
	at, err := t.fresh(context.Background(), "create", p)
	if err != nil {
		return err
	}
	if at.way {
		return pathError("create", p, fs.ErrExist)
	}
	return nil
}
