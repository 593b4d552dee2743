package guard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
)

// A Move is a rename or a copy that is asked about: Op is policy.OpRename or
// policy.OpCopy, the paths are as the account sees them.
type Move struct {
	Op       policy.Operation
	From, To path.Path
	Replace  Replace
}

// ExplainMove judges a rename or copy as a session with c would, on what the
// tree holds now, and does nothing. What WebDAV moves between mounts is judged
// as the copy that it is then. Room is asked for and not reserved, but for a tree
// that is too large to be counted for a question.
func (t *Tree) ExplainMove(ctx context.Context, c Config, reader Reader, q Move) (Explained, error) {
	if q.Op != policy.OpRename && q.Op != policy.OpCopy {
		return Explained{}, fmt.Errorf("explain %q between two paths: %w", q.Op, fs.ErrInvalid)
	}
	f := t.FS(c)
	found, err := f.explainMove(ctx, reader, q)
	if c.Door == policy.WebDAV && q.Op == policy.OpRename && errors.Is(found.Obstacle, backend.ErrCrossMount) {
		q.Op = policy.OpCopy
		return f.explainMove(ctx, reader, q)
	}
	return found, err
}

func (f *FS) explainMove(ctx context.Context, reader Reader, q Move) (Explained, error) {
	r, err := f.s.viewed(ctx)
	if err != nil {
		return Explained{}, err
	}
	from, err := r.place(q.From)
	if err != nil {
		return Explained{}, err
	}
	to, err := r.place(q.To)
	if err != nil {
		return Explained{}, err
	}
	m := &move{fs: f, from: &from, to: &to, how: q.Replace}
	may, how := m.mayMove, keep
	if q.Op == policy.OpCopy {
		may, how = m.mayCopy, follow
	}
	stopped := f.s.reachBoth(ctx, m.from, m.to, how, func(r *rules) error { return may(ctx, r) })
	if stopped == nil {
		stopped = m.room(ctx, q.Op)
	}
	found := Explained{To: &Spot{}}
	if err := m.explain(r, q.Op, stopped, &found); err != nil {
		return found, err
	}
	if found.Obstacle != nil {
		if found.Full, err = f.s.tree.full(ctx, stopped); err != nil {
			return found, err
		}
	}
	m.tell(ctx, r, how, reader, &found)
	if found.Lock == nil {
		found.Lock, err = f.lockFor(ctx, r, reader, m.touches(q.Op)...)
	}
	return found, err
}

// tell describes both ends to who may know of them.
func (m *move) tell(ctx context.Context, r *rules, how last, reader Reader, found *Explained) {
	t, from, to := m.fs.s.tree, *m.from, *m.to
	if reader == WholeTree { // also where links lead that the account does not know of
		from.real, to.real = t.ending(ctx, m.from, how), t.ending(ctx, m.to, keep)
	}
	found.Spot, *found.To = t.spot(ctx, r, &from, reader), t.spot(ctx, r, &to, reader)
	switch {
	case reader == WholeTree:
	case found.Judged == from.real:
		found.Judged = found.Real
	case found.Judged == to.real:
		found.Judged = found.To.Real
	}
}

// ending is where a place really is, or was found to be.
func (t *Tree) ending(ctx context.Context, p *place, how last) path.Path {
	if real, err := t.resolve(ctx, p.asked, how); err == nil {
		return real
	}
	return p.real
}

// mayMove is all that a rename asks before it moves.
func (m *move) mayMove(ctx context.Context, r *rules) error {
	if err := m.mayRename(ctx, r); err != nil {
		return err
	}
	if err := m.fs.unlocked(ctx, m.touches(policy.OpRename)...); err != nil {
		return err
	}
	if err := m.opens(); err != nil {
		return err
	}
	return m.stays()
}

// explain sorts what has stopped a rename or copy: a rule, a lock, or what is
// there. What keeps the store from answering is returned.
func (m *move) explain(r *rules, op policy.Operation, stopped error, found *Explained) error {
	rule, isRule := errors.AsType[*refusal](stopped)
	if stopped != nil && !isRule && m.decided == (policy.Decision{}) {
		// Nothing is there to be judged: what the rules say of it all the same.
		rule, isRule = errors.AsType[*refusal](m.judge(r, m.decider(r, op)))
	}
	found.Decision, found.Judged = m.decided, m.asked.To
	name, isName := errors.AsType[*policy.NameError](stopped)
	switch {
	case isRule && rule.Decision == m.decided:
		if !r.policy.DecideSource(op, m.asked).Allowed {
			found.Judged = m.asked.From
		}
	case isRule:
		found.Decision, found.Judged = rule.Decision, rule.at
	case isName:
		found.Decision = policy.Decision{Rule: policy.RuleNames, Because: name.Error()}
	}
	held, isLock := errors.AsType[*locks.LockedError](stopped)
	switch {
	case isLock:
		found.Lock = &held.Lock
	case stopped == nil, isRule && stopped == error(rule), isName:
	case obstructs(stopped):
		found.Obstacle = m.fs.s.public(stopped)
	default:
		return stopped
	}
	return nil
}

func (m *move) decider(r *rules, op policy.Operation) func(policy.Move) policy.Decision {
	if op == policy.OpCopy {
		return r.policy.DecideCopy
	}
	return r.policy.DecideRename
}

// obstructs reports whether an error is about what is there, not about a store
// that is away.
func obstructs(err error) bool {
	for _, kind := range []error{
		fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid, path.ErrTooLong, backend.ErrIsDir, backend.ErrNotDir, backend.ErrBusy,
		backend.ErrCrossMount, backend.ErrUnsupported, backend.ErrNotEmpty, mount.ErrReserved, quota.ErrExceeded,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
