package guard

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// A place is where an operation acts: the path as the account sees it, the
// tree path that this is, and where it really is once links are resolved.
type place struct{ seen, asked, real path.Path }

// targets yields what policy is asked about.
func (p *place) targets(folder bool) iter.Seq[policy.Target] {
	return func(yield func(policy.Target) bool) {
		if yield(policy.Target{Path: p.asked, Folder: folder}) && p.real != p.asked {
			yield(policy.Target{Path: p.real, Folder: folder})
		}
	}
}

// member is the place of name in the folder p.
func (p *place) member(name string) (place, error) {
	var m place
	var err error
	if m.seen, err = p.seen.Join(name); err != nil {
		return place{}, err
	}
	if m.asked, err = p.asked.Join(name); err != nil {
		return place{}, err
	}
	m.real, err = p.real.Join(name)
	return m, err
}

func (r *rules) place(seen path.Path) (place, error) {
	asked := r.view.Tree(seen)
	p := place{seen, asked, asked}
	if len(asked.String()) > path.MaxLength {
		return p, path.ErrTooLong
	}
	return p, nil
}

// Bounds of following links: how many on one way, and how often an operation
// is tried anew while somebody swaps them.
const (
	maxHops  = 40
	maxSwaps = 32
)

// errSwapped says that what was judged is not there any more.
var errSwapped = errors.New("the file was replaced meanwhile")

// last says what becomes of a link that is the last element of a path.
type last int

const (
	follow last = iota
	keep
)

// reach does an operation at a place. It supposes that no link is on the way:
// the backend then opens exactly what was judged, or says ErrLink. Only then
// links are resolved, and do judges the real path as well.
func (s *session) reach(ctx context.Context, p *place, how last, do func(r *rules) error) error {
	return s.attempt(ctx, do, func(r *rules) error { return s.settle(ctx, r, p, how) })
}

// reachBoth is reach for operations between two places, links themselves.
func (s *session) reachBoth(ctx context.Context, from, to *place, how last, do func(r *rules) error) error {
	return s.attempt(ctx, do, func(r *rules) error {
		if err := s.settle(ctx, r, from, how); err != nil {
			return err
		}
		if r.hides(to.asked) {
			return nil // it is refused as it is
		}
		return s.settle(ctx, r, to, keep)
	})
}

func (s *session) attempt(ctx context.Context, do, settle func(r *rules) error) error {
	var err error
	for range maxSwaps {
		if s.closed.Load() {
			return fs.ErrClosed
		}
		r, errView := s.viewed(ctx)
		if errView != nil {
			return errView
		}
		if err = do(r); !swapped(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := settle(r); err != nil && !swapped(err) {
			return err
		}
	}
	return err
}

func swapped(err error) bool {
	return errors.Is(err, backend.ErrLink) || errors.Is(err, errSwapped)
}

// settle finds where a place really is. No link is followed where the account
// may not know of it, and a way that ends in such a place is judged there: it
// hears the same whether the rest is missing or not.
func (s *session) settle(ctx context.Context, r *rules, p *place, how last) error {
	if r.hides(p.asked) {
		return r.hidden(p.asked)
	}
	real, err := s.tree.resolve(ctx, p.asked, how)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && r.hides(real)) {
		return err
	}
	p.real = real
	return nil
}
