package subsystem

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
)

// Handles bounds what is open at a time. Safe for concurrent use.
type Handles struct {
	limit   int64
	used    atomic.Int64
	refused atomic.Bool
}

// NewHandles allows limit open files and folders.
func NewHandles(limit int) *Handles { return &Handles{limit: int64(limit)} }

// InUse returns how many are open.
func (h *Handles) InUse() int { return int(h.used.Load()) }

// Refuse lets nothing be opened any more; what is open stays so.
func (h *Handles) Refuse() { h.refused.Store(true) }

// Take notes one more, or says why there may be none; Release follows.
func (h *Handles) Take() error {
	if h.refused.Load() {
		return errShutdown
	}
	return h.TakeMore()
}

// TakeMore is Take for work that has begun, which may come to its end.
func (h *Handles) TakeMore() error {
	if h.used.Add(1) > h.limit {
		h.used.Add(-1)
		return errTooManyOpen
	}
	return nil
}

// Release gives back what Take took.
func (h *Handles) Release() { h.used.Add(-1) }

// A file is an open file with what its handle allows: the direction is held
// here, before anything is read into or out of a buffer.
type file struct {
	path path.Path
	open *session.File
	lane *lane
	// appends sends every write to the end, whatever offset it names.
	readable, writable, appends bool
	// told is done once what was asked for last was answered.
	told *told
	// forget ends the waiting for the file to be cut.
	forget func() bool
}

// close ends the file for good. What was cut before is told again: its client
// must not take it for whole.
func (f *file) close() error {
	f.forget()
	return errors.Join(f.cut(), f.open.Close())
}

// cut returns why the file was cut, nil where it was not.
func (f *file) cut() error {
	return context.Cause(f.open.Context())
}

// whenCut lets the file go as soon as policy no longer allows it, whatever its
// client does: content under way is withdrawn, and the file below closed.
func (s *server) whenCut(f *file) {
	f.forget = context.AfterFunc(f.open.Context(), func() {
		defer s.contain()
		s.out.withdraw(f)
		s.letGo(f.open)
	})
}

// whenFolderCut lets the folder go as soon as policy no longer allows it.
func (s *server) whenFolderCut(d *folder) {
	d.forget = context.AfterFunc(d.dir.Context(), func() {
		defer s.contain()
		s.letGo(d.dir)
	})
}

func (s *server) letGo(open io.Closer) {
	if err := open.Close(); err != nil {
		s.Log.Debug("close what was cut", "error", err)
	}
}

// A folder is an open folder, with entries that were read and not yet sent.
type folder struct {
	dir    *session.Dir
	read   []session.Info
	failed error // why there are no more
	forget func() bool
}

func (d *folder) close() error {
	d.forget()
	return errors.Join(d.cut(), d.dir.Close())
}

func (d *folder) cut() error { return context.Cause(d.dir.Context()) }

// handle makes a name for something open. None is ever used twice in a channel.
func (s *server) nextHandle() string {
	s.last++
	return string(binary.BigEndian.AppendUint64(nil, s.last))
}

// file returns the open file of a handle, as long as it was not cut.
func (s *server) file(handle []byte) (*file, error) {
	if f := s.files[string(handle)]; f != nil {
		return f, f.cut()
	}
	if s.folders[string(handle)] != nil {
		return nil, errFolderHandle
	}
	return nil, errNoHandle
}

func (s *server) folder(handle []byte) (*folder, error) {
	if d := s.folders[string(handle)]; d != nil {
		return d, d.cut()
	}
	if s.files[string(handle)] != nil {
		return nil, errFileHandle
	}
	return nil, errNoHandle
}

// closeHandle ends a handle. A file is closed after all that was asked of it before,
// and beside the reading of requests where that waits long for the store.
func (s *server) closeHandle(r wire.Request) error {
	if d := s.folders[string(r.Handle)]; d != nil {
		delete(s.folders, string(r.Handle))
		err := d.close()
		s.Handles.Release()
		return s.closed(r, err)
	}
	f := s.files[string(r.Handle)]
	if f == nil {
		return s.out.send(s.refusal(r, errHandleGone))
	}
	delete(s.files, string(r.Handle))
	f.lane.settle()
	s.lanes.leave(f.lane)
	s.closing.Add(1)
	id, late := r.ID, s.pace.here()
	return s.work(func() {
		err := s.finish(f)
		s.closedFile(id, late, err)
	})
}

func (s *server) finish(f *file) error {
	defer s.closing.Done()
	defer s.Handles.Release()
	return f.close()
}

func (s *server) closedFile(id uint32, late bool, err error) {
	defer s.Closed()
	answer := wire.AppendStatus(nil, id, wire.OK, "")
	if err != nil {
		answer = s.refusal(wire.Request{Type: wire.Close, ID: id}, err)
	}
	s.out.sendAt(turn{late: late}, answer)
}

func (s *server) closed(r wire.Request, err error) error {
	defer s.Closed()
	if err != nil {
		return s.out.send(s.refusal(r, err))
	}
	return s.out.send(wire.AppendStatus(nil, r.ID, wire.OK, ""))
}

// settleWrites waits for every write asked for so far, settle for every read
// as well: the turn of what names a path comes after them.
func (s *server) settleWrites() {
	s.lanes.settleWrites()
	s.closing.Wait()
}

func (s *server) settle() {
	s.lanes.settle()
	s.closing.Wait()
}
