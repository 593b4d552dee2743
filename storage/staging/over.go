package staging

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// How something takes the place of a folder, or a folder that of something: what stands
// there is put aside, then what is staged takes the name. Whether that was done shows
// in what is staged being gone, whenever the node dies, and whatever others have done
// to the name since.

// Over puts the file, made durable as the mount says, in the place of whatever stands
// there, which drop removes. After any error but ErrNotDurable the upload is gone, and
// what stood there stands.
func (u *Upload) Over(ctx context.Context) (drop func() error, err error) {
	if !u.end() {
		return nil, stageError(u.target, ErrClosed)
	}
	if u.mount.Durable() { // before anything is moved
		if err := u.settle(); err != nil {
			return nil, u.done(err)
		}
	}
	old, err := u.over(ctx, func() error { return u.put(ctx, false) })
	if err := u.done(err); err != nil {
		return nil, err
	}
	return old.Drop, nil
}

// Over is Upload.Over for a tree.
func (f *Folder) Over(ctx context.Context) (drop func() error, err error) {
	if !f.end() {
		return nil, stageError(f.target, ErrClosed)
	}
	old, err := f.over(ctx, func() error { return f.area.table.Place(ctx, f.at, f.target, false) })
	if err != nil {
		return nil, stageError(f.target, errors.Join(bare(err), bare(f.drop())))
	}
	if err := f.durable(); err != nil {
		return nil, err
	}
	return old.Drop, nil
}

// over lets put take the place of what stands at the target, and returns that.
func (p *place) over(ctx context.Context, put func() error) (*Aside, error) {
	old, err := p.area.noting(ctx, p.target, p.at.Base())
	if err == nil {
		err = old.take(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := put(); err != nil && !errors.Is(err, ErrNotDurable) {
		settled, undone := old.undo()
		p.kept = !settled
		return nil, errors.Join(err, undone)
	} else if err != nil {
		return nil, err
	}
	return old, nil
}

// A Swap is a file or tree that has taken the place of another.
type Swap struct{ source, target *Aside }

// Move moves what stands at from in the place of whatever stands at to, on the same
// mount. Of Drop and Undo one is called.
func (a *Area) Move(ctx context.Context, from, to path.Path) (*Swap, error) {
	source, err := a.noting(ctx, from, "")
	if err != nil {
		return nil, err
	}
	target, err := a.noting(ctx, to, source.at.Base())
	if err != nil {
		return nil, errors.Join(err, source.forget())
	}
	s := &Swap{source, target}
	if err := source.take(ctx); err != nil {
		return nil, errors.Join(err, target.forget())
	}
	if err := target.take(ctx); err != nil {
		_, undone := source.undo()
		return nil, errors.Join(err, undone)
	}
	if err := a.table.Place(ctx, source.at, to, false); err != nil {
		return nil, errors.Join(err, s.back())
	}
	return s, nil
}

// back brings both back to where they stood, the one that was replaced first: what was
// to replace it says that it was not.
func (s *Swap) back() error {
	settled, err := s.target.undo()
	if !settled {
		return err // both come back at the next start
	}
	_, undone := s.source.undo()
	return errors.Join(err, undone)
}

// Undo takes the replacement back.
func (s *Swap) Undo() error {
	if err := s.source.area.table.Take(context.Background(), s.target.tree, s.source.at); err != nil {
		return asideError(s.target.tree, err)
	}
	return s.back()
}

// Drop removes what was replaced, once the new name is known to last.
func (s *Swap) Drop() error {
	return errors.Join(asideError(s.source.tree, s.source.forget()), s.target.Drop())
}

// tries bounds how often something is brought back while somebody swaps folders on the
// way, or takes the names that are free.
const tries = 32

// bring moves what lies aside to where it stood, and says where that is: beside it,
// where the name is taken. Where its folder is gone that is made again: it cannot be
// told from one that was only moved, and what comes back too much is a smaller harm
// than what is lost.
func (a *Area) bring(ctx context.Context, m mount.Mount, old, target path.Path) (at path.Path, err error) {
	taken := 0
	for range tries {
		if at, err = beside(target, taken); err != nil {
			return at, err
		}
		err = a.table.Place(ctx, old, at, false)
		switch {
		case errors.Is(err, fs.ErrExist):
			taken++
		case errors.Is(err, fs.ErrNotExist):
			if _, gone := m.Backend.Stat(ctx, old); gone != nil {
				return at, gone
			}
			if err := a.makeFolders(ctx, target.Dir()); err != nil {
				return at, err
			}
		case !errors.Is(err, backend.ErrLink):
			return at, err
		}
	}
	return at, err
}

// beside is p, or the nth name beside it.
func beside(p path.Path, n int) (path.Path, error) {
	if n == 0 {
		return p, nil
	}
	mark := " (restored)"
	if n > 1 {
		mark = fmt.Sprintf(" (restored %d)", n)
	}
	name := p.Base()
	for len(name)+len(mark) > path.MaxName {
		_, last := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-last]
	}
	return p.Dir().Join(name + mark)
}
