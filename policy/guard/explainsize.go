package guard

import (
	"context"
	"errors"
	"math"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
	"gatehouse/storage/traffic"
)

// An Upload is what a question about a write supposed, and the answer in bytes.
type Upload struct {
	// Size is the whole file's that was asked about; negative where none was given.
	Size int64
	// Most is the largest file that would go through now, negative without bound.
	Most int64
	// Rule is what bounds Most, empty where it is the room on the store.
	Rule policy.Rule
}

const unknownSize = -1

// ExplainUpload is Explain of writing, or of creating, a file that is so many bytes
// long: what is written over is replaced.
func (t *Tree) ExplainUpload(ctx context.Context, c Config, reader Reader, op policy.Operation, seen path.Path, size int64) (Explained, error) {
	return t.FS(c).explain(ctx, reader, op, seen, max(size, 0))
}

// explainSize notes how large a file may become at p, and what stops one of this
// size: the account's largest, a quota, the store.
func (f *FS) explainSize(ctx context.Context, r *rules, p *place, size int64, found *Explained) error {
	t := f.s.tree
	had, shared, err := t.replaced(ctx, p, found)
	if err != nil {
		return err
	}
	if shared && r.uploads == policy.Atomic {
		had = 0 // its other names keep what it holds
	}
	store, err := t.storeSpace(ctx, p.real)
	if err != nil {
		return err
	}
	limits, limited, err := t.quotaRoom(ctx, p.real)
	if err != nil {
		return err
	}
	freed := had // on the store, before the first byte
	if r.uploads == policy.Atomic {
		freed = 0
	}
	u := &Upload{Size: size, Most: -1}
	if store.FreeBytes >= 0 {
		u.narrow(sum(store.FreeBytes, freed), "")
	}
	if limited && limits.Bytes >= 0 {
		u.narrow(sum(max(0, limits.Bytes-limits.Used.Bytes), had), policy.RuleQuota)
	}
	if r.largest > 0 {
		u.narrow(r.largest, policy.RuleLargestUpload)
	}
	found.Upload = u
	need, files := size, int64(0)
	if !found.There {
		files = 1
		if size == unknownSize {
			need = 1
		}
	}
	grow := quota.Amount{Bytes: need - had, Files: files}
	full := t.fits(ctx, p.real, grow, func(path.Path) bool { return true })
	if full != nil && !obstructs(full) {
		return full
	}
	switch {
	case r.largest > 0 && size > r.largest:
		found.Obstacle = f.s.public(tooLarge(r.largest))
	case full != nil:
		found.Obstacle = f.s.public(full)
		if found.Full, err = t.full(ctx, full); err != nil {
			return err
		}
	case store.FreeBytes >= 0 && need-freed > store.FreeBytes:
		found.Obstacle = backend.ErrNoSpace
	}
	if errors.Is(full, quota.ErrExceeded) && !found.There && limits.Files >= 0 && limits.Used.Files >= limits.Files {
		u.narrow(0, policy.RuleQuota)
	}
	return nil
}

// full is the quota that an error says has no room, nil for other errors.
func (t *Tree) full(ctx context.Context, err error) (*quota.Usage, error) {
	exceeded, ok := errors.AsType[*quota.ExceededError](err)
	if !ok {
		return nil, nil
	}
	u, limited, err := t.quotas.Get(ctx, exceeded.Folder)
	if err != nil || !limited {
		return nil, err
	}
	return &u, nil
}

// replaced is the size of the file that stands at p, and whether it has other
// names as well.
func (t *Tree) replaced(ctx context.Context, p *place, found *Explained) (size int64, shared bool, err error) {
	if !found.There {
		return 0, false, nil
	}
	info, err := t.store.Stat(ctx, p.real)
	if vanished(err) {
		return 0, false, nil
	}
	return info.Size, info.Links > 1, err
}

func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func (u *Upload) narrow(most int64, by policy.Rule) {
	if u.Most < 0 || most < u.Most {
		u.Most, u.Rule = most, by
	}
}

// ExplainUse adds to what would become of an operation what is left of what the
// account may move.
func (e *Explained) ExplainUse(op policy.Operation, u traffic.Use) {
	moves := op == policy.OpRead || op == policy.OpWrite || op == policy.OpCreate
	if !moves || !e.Allowed || e.There && e.Folder {
		return
	}
	need := int64(1)
	if e.Upload != nil {
		need = max(need, e.Upload.Size)
		e.Upload.spend(u.Day, policy.RuleBytesPerDay)
		e.Upload.spend(u.Month, policy.RuleBytesPerMonth)
	}
	if spent, ok := errors.AsType[*traffic.SpentError](u.Short(need)); ok && e.Obstacle == nil {
		e.Obstacle = &DeniedError{decideSpent(spent)}
	}
}

func (u *Upload) spend(p *traffic.Period, by policy.Rule) {
	if p != nil {
		u.narrow(max(0, p.Limit-p.Used), by)
	}
}
