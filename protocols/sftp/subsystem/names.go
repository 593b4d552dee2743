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
	return wire.AppendAttrs(nil, r.ID, Attributes(info)), nil
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
		return s.rmdir(ctx, p)
	case wire.Symlink:
		if r.Target == "" {
			return fs.ErrNotExist
		}
		if strings.IndexByte(r.Target, 0) >= 0 {
			return path.ErrInvalid
		}
		if len(r.Target) > path.MaxLength {
			return path.ErrTooLong
		}
		return s.FS.Symlink(ctx, r.Target, p)
	}
	return s.setstat(ctx, p, r.Attrs)
}

// rmdir names the lock of a file that is no folder: clients that may remove both
// ask for a file first and for a folder then, and show the second answer.
func (s *server) rmdir(ctx context.Context, p path.Path) error {
	err := s.FS.RemoveDir(ctx, p)
	if !errors.Is(err, session.ErrNotDir) {
		return err
	}
	if held, lockErr := s.FS.Locks(ctx, p); lockErr == nil && len(held) > 0 {
		return &session.LockedError{Lock: held[0]}
	}
	return err
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
	if a.Has&wire.HasSize != 0 {
		return errLinkSize
	}
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
	if from == to {
		return s.renameToItself(ctx, from, how)
	}
	err = s.FS.Rename(ctx, from, to, how)
	if errors.Is(err, fs.ErrInvalid) {
		return s.within(ctx, from, to, how)
	}
	return err
}

// within is what becomes of a rename of which one path holds the other, or is
// the other in other words, in the order in which OpenSSH comes to find out.
func (s *server) within(ctx context.Context, from, to path.Path, how session.Replace) error {
	source, err := s.FS.Lstat(ctx, from)
	if err != nil {
		return err
	}
	target, err := s.FS.Lstat(ctx, to)
	switch {
	case err != nil:
		return fs.ErrInvalid
	case how == session.KeepTarget:
		return fs.ErrExist
	case source.ID() == target.ID():
		return nil
	case target.IsDir() && s.holds(ctx, to, from):
		return fs.ErrExist
	}
	return fs.ErrInvalid
}

// holds reports whether folder is above p.
func (s *server) holds(ctx context.Context, folder, p path.Path) bool {
	above, err := s.FS.RealPath(ctx, p.Dir())
	if err != nil {
		return false
	}
	real, err := s.FS.RealPath(ctx, folder)
	return err == nil && real.Contains(above)
}

// renameToItself does nothing, as rename(2), or finds the target taken.
func (s *server) renameToItself(ctx context.Context, p path.Path, how session.Replace) error {
	_, err := s.FS.Lstat(ctx, p)
	if err == nil && how == session.KeepTarget {
		return fs.ErrExist
	}
	return err
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
		real, err = s.missing(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return oneName(id, real.String()), nil
}

// mostLinks is how many links that lead to nothing are followed to the last.
const mostLinks = 40

// missing returns where p would be: in a folder that is there, or where a link
// leads that has nothing at its end.
func (s *server) missing(ctx context.Context, p path.Path) (path.Path, error) {
	for range mostLinks {
		folder, err := s.FS.RealPath(ctx, p.Dir())
		if err != nil {
			return folder, err
		}
		if info, err := s.FS.Stat(ctx, folder); err != nil || !info.IsDir() {
			return folder, errors.Join(err, fs.ErrNotExist)
		}
		if p, err = folder.Join(p.Base()); err != nil {
			return p, err
		}
		target, err := s.FS.Readlink(ctx, p)
		if err != nil {
			return p, nil
		}
		if !strings.HasPrefix(target, "/") {
			target = folder.String() + "/" + target
		}
		if p, err = path.Parse(target); err != nil || p.IsRoot() {
			return p, err
		}
	}
	return p, fs.ErrNotExist
}

func oneName(id uint32, name string) []byte {
	names := wire.NewNames(nil, id)
	names.Add(name, []byte(Printable(name)), wire.Attrs{})
	return names.Packet()
}
