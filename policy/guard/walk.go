package guard

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// batch is how many entries of a folder are read at once.
const batch = 256

// walk visits what stands at p and all below it, folders before what they
// hold. What vanishes meanwhile is left out. An error of visit ends it: a
// refusal looks like something that vanished, and is not.
func (t *Tree) walk(ctx context.Context, p path.Path, visit func(path.Path, backend.Info) error) error {
	info, err := t.store.Stat(ctx, p)
	if err != nil {
		return err
	}
	if err := visit(p, info); err != nil || !info.IsDir() {
		return err
	}
	ahead := []path.Path{p}
	for len(ahead) > 0 {
		folder := ahead[len(ahead)-1]
		ahead = ahead[:len(ahead)-1]
		var stopped error
		err := t.members(ctx, folder, func(m path.Path, info backend.Info) error {
			if info.IsDir() {
				ahead = append(ahead, m)
			}
			stopped = visit(m, info)
			return stopped
		})
		if stopped != nil || err != nil && !vanished(err) {
			return err
		}
	}
	return nil
}

// members visits the entries of a folder.
func (t *Tree) members(ctx context.Context, folder path.Path, visit func(path.Path, backend.Info) error) (err error) {
	dir, err := t.store.List(ctx, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	for {
		list, err := dir.Next(batch)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		for _, info := range list {
			p, err := folder.Join(info.Name)
			if err != nil {
				continue // too long for any client to name
			}
			if err := visit(p, info); err != nil {
				return err
			}
		}
	}
}

func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, backend.ErrLink) || errors.Is(err, backend.ErrNotDir)
}

// Walk counts what a folder holds, for quotas: logical sizes of regular files,
// each counted once however many links it has; reserved folders left out. It is
// a quota.Walker.
func (t *Tree) Walk(ctx context.Context, folder path.Path) (quota.Amount, error) {
	t.files.giveBack()
	c, err := t.count(ctx, folder, t.files.find)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, backend.ErrNotDir) {
		return quota.Amount{}, nil
	}
	if err != nil {
		return quota.Amount{}, err
	}
	return c.total(), nil
}
