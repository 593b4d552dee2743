package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/backend"
)

// Pieces of a transfer: between two of them it is judged, reserved and
// counted. What goes through the kernel begins small and grows while the other
// side keeps up, since all of a piece is reserved while it is waited for.
const (
	firstPiece = 64 << 10
	maxPiece   = 4 << 20
	bufferSize = 256 << 10

	quick = 100 * time.Millisecond
	slow  = time.Second
)

// buffers are big: those who wait do not keep one. heads take the first piece.
var (
	buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}
	heads   = sync.Pool{New: func() any { b := make([]byte, firstPiece); return &b }}
)

// CopyTo writes n bytes from off on (negative n: to the end) to w, in bounded
// pieces. Where w is a plain connection all but the first piece go through the
// kernel: what that takes to begin is more than a small file does.
// io.ErrUnexpectedEOF where the file was made shorter below what was sent.
func (f *File) CopyTo(w io.Writer, off, n int64) (int64, error) {
	toEnd := n < 0
	if toEnd {
		n = 1<<63 - 1
	}
	var done int64
	if _, plain := w.(syscall.Conn); plain && n > 0 {
		sent, err := f.sendPiece(f.sendHead, w, off, min(n, firstPiece))
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, f.c.wrap(err)
		}
		done = sent
	}
	send := f.pumpTo
	if rf, ok := w.(io.ReaderFrom); ok && done < n && f.file.OS() != nil {
		send = func(_ io.Writer, off, n int64) (int64, error) { return f.sendTo(rf, off, n) }
		f.position.Lock()
		defer f.position.Unlock()
	}
	var size int64
	if toEnd { // else the caller knows how much was to come
		info, err := f.Stat()
		if err != nil {
			return done, err
		}
		size = info.Size()
	}
	for done < n {
		sent, err := f.sendPiece(send, w, off+done, min(n-done, maxPiece))
		done += sent
		if err == io.EOF {
			return done, f.stillHas(min(size, off+done))
		}
		if err != nil {
			return done, f.c.wrap(err)
		}
	}
	return done, nil
}

// stillHas returns io.ErrUnexpectedEOF where the file says that it is shorter than it
// was; some say less than they have, at all times.
func (f *File) stillHas(size int64) error {
	if size == 0 {
		return nil
	}
	info, err := f.Stat()
	if err == nil && info.Size() < size {
		return fmt.Errorf("the file was cut off while it was sent: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// sendPiece sends one piece; io.EOF says that the file ended with it.
func (f *File) sendPiece(send func(io.Writer, int64, int64) (int64, error), w io.Writer, off, n int64) (sent int64, err error) {
	g, refused := f.outgoing(n)
	defer func() { g.Moved(sent) }()
	if err := f.enter(policy.OpRead); err != nil {
		return 0, err
	}
	defer f.use.RUnlock()
	if refused != nil {
		return 0, f.atEnd(off, refused)
	}
	sent, err = send(w, off, g.Bytes)
	f.out.Add(sent)
	if err == nil && sent < g.Bytes {
		err = io.EOF
	}
	return sent, err
}

// sendTo lets w read from the kernel's file.
func (f *File) sendTo(w io.ReaderFrom, off, n int64) (int64, error) {
	file := f.file.OS()
	if _, err := file.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return w.ReadFrom(&io.LimitedReader{R: file, N: n})
}

func (f *File) pumpTo(w io.Writer, off, n int64) (int64, error) {
	return f.pumpThrough(&buffers, w, off, n)
}

// sendHead is pumpTo for no more than the first piece.
func (f *File) sendHead(w io.Writer, off, n int64) (int64, error) {
	return f.pumpThrough(&heads, w, off, n)
}

func (f *File) pumpThrough(lent *sync.Pool, w io.Writer, off, n int64) (int64, error) {
	buf := lent.Get().(*[]byte)
	defer lent.Put(buf)
	var done int64
	for done < n {
		b := (*buf)[:min(n-done, int64(len(*buf)))]
		got, rerr := f.file.ReadAt(b, off+done)
		sent, err := w.Write(b[:got])
		done += int64(sent)
		if err != nil {
			return done, err
		}
		if rerr == io.EOF {
			return done, nil
		}
		if rerr != nil {
			return done, rerr
		}
	}
	return done, nil
}

// A mover moves at most n of its bytes to a file from off on by itself; fewer
// without an error are its end. Left is how many may still come, so that no more
// is reserved.
type mover interface {
	MoveTo(file *os.File, off, n int64) (int64, error)
	Left() int64
}

// CopyFrom writes what r yields from off on, in bounded pieces, through the
// kernel where r moves its bytes by itself, or is a plain connection with more
// than a first piece.
func (f *File) CopyFrom(r io.Reader, off int64) (int64, error) {
	if err := f.enter(policy.OpWrite); err != nil {
		return 0, err
	}
	f.use.RUnlock()
	if _, moves := r.(mover); moves && f.file.OS() != nil {
		return f.receive(r, off)
	}
	if _, plain := r.(syscall.Conn); !plain {
		return f.pumpFrom(r, off)
	}
	n, more, err := f.receiveHead(r, off)
	switch {
	case err != nil || !more:
		return n, err
	case f.file.OS() != nil:
		rest, err := f.receive(r, off+n)
		return n + rest, err
	}
	rest, err := f.pumpFrom(r, off+n)
	return n + rest, err
}

// receiveHead takes the first piece of r as it comes, and reports whether there may
// be more.
func (f *File) receiveHead(r io.Reader, off int64) (done int64, more bool, err error) {
	buf := heads.Get().(*[]byte)
	defer heads.Put(buf)
	for more = true; more && err == nil && done < firstPiece; {
		got, rerr := r.Read((*buf)[done:])
		var n int64
		n, more, err = f.keep((*buf)[done:done+int64(got)], off+done, rerr)
		done += n
	}
	return done, more, err
}

// receive lets the kernel's file read from r, piece by piece.
func (f *File) receive(r io.Reader, off int64) (int64, error) {
	f.position.Lock()
	defer f.position.Unlock()
	var done, want int64 = 0, firstPiece
	for {
		if m, ok := r.(mover); ok {
			want = min(want, m.Left())
		}
		if want == 0 {
			return done, nil
		}
		began := time.Now()
		n, room, err := f.receivePiece(r, off+done, want)
		done += n
		if err != nil || n < room || room == 0 {
			return done, err
		}
		want = nextPiece(want, time.Since(began))
	}
}

func nextPiece(piece int64, took time.Duration) int64 {
	switch {
	case took < quick:
		return min(2*piece, maxPiece)
	case took > slow:
		return max(piece/2, firstPiece)
	}
	return piece
}

func (f *File) receivePiece(r io.Reader, off, want int64) (n, room int64, err error) {
	g, refused := f.incoming(want)
	defer func() { g.Moved(n) }()
	if err := f.enter(policy.OpWrite); err != nil {
		return 0, 0, err
	}
	defer f.use.RUnlock()
	if refused == nil {
		room, refused = f.begin(off, g.Bytes)
	}
	if room == 0 {
		return 0, 0, f.c.wrap(f.overflows(r, refused))
	}
	n, err = f.take(r, off, room)
	late := f.finish(off, n, err == nil && n == room)
	if late != nil {
		return n, room, f.c.wrap(f.breaks(late))
	}
	return n, room, f.c.wrap(f.fails(err))
}

func (f *File) take(r io.Reader, off, n int64) (int64, error) {
	file := f.file.OS()
	if m, ok := r.(mover); ok {
		return m.MoveTo(file, off, n)
	}
	if _, err := file.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return file.ReadFrom(&io.LimitedReader{R: r, N: n})
}

// fails is breaks for an error of the kernel, which has read and written at once.
func (f *File) fails(err error) error {
	switch full := spaceError(err); {
	case err == nil:
		return nil
	case full != err || errors.Is(err, syscall.EIO):
		return f.breaks(full)
	}
	return f.breaksOff(err)
}

// spaceError is what the store says too, of what the kernel says by itself.
func spaceError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return backend.ErrNoSpace
	}
	return err
}

// overflows tells whether what there is no room for is nothing at all: r may
// have ended just where the room did.
func (f *File) overflows(r io.Reader, refused error) error {
	var one [1]byte
	if _, err := io.ReadFull(r, one[:]); err != nil {
		if err == io.EOF {
			return nil
		}
		return f.breaksOff(err)
	}
	return f.breaks(refused)
}

func (f *File) pumpFrom(r io.Reader, off int64) (int64, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var done int64
	for {
		got, rerr := readSome(f.ctx, r, *buf)
		n, more, err := f.keep((*buf)[:got], off+done, rerr)
		done += n
		if err != nil || !more {
			return done, err
		}
	}
}

// keep writes what came, and tells what the error of reading it means.
func (f *File) keep(b []byte, off int64, rerr error) (done int64, more bool, err error) {
	if len(b) > 0 {
		n, err := f.WriteAt(b, off)
		if err != nil {
			return int64(n), false, err
		}
		done = int64(n)
	}
	switch rerr {
	case nil:
		return done, true, nil
	case io.EOF:
		return done, false, nil
	}
	return done, false, f.c.wrap(f.breaksOff(rerr))
}

// readSome fills b as far as r yields without an end or a cut.
func readSome(ctx context.Context, r io.Reader, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		got, err := r.Read(b[n:])
		n += got
		if err != nil {
			return n, err
		}
		if ctx.Err() != nil {
			return n, nil
		}
	}
	return n, nil
}
