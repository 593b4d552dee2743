package staging

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync/atomic"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// What lies aside is ID.aside, and ID.origin beside it says where it stood. The
// origin is written before, and removed to say that the replacement is complete:
// whatever lies aside without one is to be removed, with one it is to come back.
const (
	asideKind  = ".aside"
	originKind = ".origin"
)

// PutAside moves the file or tree at p out of sight, for an operation that
// replaces it; restore brings it back, drop removes it. Of drop and restore one
// is called; after a crash before that, the next New restores it, unless
// something else stands at p by then. Where restore finds that, it is
// fs.ErrExist and nothing is lost: drop may follow.
func (a *Area) PutAside(ctx context.Context, p path.Path) (restore func() error, drop func() error, err error) {
	m, rel := a.table.Of(p)
	s := &aside{area: a, mount: m, tree: p, at: a.next(asideKind)}
	s.origin = s.at.Dir().Append(path.MustParse(trimKind(s.at.Base(), asideKind) + originKind))
	if err := ctx.Err(); err != nil {
		return nil, nil, asideError(p, err)
	}
	if err := a.making(ctx, m, func() error { return s.note(ctx, rel) }); err != nil {
		return nil, nil, asideError(p, err)
	}
	if err := a.table.Take(ctx, p, s.at); err != nil {
		return nil, nil, asideError(p, errors.Join(bare(err), bare(s.forget())))
	}
	return s.restore, s.drop, nil
}

type aside struct {
	area       *Area
	mount      mount.Mount
	tree       path.Path
	at, origin path.Path
	ended      atomic.Bool
}

// note writes down where it stands.
func (s *aside) note(ctx context.Context, rel path.Path) error {
	b := s.mount.Backend
	f, err := b.Open(ctx, s.origin, backend.How{Write: true, Create: true, Exclusive: true, Mode: 0o600})
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(rel.String()), 0)
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

// forget removes the note. It and what follows go on when the client is gone.
func (s *aside) forget() error {
	err := s.mount.Backend.Remove(context.Background(), s.origin)
	if err == nil && s.mount.Durable() {
		err = s.mount.Backend.Sync(context.Background(), s.origin.Dir())
	}
	return err
}

func (s *aside) restore() error {
	if s.ended.Load() {
		return asideError(s.tree, ErrClosed)
	}
	if err := s.area.table.Place(context.Background(), s.at, s.tree, false); err != nil {
		return err
	}
	s.ended.Store(true)
	if s.mount.Durable() {
		if err := s.area.table.Sync(context.Background(), s.tree.Dir()); err != nil {
			return err
		}
	}
	return asideError(s.tree, s.forget())
}

func (s *aside) drop() error {
	if s.ended.Swap(true) {
		return nil
	}
	if err := s.forget(); err != nil {
		return asideError(s.tree, err)
	}
	return asideError(s.tree, s.area.removeTree(context.Background(), s.mount.Backend, s.at))
}

// origin reads where what lies aside stood, as the backend knows it.
func origin(ctx context.Context, b backend.Backend, note path.Path) (path.Path, error) {
	f, err := b.Open(ctx, note, backend.How{Read: true})
	if err != nil {
		return path.Path{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, path.MaxLength+1))
	if err != nil {
		return path.Path{}, err
	}
	var p path.Path
	if p.UnmarshalText(text) != nil || p.IsRoot() {
		return path.Path{}, errNote
	}
	return p, nil
}

// errNote keeps what lies aside until a person has looked at it.
var errNote = errors.New("the note of where it stood says no path")

func asideError(p path.Path, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "put aside", Path: p.String(), Err: bare(err)}
}
