package guard

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// Space is what there is and what is left; negative figures are unlimited.
type Space struct {
	Bytes, UsedBytes, FreeBytes int64
	Files, UsedFiles, FreeFiles int64
	// Quota is true where a quota gave the bytes, not the store.
	Quota bool
}

// Announced refuses an upload that is said to have a size, where the account may
// not make one as large.
func (f *FS) Announced(size int64) error {
	if most := f.s.rules.Load().largest; most > 0 && size > most {
		return f.s.public(tooLarge(most))
	}
	return nil
}

// Space returns the smallest remainder above p: quotas, and the store's own.
func (f *FS) Space(ctx context.Context, p path.Path) (Space, error) {
	c, err := f.call(ctx, "statfs", "", p)
	if err != nil {
		return Space{}, err
	}
	var space Space
	err = f.s.reach(ctx, &c.at, follow, func(r *rules) error {
		_, err := f.s.describe(ctx, r, &c.at, follow)
		if errors.Is(err, fs.ErrNotExist) && c.at.asked == r.view.Root {
			err = nil
		}
		if err == nil {
			space, err = f.s.tree.space(ctx, c.at.real)
		}
		return err
	})
	return space, c.end(err)
}

// space returns what is left above p.
func (t *Tree) space(ctx context.Context, p path.Path) (Space, error) {
	store, err := t.storeSpace(ctx, p)
	if err != nil {
		return Space{}, err
	}
	usage, limited, err := t.quotaRoom(ctx, p)
	if err != nil {
		return Space{}, err
	}
	s := Space{
		Bytes: store.Bytes, FreeBytes: store.FreeBytes, UsedBytes: used(store.Bytes, store.FreeBytes),
		Files: store.Files, FreeFiles: store.FreeFiles, UsedFiles: used(store.Files, store.FreeFiles),
	}
	if limited {
		s.narrow(usage)
	}
	return s, nil
}

// storeSpace is what the store says, negative figures where it does not.
func (t *Tree) storeSpace(ctx context.Context, p path.Path) (backend.Space, error) {
	store, err := t.store.Space(ctx, p)
	if errors.Is(err, fs.ErrNotExist) {
		m, _ := t.mounts.Of(p)
		store, err = t.store.Space(ctx, m.Path)
	}
	if errors.Is(err, backend.ErrUnsupported) {
		return backend.Space{Bytes: -1, FreeBytes: -1, Files: -1, FreeFiles: -1}, nil
	}
	return store, err
}

// storeHolds is backend.ErrNoSpace where the store has no room for so much.
func (t *Tree) storeHolds(ctx context.Context, p path.Path, bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	store, err := t.storeSpace(ctx, p)
	if err == nil && store.FreeBytes >= 0 && bytes > store.FreeBytes {
		return backend.ErrNoSpace
	}
	return err
}

// mountHolds is storeHolds for something that is made below p: where nothing stands yet,
// the mount tells, which need not look for it.
func (t *Tree) mountHolds(ctx context.Context, p path.Path, bytes int64) error {
	m, _ := t.mounts.Of(p)
	return t.storeHolds(ctx, m.Path, bytes)
}

// quotaRoom is the room in the quotas above p, where there are some.
func (t *Tree) quotaRoom(ctx context.Context, p path.Path) (u quota.Usage, limited bool, err error) {
	t.files.giveBack()
	return t.quotas.Room(ctx, p)
}

func used(all, free int64) int64 {
	if all < 0 || free < 0 {
		return -1
	}
	return all - free
}

// narrow takes the quota's figures, and the store's room where that is less.
func (s *Space) narrow(u quota.Usage) {
	if u.Bytes >= 0 {
		s.Bytes, s.UsedBytes, s.Quota = u.Bytes, u.Used.Bytes, true
		s.FreeBytes = room(s.FreeBytes, u.Bytes-u.Used.Bytes)
	}
	if u.Files >= 0 {
		s.Files, s.UsedFiles = u.Files, u.Used.Files
		s.FreeFiles = room(s.FreeFiles, u.Files-u.Used.Files)
	}
}

// room is what is left where a quota leaves so much.
func room(store, quota int64) int64 {
	quota = max(0, quota)
	if store < 0 {
		return quota
	}
	return min(store, quota)
}
