package protocoltest_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
)

// The suite is asked of a session without any protocol: what fails here is not
// a front end's.
func TestSessionsWithoutProtocol(t *testing.T) {
	protocoltest.Run(t, protocoltest.Door{
		Door:           policy.SFTP,
		Keys:           true,
		Resumes:        true,
		RenameReplaces: true,
		SetsTimes:      true,
		Bare:           true,
		Serve: func(t testing.TB, w *protocoltest.World) protocoltest.Dial {
			return func(l protocoltest.Login) (protocoltest.Client, error) { return dial(t.Context(), w, l) }
		},
	})
}

func dial(ctx context.Context, w *protocoltest.World, l protocoltest.Login) (protocoltest.Client, error) {
	a := auth.Attempt{
		Account: l.Name, Door: policy.SFTP, Transport: policy.SSH,
		Address: netip.MustParseAddr("127.0.0.1"), Client: "direct", Password: l.Password,
	}
	if l.WithKey {
		a.Password, a.Key = "", l.Key.PublicKey()
	}
	s, err := w.Sessions.Login(ctx, a)
	if err != nil {
		return nil, errors.Join(protocoltest.ErrLogin, err)
	}
	return &direct{ctx: ctx, session: s, fs: s.FS()}, nil
}

// direct is a client that calls what front ends call.
type direct struct {
	ctx     context.Context
	session *session.Session
	fs      *session.FS
}

func parse(name string) path.Path {
	p, err := path.Parse(name)
	if err != nil {
		return path.MustParse("/" + strings.Repeat("x", 255) + "/" + "unparsable")
	}
	return p
}

func class(err error) error {
	for own, named := range map[error]error{
		fs.ErrNotExist: protocoltest.ErrNotFound, fs.ErrPermission: protocoltest.ErrDenied, fs.ErrExist: protocoltest.ErrExists,
		session.ErrExceeded: protocoltest.ErrQuota, session.ErrLocked: protocoltest.ErrLocked,
		session.ErrUnsupported: protocoltest.ErrUnsupported, session.ErrNoSpace: protocoltest.ErrNoSpace, session.ErrAway: protocoltest.ErrAway,
	} {
		if errors.Is(err, own) {
			return errors.Join(named, err)
		}
	}
	return err
}

func (d *direct) Close() error { d.session.Close(); return nil }

func (d *direct) Put(name string, r io.Reader) error {
	return d.write(name, 0, r, session.Open{Write: true, Create: true, Truncate: true})
}

func (d *direct) PutAt(name string, offset int64, r io.Reader) error {
	return d.write(name, offset, r, session.Open{Write: true, Resume: true})
}

func (d *direct) write(name string, offset int64, r io.Reader, how session.Open) error {
	f, err := d.fs.Open(d.ctx, parse(name), how)
	if err != nil {
		return class(err)
	}
	// A front end breaks the client's connection where the handle is cut.
	cut := context.AfterFunc(f.Context(), func() { _ = f.Close() })
	defer cut()
	gone := context.AfterFunc(d.session.Context(), func() { f.Abort(errors.New("gone")); _ = f.Close() })
	defer gone()
	if _, err := f.CopyFrom(r, offset); err != nil {
		f.Abort(err)
		_ = f.Close()
		return class(err)
	}
	if err := context.Cause(d.session.Context()); err != nil {
		return err
	}
	return class(f.Close())
}

func (d *direct) Get(name string, offset int64) (io.ReadCloser, error) {
	f, err := d.fs.Open(d.ctx, parse(name), session.Open{Read: true})
	if err != nil {
		return nil, class(err)
	}
	r := &reader{f: f, at: offset}
	r.cut = context.AfterFunc(f.Context(), func() { _ = f.Close() })
	return r, nil
}

type reader struct {
	f   *session.File
	at  int64
	cut func() bool
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.f.ReadAt(p, r.at)
	r.at += int64(n)
	return n, err
}

func (r *reader) Close() error { r.cut(); return r.f.Close() }

func (d *direct) List(folder string) ([]protocoltest.Entry, error) {
	dir, err := d.fs.List(d.ctx, parse(folder))
	if err != nil {
		return nil, class(err)
	}
	defer dir.Close()
	var all []protocoltest.Entry
	for {
		some, err := dir.Next(100)
		for _, i := range some {
			all = append(all, entry(i))
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, class(err)
		}
	}
}

func entry(i session.Info) protocoltest.Entry {
	return protocoltest.Entry{Name: i.Name(), Size: i.Size(), Dir: i.IsDir(), Modified: i.ModTime()}
}

func (d *direct) Stat(name string) (protocoltest.Entry, error) {
	i, err := d.fs.Stat(d.ctx, parse(name))
	if err != nil {
		return protocoltest.Entry{}, class(err)
	}
	return entry(i), nil
}

func (d *direct) Mkdir(name string) error     { return class(d.fs.Mkdir(d.ctx, parse(name), 0)) }
func (d *direct) Remove(name string) error    { return class(d.fs.Remove(d.ctx, parse(name))) }
func (d *direct) RemoveDir(name string) error { return class(d.fs.RemoveDir(d.ctx, parse(name))) }

func (d *direct) Rename(from, to string) error {
	return class(d.fs.Rename(d.ctx, parse(from), parse(to), session.ReplaceFile))
}

func (d *direct) SetModified(name string, t time.Time) error {
	return class(d.fs.SetAttr(d.ctx, parse(name), session.Attr{Modified: &t}))
}
