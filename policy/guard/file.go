package guard

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
)

// A File is an open file, guarded: each piece is judged, reserved and counted.
// ReadAt and WriteAt may be called concurrently.
type File struct {
	fs     *FS
	c      *call
	how    Open
	needs  []policy.Operation // judged again whenever the policy changes
	ctx    context.Context    // lives as long as the handle
	cancel context.CancelCauseFunc

	file   backend.File
	book   book    // nil where the file is only read
	upload *upload // nil where it is written in place
	sync   bool    // made durable at the end

	use      sync.RWMutex // read-locked by each piece, locked to close
	closed   bool
	position sync.Mutex // of the kernel's file
	in, out  atomic.Int64
	created  atomic.Bool
	touched  atomic.Bool  // something was changed
	modeSet  atomic.Bool  // the client chose the permission bits itself
	broken   atomic.Value // the first error that lost data, in a fault
	unsynced atomic.Value // the first failure of Sync, which the kernel tells once, in a fault
	aborted  atomic.Value // why, in a fault
	heeded   atomic.Int64 // when the locks were last asked, in nanoseconds
	final    *backend.Info
	begun    time.Time // when a tentative file was last changed, as it was made
}

// fault puts errors of all types into one atomic value.
type fault struct {
	err    error
	sender bool // whoever sends has broken off
}

// Errors of handles used the wrong way round.
var (
	errNotRead  = &UnsupportedError{Text: "the file is open for writing only"}
	errNotWrite = &UnsupportedError{Text: "the file is open for reading only"}
)

// Context ends, with the decision as its cause, when the handle is cut. Front
// ends break what waits on the network then (context.AfterFunc). It does not
// end at Close, nor with the context that Open was called with.
func (f *File) Context() context.Context { return f.ctx }

// Created reports whether opening or closing made a file that was not there.
func (f *File) Created() bool { return f.created.Load() }

func (f *File) allowed(r *rules) error {
	for _, op := range f.needs {
		if err := r.judge(&f.c.at, op, false); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) cut(cause error) { f.cancel(cutBy(cause)) }

// enter begins a piece of work on the handle; f.use.RUnlock ends it.
func (f *File) enter(op policy.Operation) error {
	f.use.RLock()
	err := f.usable(op)
	if err != nil {
		f.use.RUnlock()
		return f.c.wrap(err)
	}
	return nil
}

func (f *File) usable(op policy.Operation) error {
	switch {
	case f.closed:
		return fs.ErrClosed
	case f.ctx.Err() != nil:
		return context.Cause(f.ctx)
	case op == policy.OpRead && !f.how.Read:
		return errNotRead
	case op == policy.OpWrite && !f.how.Write:
		return errNotWrite
	}
	return nil
}

// ReadAt is io.ReaderAt's.
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	return pieces(b, off, f.readPiece)
}

// WriteAt is io.WriterAt's. It writes what there is room for.
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	return pieces(b, off, f.writePiece)
}

// pieces moves all of b, as much at a time as move does.
func pieces(b []byte, off int64, move func([]byte, int64) (int, error)) (int, error) {
	for done := 0; ; {
		n, err := move(b[done:], off+int64(done))
		if done += n; err != nil || done == len(b) {
			return done, err
		}
	}
}

func (f *File) readPiece(b []byte, off int64) (n int, err error) {
	g, refused := f.outgoing(int64(len(b)))
	defer func() { g.Moved(int64(n)) }()
	if err := f.enter(policy.OpRead); err != nil {
		return 0, err
	}
	defer f.use.RUnlock()
	if off < 0 {
		return 0, f.c.wrap(fs.ErrInvalid)
	}
	if refused != nil {
		if refused = f.atEnd(off, refused); refused == io.EOF {
			return 0, io.EOF
		}
		return 0, f.c.wrap(refused)
	}
	n, err = f.file.ReadAt(b[:g.Bytes], off)
	f.out.Add(int64(n))
	if err == io.EOF {
		return n, io.EOF
	}
	return n, f.c.wrap(err)
}

func (f *File) writePiece(b []byte, off int64) (n int, err error) {
	g, refused := f.incoming(int64(len(b)))
	defer func() { g.Moved(int64(n)) }()
	if err := f.enter(policy.OpWrite); err != nil {
		return 0, err
	}
	defer f.use.RUnlock()
	if refused != nil {
		return 0, f.c.wrap(f.breaks(refused))
	}
	n, err = f.write(b[:g.Bytes], off)
	return n, f.c.wrap(err)
}

func (f *File) write(b []byte, off int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	room, refused := f.begin(off, int64(len(b)))
	if room == 0 {
		return 0, f.breaks(refused)
	}
	n, err := f.file.WriteAt(b[:room], off)
	late := f.finish(off, int64(n), err == nil && int64(n) == room)
	err = cmp.Or(err, late, refused)
	return n, f.breaks(err)
}

// begin takes the growth of a piece before it is written.
func (f *File) begin(off, n int64) (int64, error) {
	if off < 0 || n > math.MaxInt64-off {
		return 0, fs.ErrInvalid
	}
	if err := f.fs.s.tree.mayChange(); err != nil {
		return 0, err
	}
	if err := f.heed(); err != nil {
		return 0, err
	}
	if most := f.fs.s.rules.Load().largest; most > 0 && off+n > most {
		if off >= most {
			return 0, tooLarge(most)
		}
		room, err := f.book.begin(f.ctx, off, most-off)
		return room, errors.Join(err, tooLarge(most))
	}
	return f.book.begin(f.ctx, off, n)
}

// finish ends a piece of n bytes at off. What was written while this node was taken for
// dead is taken back, with the fence's error.
func (f *File) finish(off, n int64, complete bool) error {
	late := f.fs.s.tree.mayChange()
	if s, ok := f.book.(*stored); ok && s.files.shared {
		s.passed(f.file, off+n, late)
	}
	f.book.finish(f.ctx, f.file, complete)
	if n > 0 {
		f.in.Add(n)
		f.touched.Store(true)
	}
	return late
}

// breaks remembers the first error after which the file is not whole.
func (f *File) breaks(err error) error {
	if err != nil {
		f.broken.CompareAndSwap(nil, fault{err: err})
	}
	return err
}

// breaksOff is breaks where it was the sender who did not go on.
func (f *File) breaksOff(err error) error {
	f.broken.CompareAndSwap(nil, fault{err, true})
	return err
}

// Truncate sets the size.
func (f *File) Truncate(size int64) error {
	if err := f.enter(policy.OpWrite); err != nil {
		return err
	}
	defer f.use.RUnlock()
	return f.c.wrap(f.resize(size))
}

func (f *File) resize(size int64) error {
	if size < 0 {
		return fs.ErrInvalid
	}
	if most := f.fs.s.rules.Load().largest; most > 0 && size > most {
		return tooLarge(most)
	}
	if err := f.fs.s.tree.mayChange(); err != nil {
		return err
	}
	if err := f.heed(); err != nil {
		return err
	}
	err := f.book.truncate(f.ctx, f.file, size)
	if err == nil {
		f.touched.Store(true)
	}
	return err
}

// Stat describes the open file, whatever became of its name (a staged one: as it
// will be). After Close it is what that left in place of a file that was written to.
func (f *File) Stat() (Info, error) {
	f.use.RLock()
	defer f.use.RUnlock()
	r := f.fs.s.rules.Load()
	if f.closed && f.final != nil {
		return newInfo(r, &f.c.at, *f.final), nil
	}
	if err := f.usable(""); err != nil {
		return Info{}, f.c.wrap(err)
	}
	info, err := f.file.Stat()
	return newInfo(r, &f.c.at, info), f.c.wrap(err)
}

// Sync makes durable what was written so far and, of a file that is new in its
// place, the name.
func (f *File) Sync() error {
	if err := f.enter(""); err != nil {
		return err
	}
	defer f.use.RUnlock()
	err := f.breaks(f.flush(context.WithoutCancel(f.ctx)))
	if err != nil {
		f.unsynced.CompareAndSwap(nil, fault{err: err})
	}
	return f.c.wrap(err)
}

// Abort says that the transfer broke: Close then drops a staged upload, and
// the event says aborted. An upload in place stays for resuming, but for a
// tentative one into which nothing was written.
func (f *File) Abort(cause error) {
	if cause == nil {
		cause = io.ErrUnexpectedEOF
	}
	f.aborted.CompareAndSwap(nil, fault{err: cause})
}

// Close ends the handle: a staged upload is put in place, and one event
// reported. Only the first call does something.
func (f *File) Close() error {
	f.use.Lock()
	defer f.use.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	f.fs.s.forget(f)
	err := f.end()
	f.fs.s.report(f.event(err))
	return f.c.wrap(err)
}

// end closes what is below, and returns why the file is not as it should be.
func (f *File) end() error {
	ctx := context.WithoutCancel(f.ctx)
	if f.upload != nil {
		return f.upload.end(ctx, f)
	}
	gone, err := f.withdraw(ctx)
	if !gone {
		err = f.lasting(ctx)
	}
	if f.book != nil {
		f.book.close(ctx, f.file)
	}
	if f.how.Write && !gone {
		f.final = described(f.file)
	}
	err = errors.Join(err, f.file.Close())
	if err == nil && f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	return err
}

// described is what an open file is like, nil where that cannot be told.
func described(file backend.File) *backend.Info {
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	return &info
}

// lasting is settle's error, or that of a Sync before, which the kernel tells once.
func (f *File) lasting(ctx context.Context) error {
	err := f.settle(ctx)
	if lost, ok := f.unsynced.Load().(fault); ok {
		return lost.err
	}
	return err
}

// ended tells why an upload is not to be put in place, nil where it is.
func (f *File) ended() error {
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	if a, ok := f.aborted.Load().(fault); ok {
		return a.err
	}
	if b, ok := f.broken.Load().(fault); ok {
		return b.err
	}
	return nil
}

func (f *File) event(err error) events.Event {
	b, broken := f.broken.Load().(fault)
	if broken && err == nil {
		err = b.err
	}
	e := f.c.event(err)
	e.Kind, e.Bytes = events.Download, f.out.Load()
	if f.how.Write && (!f.how.Read || f.touched.Load() || f.created.Load()) {
		e.Kind, e.Bytes = events.Upload, f.in.Load()
	}
	a, aborted := f.aborted.Load().(fault)
	switch {
	case f.ctx.Err() != nil:
		explain(&e, context.Cause(f.ctx))
		e.Outcome = events.WasCut
	case aborted && (!broken || b.sender):
		e.Outcome, e.Rule, e.Reason = events.Aborted, "", reason(a.err).Error()
	}
	return e
}
