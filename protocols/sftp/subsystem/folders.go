package subsystem

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"gatehouse/protocols/sftp/wire"
)

// Bounds of one answer to Readdir. Every client takes packets of this size.
const (
	entriesAtOnce = 100
	listingSize   = 32 << 10
	entrySize     = 160 // what most take
)

func (s *server) opendir(ctx context.Context, r wire.Request) ([]byte, error) {
	p, err := parsePath(r.Path)
	if err != nil {
		return nil, err
	}
	s.settleWrites()
	if err := s.Handles.Take(); err != nil {
		return nil, err
	}
	dir, err := s.FS.List(ctx, p)
	if err != nil {
		s.Handles.Release()
		return nil, err
	}
	d := &folder{dir: dir}
	s.whenFolderCut(d)
	handle := s.nextHandle()
	s.folders[handle] = d
	return wire.AppendHandle(nil, r.ID, handle), nil
}

// readdir answers with the next entries; a folder is never read as a whole.
func (s *server) readdir(r wire.Request) ([]byte, error) {
	d, err := s.folder(r.Handle)
	if err != nil {
		return nil, err
	}
	if len(d.read) == 0 {
		if d.read, err = d.dir.Next(entriesAtOnce); len(d.read) == 0 {
			return nil, emptied(err)
		}
	}
	names := wire.NewNames(make([]byte, 0, min(len(d.read)*entrySize, listingSize)+entrySize), r.ID)
	now := time.Now()
	var line []byte
	for len(d.read) > 0 && names.Size() < listingSize {
		info := d.read[0]
		line = appendLong(line[:0], info, now)
		names.Add(info.Name(), line, Attributes(info))
		d.read = d.read[1:]
	}
	return names.Packet(), nil
}

// emptied is the end of a folder that was removed while it was open.
func emptied(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return io.EOF
	}
	return err
}
