package mount

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// error puts the tree path into a backend's error.
func (at place) error(err error) error {
	if err == nil || at.Path.IsRoot() {
		return err
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return &fs.PathError{Op: pe.Op, Path: at.tree.String(), Err: pe.Err}
	}
	return err
}

func pathError(op string, p path.Path, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: p.String(), Err: bare(err)}
}

func linkError(op string, from, to path.Path, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: from.String(), New: to.String(), Err: bare(err)}
}

// bare is the reason alone, without the paths that a backend knows it by.
func bare(err error) error {
	if le := (*os.LinkError)(nil); errors.As(err, &le) {
		return le.Err
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// file makes the errors of a backend's file speak of the tree. The root's do.
func (at place) file(f backend.File) backend.File {
	if at.Path.IsRoot() {
		return f
	}
	return &file{inner: f, at: at}
}

type file struct {
	inner backend.File
	at    place
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.inner.ReadAt(p, off)
	if err == io.EOF {
		return n, err
	}
	return n, f.at.error(err)
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.inner.WriteAt(p, off)
	return n, f.at.error(err)
}

func (f *file) Stat() (backend.Info, error) {
	i, err := f.inner.Stat()
	return i, f.at.error(err)
}

func (f *file) Properties() (map[string][]byte, error) {
	props, err := f.inner.Properties()
	return props, f.at.error(err)
}

func (f *file) SetProperties(props map[string][]byte) error {
	return f.at.error(f.inner.SetProperties(props))
}

// Lock is the backend's, where its files are Lockers.
func (f *file) Lock() (unlock func() error, err error) {
	l, ok := f.inner.(backend.Locker)
	if !ok {
		return nil, f.at.error(backend.ErrUnsupported)
	}
	unlock, err = l.Lock()
	return unlock, f.at.error(err)
}

func (f *file) Close() error                 { return f.at.error(f.inner.Close()) }
func (f *file) Truncate(size int64) error    { return f.at.error(f.inner.Truncate(size)) }
func (f *file) Sync() error                  { return f.at.error(f.inner.Sync()) }
func (f *file) SetAttr(a backend.Attr) error { return f.at.error(f.inner.SetAttr(a)) }
func (f *file) OS() *os.File                 { return f.inner.OS() }
