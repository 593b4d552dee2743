package ftp

import (
	"errors"
	"io"

	"gatehouse/auth/session"
)

var errSeek = errors.New("a handle is opened where its transfer begins")

// A handle is a session's file as the library reads or writes it: from one end
// to the other, through the kernel where data is clear.
type handle struct {
	t     *transfer
	f     *session.File
	off   int64
	uncut func() bool
}

// WriteTo sends the rest of the file.
func (h *handle) WriteTo(w io.Writer) (n int64, err error) {
	defer h.t.c.contain(&err)
	if d, ok := w.(*dataConn); ok {
		if w, err = d.stream(); err != nil {
			return 0, err
		}
	}
	n, err = h.f.CopyTo(w, h.off, -1)
	h.off += n
	return n, h.noted(err)
}

// ReadFrom takes the file in.
func (h *handle) ReadFrom(r io.Reader) (n int64, err error) {
	defer h.t.c.contain(&err)
	if d, ok := r.(*dataConn); ok {
		if r, err = d.stream(); err != nil {
			return 0, err
		}
	}
	n, err = h.f.CopyFrom(r, h.off)
	h.off += n
	return n, h.noted(err)
}

// Read reads the next piece, for TYPE A.
func (h *handle) Read(b []byte) (n int, err error) {
	defer h.t.c.contain(&err)
	n, err = h.f.ReadAt(b, h.off)
	h.off += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		return n, nil
	}
	return n, h.noted(err)
}

// Write writes the next piece.
func (h *handle) Write(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil // the library, after an upload of nothing
	}
	defer h.t.c.contain(&err)
	n, err = h.f.WriteAt(b, h.off)
	h.off += int64(n)
	return n, h.noted(err)
}

func (h *handle) noted(err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		return h.t.note(err)
	}
	return err
}

// Seek is for REST, which the library never sees.
func (h *handle) Seek(int64, int) (int64, error) { return 0, errSeek }

// TransferError says that the transfer broke.
func (h *handle) TransferError(err error) { _ = h.t.note(err) }

// Close puts an upload in place, or leaves it as the policy says where the
// transfer broke. In clear the end of the data is all there is to tell a whole
// upload; one from a client that is gone altogether is none.
func (h *handle) Close() (err error) {
	defer h.t.c.contain(&err)
	h.uncut()
	if h.t.upload() && h.t.tls == nil && h.t.c.left() {
		_ = h.t.note(errLeft)
	}
	if cause := h.t.failure(); cause != nil {
		h.f.Abort(cause)
	}
	return h.noted(h.f.Close())
}
