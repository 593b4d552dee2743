package subsystem

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
)

// parsePath reads a path as a client sent it, relative to its root. An empty one
// names nothing, as in OpenSSH.
func parsePath(raw string) (path.Path, error) {
	if raw == "" {
		return path.Path{}, fs.ErrNotExist
	}
	return path.Parse(raw)
}

// named does what names a path. Questions come after every write that was asked
// for before them, changes after every read as well.
func (s *server) named(ctx context.Context, r wire.Request) ([]byte, error) {
	switch r.Type {
	case wire.Realpath:
		return s.realpath(ctx, r.ID, r.Path)
	case wire.Stat, wire.Lstat, wire.Readlink:
		p, err := parsePath(r.Path)
		if err != nil {
			return nil, err
		}
		s.settleWrites()
		return s.ask(ctx, r, p)
	case wire.Setstat, wire.Mkdir, wire.Remove, wire.Rmdir, wire.Symlink:
		p, err := parsePath(r.Path)
		if err != nil {
			return nil, err
		}
		s.settle()
		return nil, s.change(ctx, r, p)
	case wire.Rename:
		return nil, s.rename(ctx, r, session.KeepTarget)
	}
	return nil, errUnsupported
}

func (s *server) ask(ctx context.Context, r wire.Request, p path.Path) ([]byte, error) {
	if r.Type == wire.Readlink {
		target, err := s.FS.Readlink(ctx, p)
		if err != nil {
			return nil, err
		}
		return oneName(r.ID, target), nil
	}
	stat := s.FS.Stat
	if r.Type == wire.Lstat {
		stat = s.FS.Lstat
	}
	info, err := stat(ctx, p)
	if err != nil {
		return nil, err
	}
	return wire.AppendAttrs(nil, r.ID, attributes(info)), nil
}

func (s *server) change(ctx context.Context, r wire.Request, p path.Path) error {
	switch r.Type {
	case wire.Mkdir:
		var mode fs.FileMode
		if r.Attrs.Has&wire.HasMode != 0 {
			mode = fs.FileMode(r.Attrs.Mode) & fs.ModePerm
		}
		return s.FS.Mkdir(ctx, p, mode)
	case wire.Remove:
		return s.FS.Remove(ctx, p)
	case wire.Rmdir:
		return s.FS.RemoveDir(ctx, p)
	case wire.Symlink:
		if r.Target == "" || strings.IndexByte(r.Target, 0) >= 0 {
			return path.ErrInvalid
		}
		if len(r.Target) > path.MaxLength {
			return path.ErrTooLong
		}
		return s.FS.Symlink(ctx, r.Target, p)
	}
	return s.setstat(ctx, p, r.Attrs)
}

func (s *server) setstat(ctx context.Context, p path.Path, a wire.Attrs) error {
	change, err := changes(a)
	if err != nil {
		return err
	}
	if change == (session.Attr{}) {
		_, err := s.FS.Stat(ctx, p)
		return err
	}
	return s.FS.SetAttr(ctx, p, change)
}

// lsetstat is setstat for what stands at the path itself: a link has nothing
// that could be changed.
func (s *server) lsetstat(ctx context.Context, p path.Path, a wire.Attrs) error {
	info, err := s.FS.Lstat(ctx, p)
	if err != nil {
		return err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		return errUnsupported
	}
	return s.setstat(ctx, p, a)
}

// changes reads which attributes are to be changed. Owners are not the client's
// to change: alone they are refused, among others ignored.
func changes(a wire.Attrs) (session.Attr, error) {
	var change session.Attr
	if a.Has == wire.HasOwner {
		return change, errOwner
	}
	if a.Has&wire.HasSize != 0 {
		if a.Size > math.MaxInt64 {
			return change, errTooLarge
		}
		size := int64(a.Size)
		change.Size = &size
	}
	if a.Has&wire.HasMode != 0 {
		mode := fs.FileMode(a.Mode) & fs.ModePerm
		change.Mode = &mode
	}
	if a.Has&wire.HasTimes != 0 {
		accessed, modified := time.Unix(int64(a.Accessed), 0), time.Unix(int64(a.Modified), 0)
		change.Accessed, change.Modified = &accessed, &modified
	}
	return change, nil
}

func (s *server) rename(ctx context.Context, r wire.Request, how session.Replace) error {
	from, to, err := bothPaths(r)
	if err != nil {
		return err
	}
	s.settle()
	if from == to && how == session.ReplaceFile {
		// rename(2) of a name to itself does nothing and succeeds.
		_, err := s.FS.Lstat(ctx, from)
		return err
	}
	return s.FS.Rename(ctx, from, to, how)
}

func bothPaths(r wire.Request) (from, to path.Path, err error) {
	if from, err = parsePath(r.Path); err != nil {
		return from, to, err
	}
	to, err = parsePath(r.Target)
	return from, to, err
}

// realpath answers as OpenSSH does: links are resolved, and the last element
// need not exist.
func (s *server) realpath(ctx context.Context, id uint32, raw string) ([]byte, error) {
	p, err := path.Parse(raw)
	if err != nil {
		return nil, err
	}
	s.settleWrites()
	real, err := s.FS.RealPath(ctx, p)
	if errors.Is(err, fs.ErrNotExist) && !p.IsRoot() {
		if real, err = s.FS.RealPath(ctx, p.Dir()); err == nil {
			real, err = real.Join(p.Base())
		}
	}
	if err != nil {
		return nil, err
	}
	return oneName(id, real.String()), nil
}

func oneName(id uint32, name string) []byte {
	names := wire.NewNames(nil, id)
	names.Add(name, printable(name), wire.Attrs{})
	return names.Packet()
}
