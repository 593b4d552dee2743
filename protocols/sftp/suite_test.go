package sftp_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	pkgsftp "github.com/pkg/sftp"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp"
	"gatehouse/protocols/sftp/wire"
)

// The suite of all doors, asked over SSH with a client library.
func TestSuite(t *testing.T) {
	protocoltest.Run(t, protocoltest.Door{
		Door: policy.SFTP, Keys: true, Resumes: true, RenameReplaces: true, SetsTimes: true, NamesHolder: true,
		Serve: func(t testing.TB, w *protocoltest.World) protocoltest.Dial {
			keys := []ssh.Signer{protocoltest.NewKey(t)}
			served := &world{World: w, t: t, hostKeys: keys, config: sftp.Config{Manager: w.Sessions, HostKeys: keys, Log: w.Log}}
			served.serve()
			return served.visit
		},
	})
}

// visit comes in as a person of the suite.
func (w *world) visit(l protocoltest.Login) (protocoltest.Client, error) {
	proof := ssh.Password(l.Password)
	if l.WithKey {
		proof = ssh.PublicKeys(l.Key)
	}
	conn, err := ssh.Dial("tcp", w.address, w.client(l.Name, proof))
	if err != nil {
		return nil, errors.Join(protocoltest.ErrLogin, err)
	}
	c, err := pkgsftp.NewClient(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	direct, err := rawOn(w.t, conn)
	if err == nil {
		err = direct.write(fields(wire.Init, uint32(3)))
	}
	if err == nil {
		_, err = direct.next()
	}
	return &visitor{conn: conn, c: c, direct: direct}, err
}

// A visitor is the client library in the words of the suite.
type visitor struct {
	conn *ssh.Client
	c    *pkgsftp.Client
	// direct is for what the library does not say as it is told.
	direct *raw
}

// class puts a client's error into the suite's.
func class(err error) error {
	var status *pkgsftp.StatusError
	var named error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		named = protocoltest.ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		named = protocoltest.ErrDenied
	case errors.As(err, &status):
		text := status.Error()
		switch {
		case strings.Contains(text, "quota exceeded"):
			named = protocoltest.ErrQuota
		case strings.Contains(text, "try again later"):
			named = protocoltest.ErrAway
		case strings.Contains(text, "no space left"):
			named = protocoltest.ErrNoSpace
		case strings.Contains(text, "locked by"):
			named = protocoltest.ErrLocked
		case strings.Contains(text, "file exists"):
			named = protocoltest.ErrExists
		case status.FxCode() == pkgsftp.ErrSSHFxOpUnsupported:
			named = protocoltest.ErrUnsupported
		}
	}
	if named == nil {
		return err
	}
	return errors.Join(named, err)
}

func (v *visitor) Put(name string, r io.Reader) error {
	return v.write(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, r)
}

func (v *visitor) PutAt(name string, _ int64, r io.Reader) error {
	return v.write(name, os.O_WRONLY|os.O_APPEND, r)
}

func (v *visitor) write(name string, flags int, r io.Reader) error {
	f, err := v.c.OpenFile(name, flags)
	if err != nil {
		return class(err)
	}
	_, err = f.ReadFrom(r)
	return class(errors.Join(err, f.Close()))
}

func (v *visitor) Get(name string, offset int64) (io.ReadCloser, error) {
	f, err := v.c.Open(name)
	if err != nil {
		return nil, class(err)
	}
	_, err = f.Seek(offset, io.SeekStart)
	return f, err
}

func (v *visitor) List(folder string) ([]protocoltest.Entry, error) {
	infos, err := v.c.ReadDir(folder)
	if err != nil {
		return nil, class(err)
	}
	var all []protocoltest.Entry
	for _, i := range infos {
		all = append(all, entryOf(i))
	}
	return all, nil
}

func entryOf(i fs.FileInfo) protocoltest.Entry {
	return protocoltest.Entry{Name: i.Name(), Size: i.Size(), Dir: i.IsDir(), Modified: i.ModTime()}
}

func (v *visitor) Stat(name string) (protocoltest.Entry, error) {
	i, err := v.c.Stat(name)
	if err != nil {
		return protocoltest.Entry{}, class(err)
	}
	return entryOf(i), nil
}

func (v *visitor) Mkdir(name string) error      { return class(v.c.Mkdir(name)) }
func (v *visitor) RemoveDir(name string) error  { return class(v.c.RemoveDirectory(name)) }
func (v *visitor) Rename(from, to string) error { return class(v.c.PosixRename(from, to)) }
func (v *visitor) Close() error                 { return v.conn.Close() }
func (v *visitor) SetModified(name string, at time.Time) error {
	return class(v.c.Chtimes(name, at, at))
}

// Remove removes a file and no folder: the library would go on to try that.
func (v *visitor) Remove(name string) error {
	if err := v.direct.write(fields(wire.Remove, uint32(1), name)); err != nil {
		return err
	}
	got, err := v.direct.next()
	if err != nil {
		return err
	}
	switch got.code() {
	case wire.OK:
		return nil
	case wire.NoSuchFile:
		return protocoltest.ErrNotFound
	case wire.PermissionDenied:
		return protocoltest.ErrDenied
	}
	return class(&pkgsftp.StatusError{Code: uint32(got.code())})
}
