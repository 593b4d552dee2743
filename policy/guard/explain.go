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
	// Asked is the tree path that the account means, Real where it really is once
	// links are resolved.
	Asked, Real path.Path
	// There says that something is at the path, and Folder that it is a folder.
	There, Folder bool
	// Lock stands in the way of a change by somebody without its token; nil where
	// none does.
	Lock *locks.Lock
}

// Explain judges an operation as a session with c would, on what the tree holds
// now, and does nothing. The path is as the account sees it.
func (t *Tree) Explain(ctx context.Context, c Config, op policy.Operation, seen path.Path) (Explained, error) {
	r := newRules(c.Effective, c)
	p, err := r.place(seen)
	if err != nil {
		return Explained{}, err
	}
	how := follow
	if op == policy.OpDelete {
		how = keep
	}
	found := Explained{Asked: p.asked, Real: p.asked}
	real, err := t.resolve(ctx, p.asked, how)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return found, err
	}
	if err == nil {
		p.real, found.Real = real, real
		info, err := t.store.Stat(ctx, real)
		found.There, found.Folder = err == nil, err == nil && info.IsDir()
	}
	found.Decision = r.explain(&p, op, found.Folder)
	if found.Allowed && r.creates(op, found.There) {
		if d, bad := refused(r.newName(p.asked)); bad {
			found.Decision = d
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
func (r *rules) explain(p *place, op policy.Operation, folder bool) policy.Decision {
	if op == policy.OpDelete && folder {
		for t := range p.targets(true) {
			if d, bad := refused(r.keeps(t.Path)); bad {
				return d
			}
		}
		if d, bad := refused(r.judgeTree(p, op)); bad {
			return d
		}
		return r.policy.DecideTree(op, p.real)
	}
	if op == policy.OpList {
		return r.explainList(p)
	}
	if d, bad := refused(r.judge(p, op, folder)); bad {
		return d
	}
	return r.decide(op, policy.Target{Path: p.real, Folder: folder})
}

// explainList allows a listing that shows no more than what leads on.
func (r *rules) explainList(p *place) policy.Decision {
	whole, err := r.listing(p)
	if d, bad := refused(err); bad {
		return d
	}
	t := policy.Target{Path: p.real, Folder: true}
	if whole {
		return r.decide(policy.OpList, t)
	}
	if d := r.decide(policy.OpStat, t); d.Allowed {
		return d
	}
	return policy.Decision{Allowed: true, Rule: policy.RuleShell, Because: "it is the root of what the account sees"}
}

// refused is the decision in a refusal.
func refused(err error) (policy.Decision, bool) {
	if err == nil {
		return policy.Decision{}, false
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.Decision, true
	}
	return policy.Decision{Rule: policy.RuleNames, Because: err.Error()}, true
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
