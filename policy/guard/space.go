package guard

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// Space is what there is and what is left; negative figures are unlimited.
type Space struct {
	Bytes, UsedBytes, FreeBytes int64
	Files, UsedFiles, FreeFiles int64
	// Quota is true where a quota gave the figures, not the store.
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
			space, _, err = f.s.tree.space(ctx, c.at.real)
		}
		return err
	})
	return space, c.end(err)
}

// space returns what is left above p, and the rule that bounds the bytes: none
// where it is the store.
func (t *Tree) space(ctx context.Context, p path.Path) (Space, policy.Rule, error) {
	store, err := t.store.Space(ctx, p)
	if errors.Is(err, fs.ErrNotExist) {
		m, _ := t.mounts.Of(p)
		store, err = t.store.Space(ctx, m.Path)
	}
	if errors.Is(err, backend.ErrUnsupported) {
		store, err = backend.Space{Bytes: -1, FreeBytes: -1, Files: -1, FreeFiles: -1}, nil
	}
	if err != nil {
		return Space{}, "", err
	}
	t.files.giveBack()
	usage, limited, err := t.quotas.Room(ctx, p)
	if err != nil {
		return Space{}, "", err
	}
	s := Space{
		Bytes: store.Bytes, FreeBytes: store.FreeBytes, UsedBytes: used(store.Bytes, store.FreeBytes),
		Files: store.Files, FreeFiles: store.FreeFiles, UsedFiles: used(store.Files, store.FreeFiles),
	}
	if !limited {
		return s, "", nil
	}
	s.narrow(usage)
	if usage.Bytes < 0 || store.FreeBytes >= 0 && store.FreeBytes < usage.Bytes-usage.Used.Bytes {
		return s, "", nil
	}
	return s, policy.RuleQuota, nil
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
		s.Files, s.UsedFiles, s.Quota = u.Files, u.Used.Files, true
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
