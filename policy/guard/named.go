package guard

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"gatehouse/policy/path"
)

// named notes a name by which the file was opened or to which it was linked.
// s.mu is held.
func (s *stored) named(p path.Path) {
	s.alone = false
	if !slices.Contains(s.names, p) {
		s.names = append(s.names, p)
	}
}

// unnamed notes that the file is no longer what stands at p, nor below it. What it
// holds is charged where it still has a name. s.mu is held.
func (s *stored) unnamed(p path.Path) {
	s.alone = false
	s.names = slices.DeleteFunc(s.names, p.Contains)
	if p.Contains(s.path) && len(s.names) > 0 {
		s.path = s.names[0]
	}
}

// renamed makes the names follow a rename. s.mu is held.
func (s *stored) renamed(from, to path.Path) {
	s.unnamed(to)
	for i, p := range s.names {
		if rel, ok := from.Rel(p); ok {
			s.names[i] = to.Append(rel)
		}
	}
	if rel, ok := from.Rel(s.path); ok {
		s.path = to.Append(rel)
	}
}

// within reports whether one of the names is in the tree at p. s.mu is held.
func (s *stored) within(p path.Path) bool {
	return p.Contains(s.path) || slices.ContainsFunc(s.names, p.Contains)
}

// standing are the names of the file by now, as far as they were used since
// somebody has had it open; none once it is gone.
func (s *stored) standing(ctx context.Context) ([]path.Path, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if s.gone {
		return nil, nil
	}
	return slices.Clone(s.names), nil
}

// syncNames makes durable by what names the file stands, in whatever folders they
// are by now. What was found durable once is not synced again.
func (s *stored) syncNames(ctx context.Context) error {
	for {
		names, err := s.standing(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(names, func(p path.Path) bool { return !s.files.durable.has(p, s.id) })
		if i < 0 {
			return nil
		}
		if err := s.synced(names[i], s.files.sync(ctx, names[i].Dir())); err != nil {
			return err
		}
	}
}

// synced takes the outcome for a name, which counts where the file still has it. A
// folder that is gone took the name with it.
func (s *stored) synced(p path.Path, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !slices.Contains(s.names, p) || s.gone:
	case errors.Is(err, fs.ErrNotExist):
		s.unnamed(p)
	case err != nil:
		s.files.durable.clear()
		return err
	default:
		s.files.durable.add(p, s.id)
	}
	return nil
}

// lasts reports whether all of the file that was closed was made durable by this
// process, under each name that somebody has used.
func (s *stored) lasts(ctx context.Context) bool {
	names, err := s.standing(ctx)
	return err == nil && !slices.ContainsFunc(names, func(p path.Path) bool { return !s.files.durable.has(p, s.id) })
}
