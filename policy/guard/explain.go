package guard

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/locks"
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
	// Lock stands in the way of a change by somebody without its token; nil where
	// none does.
	Lock *locks.Lock
}

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

// spot describes a place as the store has it now.
func (t *Tree) spot(ctx context.Context, r *rules, p *place) Spot {
	found := Spot{Seen: p.seen, Asked: p.asked, Real: p.real}
	name, _ := p.seen.First()
	if entry, ok := r.view.Entry(name); ok {
		found.Entry = &entry
	}
	if info, err := t.store.Stat(ctx, p.real); err == nil {
		found.There, found.Folder = true, info.IsDir()
	}
	return found
}

// Explain judges an operation as a session with c would, on what the tree holds
// now, and does nothing. The path is as the account sees it.
func (t *Tree) Explain(ctx context.Context, c Config, op policy.Operation, seen path.Path) (Explained, error) {
	r, err := t.FS(c).s.viewed(ctx)
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
	real, err := t.resolve(ctx, p.asked, how)
	missing := errors.Is(err, fs.ErrNotExist)
	if err == nil {
		p.real = real
	}
	found := Explained{Spot: t.spot(ctx, r, &p)}
	if err != nil && !missing {
		return found, err
	}
	if missing { // a link that leads nowhere may stand there
		found.There, found.Folder = false, false
	}
	found.Decision, found.Judged = r.explain(&p, op, found.Folder)
	if found.Allowed && r.creates(op, found.There) {
		if err := r.newName(p.asked); err != nil {
			found.Decision, found.Judged = refused(err, &p)
		}
	}
	return found, t.explainLock(ctx, op, &found)
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

// explainLock looks for a lock in the way of somebody who submits no token.
func (t *Tree) explainLock(ctx context.Context, op policy.Operation, found *Explained) error {
	if !changes(op) || op == policy.OpShare || t.locks == nil {
		return nil
	}
	err := t.locks.Check(ctx, "", nil, locks.Touch{Path: found.Real, Tree: op == policy.OpDelete, Member: op == policy.OpDelete || !found.There})
	if held, ok := errors.AsType[*locks.LockedError](err); ok {
		found.Lock = &held.Lock
		return nil
	}
	return err
}
