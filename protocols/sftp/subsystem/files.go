package subsystem

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
)

func (s *server) open(ctx context.Context, r wire.Request) ([]byte, error) {
	p, err := parsePath(r.Path)
	if err != nil {
		return nil, err
	}
	how, err := openAs(r)
	if err != nil {
		return nil, err
	}
	s.settle()
	if err := s.Handles.Take(); err != nil {
		return nil, err
	}
	opened, err := s.openFile(ctx, p, how)
	if err != nil {
		s.Handles.Release()
		return nil, err
	}
	f := &file{
		path: p, open: opened, lane: s.lanes.enter(func() string { return identity(opened) }),
		readable: how.Read, writable: how.Write, appends: r.Flags&wire.FlagAppend != 0,
	}
	s.whenCut(f)
	handle := s.nextHandle()
	s.files[handle] = f
	return wire.AppendHandle(nil, r.ID, handle), nil
}

// identity tells which file is open, whatever its name; empty where it was cut.
func identity(f *session.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	return info.ID()
}

// openFile opens, and makes a new file for one who only wants to read it: the
// file system makes files for writing only, and none should be asked for on a
// file that is there.
func (s *server) openFile(ctx context.Context, p path.Path, how session.Open) (*session.File, error) {
	if how.Write || !how.Create {
		return s.FS.Open(ctx, p, how)
	}
	if !how.Exclusive {
		f, err := s.FS.Open(ctx, p, session.Open{Read: true})
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	how.Write, how.Exclusive = true, true
	return s.FS.Open(ctx, p, how)
}

// openAs reads the flags of Open. Nothing protective is dropped: a combination
// that has no clear meaning is refused.
func openAs(r wire.Request) (session.Open, error) {
	has := func(flag uint32) bool { return r.Flags&flag != 0 }
	how := session.Open{
		Read: has(wire.FlagRead), Write: has(wire.FlagWrite),
		Create: has(wire.FlagCreate), Exclusive: has(wire.FlagExclusive), Truncate: has(wire.FlagTruncate),
	}
	if !how.Read && !how.Write {
		return how, errNoDirection
	}
	if !how.Write && how.Truncate {
		return how, errNeedsWrite
	}
	if how.Exclusive && !how.Create {
		return how, errExclusive
	}
	how.Resume = how.Write && has(wire.FlagAppend) && !how.Truncate && !how.Exclusive
	if r.Attrs.Has&wire.HasMode != 0 {
		how.Mode = fs.FileMode(r.Attrs.Mode) & fs.ModePerm
	}
	return how, nil
}

// read reads, beside the reading of requests where that takes long. The reply is
// sent from memory that was reserved first, so that a client that asks for much
// holds little.
func (s *server) read(ctx context.Context, r wire.Request, p packet) error {
	f, err := s.file(r.Handle)
	p.free()
	if err == nil && !f.readable {
		err = errWriteOnly
	}
	n := min(int64(r.Length), wire.MaxPayload)
	if err == nil && r.Offset > uint64(math.MaxInt64-n) {
		err = errTooLarge
	}
	if err != nil {
		return s.out.send(s.refusal(r, err))
	}
	if n == 0 {
		return s.out.send(wire.PutData(make([]byte, wire.DataHeader), r.ID, 0))
	}
	weight := max(n+wire.DataHeader, least)
	if err := s.in.reserve(ctx, s.memory, weight); err != nil {
		return err
	}
	at := span{int64(r.Offset), int64(r.Offset) + n}
	f.lane.read(at)
	return s.workOn(transfer{f: f, turn: f.turn(s.pace.here()), id: r.ID, at: at, weight: weight}, (*server).transferDown)
}

// A transfer is a read or a write of a file that is under way.
type transfer struct {
	f      *file
	turn   turn
	id     uint32
	at     span
	weight int64  // of memory, for a read
	packet packet // of a write,
	data   []byte // which writes this
}

func (s *server) transferDown(t transfer) {
	b := s.Buffers.Get(wire.DataHeader + int(t.at.end-t.at.first))
	defer s.memory.Release(t.weight)
	defer s.Buffers.Put(b)
	defer t.turn.end()
	got, err := t.f.readAt(b[wire.DataHeader:], t.at.first)
	t.turn.come()
	if got == 0 {
		s.out.sendAt(t.turn, s.refusal(wire.Request{Type: wire.Read, ID: t.id}, err))
		return
	}
	s.out.sendContent(t.turn, t.f, t.id, wire.PutData(b, t.id, got))
}

// A turn orders the answers about one file. What is asked for may be done in any
// order, and is answered in that of the requests: OpenSSH's scp takes what was
// answered without a gap for all that there is, and cuts the file off behind it.
type turn struct {
	before, told *told
	// late is an answer that the reading of requests sends at the latest when it
	// waits for more of them.
	late bool
}

// told is done once an answer was given. Before that it knows whether the next
// one waits for nothing else.
type told struct {
	done    sync.WaitGroup
	awaited atomic.Bool
}

func (f *file) turn(late bool) turn {
	t := turn{f.told, new(told), late}
	t.told.done.Add(1)
	f.told = t.told
	return t
}

// come returns once everything before it was answered. The answer must follow.
func (t turn) come() {
	if t.before != nil {
		t.before.awaited.Store(true)
		t.before.done.Wait()
	}
}

// wait is come for an answer that waits for something else as well.
func (t turn) wait() {
	if t.before != nil {
		t.before.done.Wait()
	}
}

// awaited tells that the next answer follows as soon as this one was given.
func (t turn) awaited() bool { return t.told != nil && t.told.awaited.Load() }

func (t turn) end() { t.told.done.Done() }

// readAt returns an error exactly where nothing was read: what follows a short
// piece is told when it is asked for.
func (f *file) readAt(b []byte, off int64) (int, error) {
	defer f.lane.reads.done()
	n, err := f.open.ReadAt(b, off)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, f.because(err)
}

// write writes from the packet itself, beside the reading of requests where that
// takes long.
func (s *server) write(ctx context.Context, r wire.Request, p packet) error {
	f, err := s.file(r.Handle)
	if err == nil && !f.writable {
		err = errReadOnlyHandle
	}
	n := int64(len(r.Data))
	if err == nil && !f.appends && r.Offset > uint64(math.MaxInt64-n) {
		err = errTooLarge
	}
	if err != nil {
		p.free()
		return s.out.send(s.refusal(r, err))
	}
	at := whole
	if !f.appends {
		at = span{int64(r.Offset), int64(r.Offset) + n}
	}
	f.lane.write(at)
	return s.workOn(transfer{f: f, turn: f.turn(s.pace.here()), id: r.ID, at: at, packet: p, data: r.Data}, (*server).transferUp)
}

func (s *server) transferUp(t transfer) {
	defer t.packet.free()
	defer t.turn.end()
	err := t.f.writeAt(t.data, t.at.first)
	t.turn.come()
	if err != nil {
		s.out.sendAt(t.turn, s.refusal(wire.Request{Type: wire.Write, ID: t.id}, err))
		return
	}
	s.out.sendOK(t.turn, t.id)
}

// writeAt writes all of b, as one of the writes under way.
func (f *file) writeAt(b []byte, off int64) error {
	defer f.lane.writes.done()
	return f.put(b, off)
}

// put writes all of b.
func (f *file) put(b []byte, off int64) error {
	if len(b) == 0 {
		return nil
	}
	if f.appends {
		info, err := f.open.Stat()
		if err != nil {
			return err
		}
		off = info.Size()
	}
	n, err := f.open.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return f.because(err)
}

// because names the reason where a file is closed because it was cut.
func (f *file) because(err error) error {
	if cut := f.cut(); err != nil && cut != nil {
		return cut
	}
	return err
}

// fsync makes durable what was written before it, beside the reading of requests.
func (s *server) fsync(r wire.Request) error {
	f, err := s.file(r.Handle)
	if f == nil {
		err = errHandleGone
	}
	if err != nil {
		return s.out.send(s.refusal(r, err))
	}
	f.lane.settle()
	f.lane.writes.begin(whole)
	id, turn := r.ID, f.turn(false)
	s.beside(func() {
		defer turn.end()
		err := f.sync()
		turn.come()
		if err != nil {
			s.out.send(s.refusal(wire.Request{Type: wire.Extended, ID: id, Extension: wire.Fsync}, err))
			return
		}
		s.out.send(wire.AppendStatus(nil, id, wire.OK, ""))
	})
	return nil
}

func (f *file) sync() error {
	defer f.lane.writes.done()
	return f.open.Sync()
}

func (s *server) fstat(r wire.Request) ([]byte, error) {
	f, err := s.file(r.Handle)
	if err != nil {
		return nil, err
	}
	f.lane.writes.settle()
	info, err := f.open.Stat()
	if err != nil {
		return nil, err
	}
	return wire.AppendAttrs(nil, r.ID, Attributes(info)), nil
}

func (s *server) fsetstat(r wire.Request) error {
	f, err := s.file(r.Handle)
	if err != nil {
		return err
	}
	change, err := changes(r.Attrs)
	if err != nil || change == (session.Attr{}) {
		return err
	}
	if change.Size != nil && !f.writable {
		return errReadOnlyHandle
	}
	f.lane.settle()
	return f.open.SetAttr(change)
}
