package guard

import (
	"context"
	"errors"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/quota"
)

// maxAsked is how many members of a tree are counted to answer a question. Of a
// larger one room is not asked for.
const maxAsked = 10_000

// room is a *quota.ExceededError where there is none for what would move or be
// copied. Nothing is reserved: it may be gone, or found, a moment later.
func (m *move) room(ctx context.Context, op policy.Operation) error {
	t, from, to := m.fs.s.tree, m.from.real, m.to.real
	copies := op == policy.OpCopy
	if !copies && !t.quotas.Crosses(from, to) {
		return nil
	}
	held, err := t.countUpTo(ctx, from, t.files.find, maxAsked)
	if err != nil {
		return uncounted(err)
	}
	replaced := &census{}
	if m.exists {
		if replaced, err = t.countUpTo(ctx, to, t.files.find, maxAsked); err != nil {
			return uncounted(err)
		}
	}
	if copies {
		return t.fits(ctx, to, minus(held.total(), replaced.alone), func(path.Path) bool { return true })
	}
	if held.shared.Files > 0 {
		return errSharedFile
	}
	return t.fits(ctx, to, minus(held.alone, replaced.alone), func(folder path.Path) bool { return !folder.Contains(from) })
}

// uncounted is nil for a tree that is too large to be counted for a question, or
// changes meanwhile.
func uncounted(err error) error {
	if errors.Is(err, errManyMembers) || vanished(err) {
		return nil
	}
	return err
}

// fits is a *quota.ExceededError where one of these quotas above p has no room
// for as much.
func (t *Tree) fits(ctx context.Context, p path.Path, grow quota.Amount, charged func(folder path.Path) bool) error {
	t.files.giveBack()
	for folder := p; ; folder = folder.Dir() {
		if charged(folder) {
			u, limited, err := t.quotas.Get(ctx, folder)
			if err != nil {
				return err
			}
			if limited && !u.Counting && !holds(u, grow) {
				room := quota.Amount{Bytes: max(0, u.Bytes-u.Used.Bytes), Files: max(0, u.Files-u.Used.Files)}
				return &quota.ExceededError{Folder: folder, Room: room}
			}
		}
		if folder.IsRoot() {
			return nil
		}
	}
}

// holds reports whether a quota has room for as much; negative limits are none.
func holds(u quota.Usage, grow quota.Amount) bool {
	return (grow.Bytes <= 0 || u.Bytes < 0 || grow.Bytes <= u.Bytes-u.Used.Bytes) &&
		(grow.Files <= 0 || u.Files < 0 || grow.Files <= u.Files-u.Used.Files)
}
