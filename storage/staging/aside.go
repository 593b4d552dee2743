package staging

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// What lies aside is ID.aside, and ID.origin beside it says where it stood and, after a
// NUL, what of the same folder is to take its place. As long as that is there, the
// replacement was not made: what lies aside is to come back. Where it is gone it has
// taken the place, and what lies aside is to be removed, as is what has no origin.
const (
	asideKind  = ".aside"
	originKind = ".origin"
)

// An Aside is a file or tree that was taken out of the tree. Of Restore and Drop one is
// called; after a crash before that it comes back at the next start, or when its node
// is buried.
type Aside struct {
	area       *Area
	mount      mount.Mount
	tree, rel  path.Path // where it stood
	at, origin path.Path
	ended      atomic.Bool
}

// PutAside moves the file or tree at p out of sight.
func (a *Area) PutAside(ctx context.Context, p path.Path) (*Aside, error) {
	s, err := a.noting(ctx, p, "")
	if err == nil {
		err = s.take(ctx)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// noting writes down where what stands at p is to come back to, unless the name by is
// gone from this node's folder then.
func (a *Area) noting(ctx context.Context, p path.Path, by string) (*Aside, error) {
	s := &Aside{area: a, tree: p, at: a.next(asideKind)}
	s.mount, s.rel = a.table.Of(p)
	s.origin = s.at.Dir().Append(path.MustParse(trimKind(s.at.Base(), asideKind) + originKind))
	if err := ctx.Err(); err != nil {
		return nil, asideError(p, err)
	}
	text := s.rel.String()
	if by != "" {
		text += "\x00" + by
	}
	if err := a.making(ctx, s.mount, func() error { return s.note(ctx, text) }); err != nil {
		return nil, asideError(p, err)
	}
	return s, nil
}

func (s *Aside) note(ctx context.Context, text string) error {
	b := s.mount.Backend
	f, err := b.Open(ctx, s.origin, backend.How{Write: true, Create: true, Exclusive: true, Mode: 0o600})
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	if err == nil && s.mount.Durable() {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil && s.mount.Durable() {
		err = b.Sync(ctx, s.origin.Dir())
	}
	if err != nil {
		_ = s.forget() // alone it means nothing
		return err
	}
	return nil
}

// take moves it here, once that is noted.
func (s *Aside) take(ctx context.Context) error {
	if err := s.area.table.Take(ctx, s.tree, s.at); err != nil {
		return asideError(s.tree, errors.Join(bare(err), bare(s.forget())))
	}
	return nil
}

// forget removes the note. It and what follows go on when the client is gone.
func (s *Aside) forget() error {
	err := s.mount.Backend.Remove(context.Background(), s.origin)
	if err == nil && s.mount.Durable() {
		err = s.mount.Backend.Sync(context.Background(), s.origin.Dir())
	}
	return err
}

// Stat describes what lies aside.
func (s *Aside) Stat(ctx context.Context) (backend.Info, error) {
	info, err := s.mount.Backend.Stat(ctx, s.at)
	return info, asideError(s.tree, err)
}

// Restore brings it back: beside its place, where something else stands there by now.
func (s *Aside) Restore() error {
	if s.ended.Load() {
		return asideError(s.tree, ErrClosed)
	}
	at, err := s.area.bring(context.Background(), s.mount, s.at, s.tree)
	if err != nil {
		return asideError(s.tree, err)
	}
	s.ended.Store(true)
	if s.mount.Durable() {
		if err := s.area.table.Sync(context.Background(), at.Dir()); err != nil {
			return err
		}
	}
	return asideError(s.tree, s.forget())
}

// undo is Restore after an operation that failed. What cannot be brought back now comes
// back at the next start, whatever has become of what was to take its place.
func (s *Aside) undo() (settled bool, err error) {
	if err = s.Restore(); err == nil || s.ended.Load() {
		return true, err
	}
	unbound := s.unbind()
	return unbound == nil, errors.Join(err, unbound)
}

// unbind takes from the note what is to take the place.
func (s *Aside) unbind() error {
	f, err := s.mount.Backend.Open(context.Background(), s.origin, backend.How{Write: true})
	if err != nil {
		return err
	}
	err = f.Truncate(int64(len(s.rel.String())))
	if err == nil && s.mount.Durable() {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Drop removes it.
func (s *Aside) Drop() error {
	if s.ended.Swap(true) {
		return nil
	}
	if err := s.forget(); err != nil {
		return asideError(s.tree, err)
	}
	return asideError(s.tree, s.area.removeTree(context.Background(), s.mount.Backend, s.at))
}

// origin reads where what lies aside stood, as the backend knows it, and what is to
// take its place.
func origin(ctx context.Context, b backend.Backend, note path.Path) (p path.Path, by string, err error) {
	f, err := b.Open(ctx, note, backend.How{Read: true})
	if err != nil {
		return p, "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, path.MaxLength+path.MaxName+2))
	if err != nil {
		return p, "", err
	}
	where, by, bound := strings.Cut(string(text), "\x00")
	if p.UnmarshalText([]byte(where)) != nil || p.IsRoot() || bound && path.ValidName(by) != nil {
		return path.Path{}, "", errNote
	}
	return p, by, nil
}

// errNote keeps what lies aside until a person has looked at it.
var errNote = errors.New("the note of where it stood says no path")

func asideError(p path.Path, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "put aside", Path: p.String(), Err: bare(err)}
}
