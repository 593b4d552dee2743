package journal

import (
	"errors"
	"io"
	"os"
)

// A file is a segment as it is written. Sync makes its content durable.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// A system is where the files are.
type system interface {
	// open opens a segment to be written.
	open(path string, flag int) (file, error)
	// syncDir makes the names in a folder durable.
	syncDir(dir string) error
}

type operatingSystem struct{}

func (operatingSystem) open(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// A diskFile leaves alone what says nothing of the content, such as times.
type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return datasync(f.File) }

func (operatingSystem) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
