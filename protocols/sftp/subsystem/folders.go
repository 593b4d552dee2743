package subsystem

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"gatehouse/protocols/sftp/buffers"
	"gatehouse/protocols/sftp/wire"
)

// Bounds of one answer to Readdir: what passes the second by one entry still goes
// through a channel as one packet, which every client takes.
const (
	entriesAtOnce = 128
	listingSize   = 31 << 10
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

// sendListing answers with the next entries; a folder is never read as a whole.
func (s *server) sendListing(r wire.Request) error {
	b := s.Buffers.Get(buffers.Small)
	defer s.Buffers.Put(b)
	reply, err := s.readdir(b[:0], r)
	if err != nil {
		reply = s.refusal(r, err)
	}
	return s.out.send(reply)
}

// readdir fills a packet, as far as there are entries.
func (s *server) readdir(b []byte, r wire.Request) ([]byte, error) {
	d, err := s.folder(r.Handle)
	if err != nil {
		return nil, err
	}
	if !d.more() {
		return nil, emptied(d.failed)
	}
	names := wire.NewNames(b, r.ID)
	lines := long{now: time.Now()}
	var line []byte
	for names.Size() < listingSize && d.more() {
		info := &d.read[0]
		line = lines.append(line[:0], info)
		names.Add(info.Name(), line, Attributes(*info))
		d.read = d.read[1:]
	}
	return names.Packet(), nil
}

// more reports whether there is another entry. What keeps it from being read is
// for the answer after this one.
func (d *folder) more() bool {
	for len(d.read) == 0 && d.failed == nil {
		d.read, d.failed = d.dir.Next(entriesAtOnce)
	}
	return len(d.read) > 0
}

// emptied is the end of a folder that was removed while it was open.
func emptied(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return io.EOF
	}
	return err
}
