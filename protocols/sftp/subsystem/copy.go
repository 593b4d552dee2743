package subsystem

import (
	"context"
	"errors"
	"io"
	"math"

	"gatehouse/protocols/sftp/buffers"
	"gatehouse/protocols/sftp/wire"
)

var (
	errSameFile = &spokenError{wire.Failure, "a file is not copied onto itself"}
	errGone     = errors.New("the client has gone")
)

// A duplicate is a copy from one open file to another.
type duplicate struct {
	from, to *file
	// left is how much is to be copied; all there is where toEnd is true.
	off, at, left int64
	toEnd         bool
}

// copyData copies between two open files beside the reading of requests, after
// all that was asked of either before. Neither is read as a whole: each piece is
// judged, reserved and counted as a read and a write of its own.
func (s *server) copyData(ctx context.Context, r wire.Request) error {
	d, err := s.duplicate(r)
	if err != nil {
		return s.out.send(s.refusal(r, err))
	}
	if err := s.in.reserve(ctx, s.memory, buffers.Large); err != nil {
		return err
	}
	beginCopy(d.from.lane, d.to.lane, d.off)
	id, turn, before := r.ID, d.to.turn(false), d.from.turn(false)
	s.beside(func() {
		defer s.memory.Release(buffers.Large)
		defer turn.end()
		defer before.end()
		err := s.duplicateAll(ctx, d)
		before.wait()
		turn.wait()
		if err != nil {
			s.out.send(s.refusal(wire.Request{Type: wire.Extended, ID: id, Extension: wire.CopyData}, err))
			return
		}
		s.out.send(wire.AppendStatus(nil, id, wire.OK, ""))
	})
	return nil
}

func (s *server) duplicate(r wire.Request) (*duplicate, error) {
	from, err := s.file(r.Handle)
	if err != nil {
		return nil, err
	}
	to, err := s.file(r.TargetHandle)
	if err != nil {
		return nil, err
	}
	if one, err := sameFile(from, to); err != nil || one {
		return nil, errors.Join(err, errSameFile)
	}
	switch {
	case !from.readable:
		return nil, errWriteOnly
	case !to.writable:
		return nil, errReadOnlyHandle
	case r.Size > math.MaxInt64 || r.Offset > math.MaxInt64-r.Size || r.TargetOffset > math.MaxInt64-r.Size:
		return nil, errTooLarge
	}
	return &duplicate{from, to, int64(r.Offset), int64(r.TargetOffset), int64(r.Size), r.Size == 0}, nil
}

// sameFile reports whether two handles are of one file, under whatever names: a
// copy to its end would never come there.
func sameFile(a, b *file) (bool, error) {
	one, err := a.open.Stat()
	if err != nil {
		return false, err
	}
	other, err := b.open.Stat()
	return err == nil && one.ID() == other.ID(), err
}

// duplicateAll copies piece by piece, until the end, a refusal, or the client's leave.
func (s *server) duplicateAll(ctx context.Context, d *duplicate) error {
	defer d.to.lane.writes.done()
	defer d.from.lane.reads.done()
	b := s.Buffers.Get(buffers.Large)
	defer s.Buffers.Put(b)
	for d.left > 0 || d.toEnd {
		select {
		case <-s.Gone:
			return errGone
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		if done, err := d.piece(b); done || err != nil {
			return err
		}
	}
	return nil
}

// piece copies what fits into b. A file that ends before as much was copied as
// was asked for is no error, as in OpenSSH.
func (d *duplicate) piece(b []byte) (done bool, err error) {
	if !d.toEnd {
		b = b[:min(int64(len(b)), d.left)]
	}
	n, err := d.from.open.ReadAt(b, d.off)
	if n == 0 {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return true, d.from.because(err)
	}
	if err := d.to.put(b[:n], d.at); err != nil {
		return true, err
	}
	d.off, d.at, d.left = d.off+int64(n), d.at+int64(n), d.left-int64(n)
	return false, nil
}
