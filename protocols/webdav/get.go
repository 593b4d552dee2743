package webdav

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/protocols/stamp"
)

// page is what a browser shows of a collection. It has no script, form or
// link, and nothing that a user stored.
const page = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>WebDAV folder</title></head>
<body><h1>This is a WebDAV folder</h1>
<p>Connect to the address of this page with a WebDAV client:</p>
<ul><li>Windows: in Explorer, <em>Map network drive</em></li>
<li>macOS: in Finder, <em>Go</em>, <em>Connect to Server</em></li>
<li>Linux: a file manager (<code>davs://</code> in place of <code>https://</code>), or <code>davfs2</code></li>
<li>Anywhere: <code>rclone</code>, <code>cadaver</code>, <code>curl</code></li></ul>
</body></html>
`

// get sends a file, or the ranges of it that are asked for. Ranges and
// conditions are net/http's (RFC 9110 13 and 14); the bytes go through the
// guard in bounded pieces, so that they are counted, and can be cut.
func (q *request) get() error {
	if q.slash {
		return q.getCollection()
	}
	f, err := q.fs.Open(q.ctx, q.path, session.Open{Read: true})
	if errors.Is(err, session.ErrIsDir) {
		return q.getCollection()
	}
	if err != nil {
		return err
	}
	sent := false
	defer func() {
		if !sent {
			f.Abort(errors.New("the download broke off"))
		}
		_ = f.Close() // nothing was written
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	defer q.x.cutWith(f.Context())()
	c := &content{file: f, size: info.Size()}
	q.serveContent(info, c)
	sent = c.err == nil
	return c.err
}

// getCollection answers where the URL names a collection, or has a slash at its
// end as if it did.
func (q *request) getCollection() error {
	if _, err := q.found(); err != nil {
		return err
	}
	return q.showPage()
}

// head is get without opening the file: it is a question about it.
func (q *request) head() error {
	info, err := q.found()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return q.showPage()
	}
	q.serveContent(info, &content{size: info.Size()})
	return nil
}

func (q *request) serveContent(info session.Info, c *content) {
	header := q.x.Header()
	v := &[...]string{
		info.ETag(), typeOf(q.path.Base()), "attachment", "bytes", strconv.FormatInt(c.size, 10), "",
	}
	header["Etag"], header["Content-Type"], header["Content-Disposition"] = v[0:1:1], v[1:2:2], v[2:3:3]
	if plain(q.r.Header) && info.ModTime().Unix() > 0 {
		v[5] = string(stamp.AppendHTTP(nil, info.ModTime()))
		header["Accept-Ranges"], header["Content-Length"], header["Last-Modified"] = v[3:4:4], v[4:5:5], v[5:6:6]
		q.x.WriteHeader(http.StatusOK)
		if q.r.Method == http.MethodGet {
			_, _ = c.copyTo(q.x, c.size) // c keeps what it ended with
		}
		return
	}
	if asksForNothing(q.r.Header.Get("Range")) {
		q.r.Header.Del("Range")
	}
	http.ServeContent(q.x, q.r, "", info.ModTime(), c)
}

// plain reports a request for the whole, whatever its state: net/http has nothing
// to judge then.
func plain(h http.Header) bool {
	for _, name := range []string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if _, there := h[name]; there {
			return false
		}
	}
	return true
}

// asksForNothing reports a range of the last zero bytes: net/http would answer it
// with 206 and a Content-Range that ends before it begins. Any server may send the
// whole instead (RFC 9110 14.2).
func asksForNothing(ranges string) bool {
	_, list, _ := strings.Cut(ranges, "=")
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if strings.HasPrefix(one, "-") && strings.Trim(one[1:], "0 \t") == "" {
			return true
		}
	}
	return false
}

func (q *request) showPage() error {
	header := q.x.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(page)))
	q.x.WriteHeader(http.StatusOK)
	if q.r.Method == http.MethodHead {
		return nil
	}
	_, err := io.WriteString(q.x, page)
	return err
}

// content is a file as http.ServeContent takes it. The exchange recognises it
// and has the file copy itself, through the kernel where that is possible.
type content struct {
	file *session.File
	size int64
	off  int64
	err  error // what sending ended with
}

// copyTo sends n bytes: few of them in one piece with the header.
func (c *content) copyTo(x *exchange, n int64) (done int64, err error) {
	err = x.hold()
	defer func() {
		if failed := x.release(); err == nil {
			err = failed
		}
		c.err = err
	}()
	if err != nil {
		return 0, err
	}
	to, direct := x.out.(io.ReaderFrom)
	if direct && x.below != nil && n <= few {
		done, err = x.pieces(to, &io.LimitedReader{R: c, N: n})
	} else {
		done, err = c.file.CopyTo(x, c.off, n)
		c.off += done
	}
	if err == nil && done < n {
		err = io.ErrUnexpectedEOF
	}
	return done, err
}

// few is what costs less to copy than to have the kernel send.
const few = 32 << 10

// Read is io.Reader's; multipart answers to several ranges use it, and small ones.
func (c *content) Read(b []byte) (int, error) {
	if c.off >= c.size {
		return 0, io.EOF
	}
	n, err := c.file.ReadAt(b[:min(int64(len(b)), c.size-c.off)], c.off)
	c.off += int64(n)
	if n > 0 {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	c.err = err
	return 0, err
}

// Seek is io.Seeker's.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.off
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	c.off = offset
	return offset, nil
}
