package guard

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
)

// Explained is what would become of an operation.
type Explained struct {
	policy.Decision
	// Spot is where the operation acts, of a rename or copy the source.
	Spot
	// To is the target of a rename or copy, nil for other operations.
	To *Spot
	// Judged is the tree path that the decision is about: where several were
	// judged, the one that was refused, or the last.
	Judged path.Path
	// Obstacle is what the operation would end with although the rules allow it,
	// in words for the account; nil where nothing else is in the way.
	Obstacle error
	// Full is the quota without room that Obstacle is, as it stands in the tree; nil
	// where it is none.
	Full *quota.Usage
	// Lock stands in the way of a change by somebody without its token; nil where
	// none does.
	Lock *locks.Lock
	// Upload is what a file may grow to that is written; nil of other operations,
	// and where it cannot be written at all.
	Upload *Upload
}

// A Reader is who is told what was explained.
type Reader int

const (
	// AsTheAccount is for whoever does not see all of the tree: what the account may
	// not know of is to it as if nothing were there. No link, type or lock is told.
	AsTheAccount Reader = iota
	// WholeTree is for administrators and those who audit: they see all there is.
	WholeTree
)

// Done reports whether the operation would be done, as far as can be told
// without doing it.
func (e *Explained) Done() bool { return e.Allowed && e.Obstacle == nil && e.Lock == nil }

// A Spot is a path as the account sees it and in the tree, and what is there.
type Spot struct {
	Seen path.Path
	// Entry is the shared folder that the path is seen through, nil in the
	// account's own root.
	Entry *policy.Entry
	// Asked is the tree path that the account means, Real where it really is once
	// links are resolved.
	Asked, Real path.Path
	// There says that something is at the path, and Folder that it is a folder.
	There, Folder bool
}

// spot describes a place as the store has it now, to who may know of it.
func (t *Tree) spot(ctx context.Context, r *rules, p *place, reader Reader) Spot {
	found := Spot{Seen: p.seen, Asked: p.asked, Real: p.real}
	name, _ := p.seen.First()
	if entry, ok := r.view.Entry(name); ok {
		found.Entry = &entry
	}
	if info, err := t.store.Stat(ctx, p.real); err == nil && !info.IsSpecial() {
		found.There, found.Folder = true, info.IsDir()
	}
	if reader == WholeTree {
		return found
	}
	if found.There && r.visible(p, found.Folder) != nil {
		found.There, found.Folder = false, false
	}
	if r.hides(p.asked) || r.hides(p.real) {
		found.Real = found.Asked
	}
	return found
}

// Explain judges an operation as a session with c would, on what the tree holds
// now, and does nothing. The path is as the account sees it. Of a write one byte
// is supposed.
func (t *Tree) Explain(ctx context.Context, c Config, reader Reader, op policy.Operation, seen path.Path) (Explained, error) {
	return t.FS(c).explain(ctx, reader, op, seen, unknownSize)
}

func (f *FS) explain(ctx context.Context, reader Reader, op policy.Operation, seen path.Path, size int64) (Explained, error) {
	t := f.s.tree
	r, err := f.s.viewed(ctx)
	if err != nil {
		return Explained{}, err
	}
	p, err := r.place(seen)
	if err != nil {
		return Explained{}, err
	}
	how := follow
	if op == policy.OpDelete {
		how = keep
	}
	var missing bool
	if reader == WholeTree || !r.hides(p.asked) {
		real, err := t.resolve(ctx, p.asked, how)
		missing = errors.Is(err, fs.ErrNotExist) // a link that leads nowhere may stand there
		if err != nil && !missing {
			return Explained{Spot: t.spot(ctx, r, &p, reader)}, err
		}
		if err == nil || r.hides(real) {
			p.real = real
		}
	}
	found := Explained{Spot: t.spot(ctx, r, &p, reader)}
	if missing {
		found.There, found.Folder = false, false
	}
	found.Decision, found.Judged = r.explain(&p, op, found.Folder)
	if found.Allowed && r.creates(op, found.There) {
		if err := r.newName(p.asked); err != nil {
			found.Decision, found.Judged = refused(err, &p)
		}
	}
	if reader != WholeTree && r.hides(p.real) {
		found.Judged = p.asked
		return found, nil
	}
	if found.Allowed {
		if err := f.obstacle(ctx, r, &p, op, &found); err != nil {
			return found, err
		}
		if uploads := op == policy.OpWrite || op == policy.OpCreate && size >= 0; uploads && found.Obstacle == nil {
			if err := f.explainSize(ctx, r, &p, size, &found); err != nil {
				return found, err
			}
		}
	}
	if changes(op) && op != policy.OpShare {
		touch := locks.Touch{Path: p.real, Tree: op == policy.OpDelete, Member: op == policy.OpDelete || !found.There}
		found.Lock, err = f.lockFor(ctx, r, reader, touch)
	}
	return found, err
}

// obstacle notes what is, or is not, there and stops an operation that the rules
// allow.
func (f *FS) obstacle(ctx context.Context, r *rules, p *place, op policy.Operation, found *Explained) error {
	var err error
	switch {
	case found.There:
		err = f.inTheWay(p, op, found.Folder)
	case p.asked == r.view.Root && (op == policy.OpStat || op == policy.OpList): // there has to be a root to log in to
	case op == policy.OpCreate || op == policy.OpWrite:
		err = f.mayAppear(ctx, r, p)
	default:
		err = fs.ErrNotExist
	}
	if err == nil || !obstructs(err) {
		return err
	}
	found.Obstacle = f.s.public(err)
	return nil
}

// inTheWay is what an operation ends with because of what stands there.
func (f *FS) inTheWay(p *place, op policy.Operation, folder bool) error {
	switch {
	case op == policy.OpCreate:
		return fs.ErrExist
	case folder && (op == policy.OpRead || op == policy.OpWrite):
		return backend.ErrIsDir
	case !folder && op == policy.OpList:
		return backend.ErrNotDir
	case folder && op == policy.OpDelete && f.s.tree.holdsMount(p.real):
		return backend.ErrBusy
	}
	return nil
}

// mayAppear is what something new ends with: there has to be a folder for it.
func (f *FS) mayAppear(ctx context.Context, r *rules, p *place) error {
	err := f.s.folderThere(ctx, r, p)
	if errors.Is(err, backend.ErrLink) { // which leads nowhere: the others were followed
		return fs.ErrNotExist
	}
	if err == nil {
		err = f.s.tree.mounts.Admits(p.real)
	}
	return err
}

// creates reports whether an operation makes a new name.
func (r *rules) creates(op policy.Operation, there bool) bool {
	return !there && (op == policy.OpCreate || op == policy.OpWrite)
}

// explain asks what the operations ask: a folder is removed with all that is in
// it, and what the account stands on stays.
func (r *rules) explain(p *place, op policy.Operation, folder bool) (policy.Decision, path.Path) {
	if op == policy.OpDelete && folder {
		if err := r.explainTree(p, op); err != nil {
			return refused(err, p)
		}
		return r.policy.DecideTree(op, p.real), p.real
	}
	if op == policy.OpList {
		return r.explainList(p)
	}
	if err := r.judge(p, op, folder); err != nil {
		return refused(err, p)
	}
	return r.decide(op, policy.Target{Path: p.real, Folder: folder}), p.real
}

func (r *rules) explainTree(p *place, op policy.Operation) error {
	for t := range p.targets(true) {
		if err := r.keeps(t.Path); err != nil {
			return err
		}
	}
	return r.judgeTree(p, op)
}

// explainList allows a listing that shows no more than what leads on.
func (r *rules) explainList(p *place) (policy.Decision, path.Path) {
	whole, err := r.listing(p)
	if err != nil {
		return refused(err, p)
	}
	t := policy.Target{Path: p.real, Folder: true}
	if whole {
		return r.decide(policy.OpList, t), p.real
	}
	if d := r.decide(policy.OpStat, t); d.Allowed {
		return d, p.real
	}
	return policy.Decision{Allowed: true, Rule: policy.RuleShell, Because: "it is the root of what the account sees"}, p.real
}

// refused is the decision in a refusal, and what it is about.
func refused(err error, p *place) (policy.Decision, path.Path) {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.Decision, r.at
	}
	return policy.Decision{Rule: policy.RuleNames, Because: err.Error()}, p.asked
}

func changes(op policy.Operation) bool {
	return op != policy.OpStat && op != policy.OpList && op != policy.OpRead
}

// lockFor looks for a lock in the way of somebody who submits no token, also
// where something else is in the way. The reader may know of what it holds.
func (f *FS) lockFor(ctx context.Context, r *rules, reader Reader, touches ...locks.Touch) (*locks.Lock, error) {
	t := f.s.tree
	for _, touch := range touches {
		if t.locks == nil || reader != WholeTree && r.hides(touch.Path) {
			continue
		}
		err := t.locks.Check(ctx, "", nil, touch)
		held, ok := errors.AsType[*locks.LockedError](err)
		if ok && (reader == WholeTree || !touch.Path.Contains(held.Lock.Path) || t.shownTo(ctx, r, held.Lock.Path)) {
			return &held.Lock, nil
		}
		if err != nil && !ok {
			return nil, err
		}
	}
	return nil, nil
}

// shownTo reports whether something stands at p of which the account may know.
func (t *Tree) shownTo(ctx context.Context, r *rules, p path.Path) bool {
	info, err := t.store.Stat(ctx, p)
	return err == nil && r.visible(&place{asked: p, real: p}, info.IsDir()) == nil
}
