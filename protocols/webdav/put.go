package webdav

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"gatehouse/auth/session"
)

// put stores the body whole or not at all: the old content stays until the new
// is complete. 201 where it made a file, 204 where it replaced one.
func (q *request) put() error {
	if q.slash {
		return refuse(http.StatusMethodNotAllowed, "a collection has no content to put")
	}
	if q.r.Header.Get("Content-Range") != "" {
		return refuse(http.StatusBadRequest, "a part of a file cannot be put")
	}
	size, err := announced(q.r)
	if err != nil {
		return err
	}
	how := session.Open{Write: true, Create: true, Truncate: true, Atomic: true, Size: size}
	q.pin(&how)
	f, err := q.fs.Open(q.ctx, q.path, how)
	if err != nil {
		return err
	}
	if err := q.receive(f); err != nil {
		return err
	}
	status := http.StatusNoContent
	if f.Created() {
		status = http.StatusCreated
	}
	if info, err := f.Stat(); err == nil {
		q.x.Header().Set("ETag", info.ETag())
	}
	return q.done(status)
}

// pin makes an upload with conditions replace nothing but what they were
// judged by: between the judgement and the last byte another may have written.
func (q *request) pin(how *session.Open) {
	switch now := q.judged; {
	case now == nil:
	case now.there:
		how.Match = now.etag
	default:
		how.Exclusive = true
	}
}

// announced is the size that the client says its upload will have; macOS says
// so beside a chunked body. Negative where it says nothing.
func announced(r *http.Request) (int64, error) {
	if r.ContentLength >= 0 {
		return r.ContentLength, nil
	}
	v := r.Header.Get("X-Expected-Entity-Length")
	if v == "" {
		return -1, nil
	}
	size, err := strconv.ParseInt(v, 10, 64)
	if err != nil || size < 0 {
		return 0, refuse(http.StatusBadRequest, "X-Expected-Entity-Length is not a size")
	}
	return size, nil
}

// receive takes the body and puts it in place. Whatever goes wrong before that
// drops it: an error, a client that goes, a cut, a panic.
func (q *request) receive(f *session.File) (err error) {
	placed := false
	release := q.x.cutWith(f.Context())
	defer func() {
		release()
		if placed {
			return
		}
		if err == nil {
			err = errors.New("the upload broke off")
		}
		f.Abort(err)
		_ = f.Close() // err says more
	}()
	body, done := q.x.body.moved(q.x)
	defer done()
	if _, err = f.CopyFrom(body, 0); err != nil {
		return fmt.Errorf("receive the upload: %w", err)
	}
	if q.x.body.end == nil {
		return errShort
	}
	if err = q.date(f); err != nil {
		return err
	}
	release()
	placed = true
	return f.Close()
}

// date gives the upload the modification time that some clients send with it,
// and says so: without, they would take each file that they sent for changed.
func (q *request) date(f *session.File) error {
	seconds, err := strconv.ParseInt(q.r.Header.Get("X-OC-Mtime"), 10, 64)
	if err != nil || seconds < 0 || seconds > maxSeconds {
		return nil
	}
	modified := time.Unix(seconds, 0)
	if err := f.SetAttr(session.Attr{Modified: &modified}); err != nil {
		return err
	}
	q.x.Header().Set("X-OC-Mtime", "accepted")
	return nil
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799

var errShort = refuse(http.StatusBadRequest, "the upload was not read to its end")
