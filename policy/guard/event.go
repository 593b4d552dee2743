package guard

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
)

// A call is one operation on its way: its end is one event, and an error as
// the account may read it.
type call struct {
	s    *session
	op   string
	kind events.Kind // empty: an operation that leaves no event
	at   place
	to   *place

	began time.Time
	bytes int64
}

// call begins an operation, as fast as they may follow one another.
func (f *FS) call(ctx context.Context, op string, kind events.Kind, p path.Path) (*call, error) {
	return f.begin(ctx, &call{s: f.s, op: op, kind: kind, began: time.Now()}, p, f.s.pace(ctx))
}

// aside begins what belongs to another operation, and is not one by itself.
func (f *FS) aside(ctx context.Context, op string, p path.Path) (*call, error) {
	return f.begin(ctx, &call{s: f.s, op: op, began: time.Now()}, p, nil)
}

func (f *FS) begin(ctx context.Context, c *call, p path.Path, err error) (*call, error) {
	var r *rules
	if err == nil {
		r, err = f.s.viewed(ctx)
	}
	if err == nil {
		c.at, err = r.place(p)
	}
	if err == nil {
		err = c.audited()
	}
	if err != nil {
		return c, c.end(err)
	}
	return c, nil
}

// audited refuses an operation that leaves an event where none can be kept.
func (c *call) audited() error {
	if c.kind == "" || c.s.config.Audited == nil || c.s.config.Audited() {
		return nil
	}
	return &refusal{Decision: policy.Decision{Rule: policy.RuleAudit, Because: "the audit log takes no events now"}}
}

func (f *FS) callBoth(ctx context.Context, op string, kind events.Kind, from, to path.Path) (*call, error) {
	c := &call{s: f.s, op: op, kind: kind, to: &place{seen: to}, began: time.Now()}
	err := f.s.pace(ctx)
	var r *rules
	if err == nil {
		r, err = f.s.viewed(ctx)
	}
	if err == nil {
		c.at, err = r.place(from)
	}
	if err == nil {
		*c.to, err = r.place(to)
	}
	if err == nil {
		err = c.audited()
	}
	if err != nil {
		return c, c.end(err)
	}
	return c, nil
}

// end reports the call and returns err as the account may read it.
func (c *call) end(err error) error {
	if c.kind != "" {
		c.s.report(c.event(err))
	}
	return c.wrap(err)
}

func (c *call) event(err error) events.Event {
	e := events.Event{Kind: c.kind, Path: c.at.real.String(), Outcome: events.OK, Bytes: c.bytes}
	if c.to != nil {
		e.Target = c.to.real.String()
	}
	e.Took = time.Since(c.began)
	explain(&e, err)
	return e
}

// explain says in an event how it ended, with the rule where one refused.
func explain(e *events.Event, err error) {
	if err == nil {
		return
	}
	e.Outcome, e.Reason = events.Failed, reason(err).Error()
	var d *DeniedError
	var r *refusal
	var u *UnsupportedError
	switch {
	case errors.As(err, &r):
		e.Outcome, e.Rule, e.Reason = events.Denied, string(r.Rule), r.Because
	case errors.As(err, &d):
		e.Outcome, e.Rule, e.Reason = events.Denied, string(d.Rule), d.Because
	case errors.As(err, &u) && u.Rule != "":
		e.Outcome, e.Rule = events.Denied, string(u.Rule)
	case errors.Is(err, quota.ErrExceeded):
		e.Outcome, e.Rule = events.Denied, string(policy.RuleQuota)
	case errors.Is(err, locks.ErrLocked):
		e.Outcome, e.Rule = events.Denied, string(policy.RuleLock)
	}
}

func (s *session) report(e events.Event) {
	if s.config.Report != nil {
		s.config.Report(e)
	}
}

func (c *call) wrap(err error) error {
	if err == nil {
		return nil
	}
	err = c.s.public(err)
	if c.to != nil {
		return &os.LinkError{Op: c.op, Old: c.at.seen.String(), New: c.to.seen.String(), Err: err}
	}
	return &fs.PathError{Op: c.op, Path: c.at.seen.String(), Err: err}
}

// public is an error without paths of the tree or the machine in it.
func (s *session) public(err error) error {
	var r *refusal
	var full *quota.ExceededError
	var locked *locks.LockedError
	switch {
	case errors.As(err, &r):
		return denied(err)
	case errors.As(err, &full):
		return &quota.ExceededError{Folder: s.shown(full.Folder), Room: full.Room}
	case errors.As(err, &locked):
		return &locks.LockedError{Lock: s.shownLock(locked.Lock)}
	}
	return reason(err)
}

// shown is a tree path as the account sees it, the root where it does not.
func (s *session) shown(p path.Path) path.Path {
	seen, ok := s.rules.Load().view.Seen(p)
	if !ok {
		return path.Root
	}
	return seen
}

func (s *session) shownLock(l locks.Lock) Lock {
	l.Path = s.shown(l.Path)
	return l
}

// denied is a refusal as those outside know it.
func denied(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	if r.hidden {
		return fs.ErrNotExist
	}
	return &DeniedError{r.Decision}
}

// reason takes an error out of what other layers put around it: their paths
// are not the account's.
func reason(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return reason(e.Err)
	case *os.LinkError:
		return reason(e.Err)
	case *memberError:
		return reason(e.err)
	case interface{ Unwrap() []error }:
		var list []error
		for _, one := range e.Unwrap() {
			list = append(list, reason(one))
		}
		return errors.Join(list...)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return reason(pe.Err)
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return reason(le.Err)
	}
	return err
}

// A memberError is what went wrong with one member of a tree.
type memberError struct {
	p   path.Path // of the tree
	err error
}

func (e *memberError) Error() string { return e.err.Error() }
func (e *memberError) Unwrap() error { return e.err }

// cutBy is the error of a handle that was cut.
func cutBy(cause error) error {
	var d *DeniedError
	if errors.Is(cause, fs.ErrNotExist) && !errors.As(cause, &d) {
		return &DeniedError{policy.Decision{Rule: policy.RuleNoGrant, Because: "no grant speaks of the path"}}
	}
	return cause
}
