package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
)

// A transfer is one RETR, STOR, APPE or listing: what moves over a data
// connection, and how that ended. To the library a listing is a file to send.
type transfer struct {
	c         *conn
	verb      string
	path      path.Path
	as        string      // the path as the client sent it, for NLST
	offset    int64       // of REST
	announced int64       // of ALLO
	facts     facts       // of MLSD
	tls       *tls.Config // nil where data is clear
	source    *source
	ctx       context.Context
	cancel    context.CancelFunc
	done      chan struct{} // closed when it was answered

	mu  sync.Mutex // guards err
	err error      // what broke it first
}

func (t *transfer) upload() bool { return t.verb == "STOR" || t.verb == "APPE" }

// begin starts a transfer, if there is a data connection to be had and it may be
// as protected, or clear, as it is to be.
func (c *conn) begin(verb, arg string) string {
	p, err := c.resolve(arg)
	if err != nil {
		c.send(replyTo(err))
		return ""
	}
	if !c.protected && c.binding != nil && !c.mayBeClear(c.loggedIn().Account()) {
		c.send(reply{521, "Data must be protected: PROT P"})
		return ""
	}
	t := &transfer{
		c: c, verb: verb, path: p, as: arg, facts: c.facts,
		offset: c.offset, announced: c.announced, done: make(chan struct{}),
	}
	if c.protected {
		t.tls = c.binding.data()
	}
	library := "RETR"
	if t.upload() {
		library = verb
	}
	line := c.pass(library, p.String())
	if line == "" || c.start(t) {
		return line
	}
	c.send(plain(425))
	return ""
}

// start makes t the transfer that runs, with the data connection that was
// prepared; false where there is none.
func (c *conn) start(t *transfer) bool {
	t.ctx, t.cancel = context.WithCancel(c.ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		t.cancel()
		return false
	}
	t.source, c.pending = c.pending, nil
	c.transfer = t
	c.transfers.Add(1)
	if c.ctx.Err() != nil { // cut meanwhile
		t.source.cut()
	}
	return true
}

func (c *conn) running() *transfer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transfer
}

// finish is called when the transfer was answered.
func (c *conn) finish(t *transfer) {
	t.cancel()
	t.source.finish()
	c.mu.Lock()
	c.transfer = nil
	c.mu.Unlock()
	_ = c.setPatience() // for who is reading already
	close(t.done)
	c.transfers.Done()
}

// note keeps what broke the transfer first.
func (t *transfer) note(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
	return err
}

func (t *transfer) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// cut breaks the transfer, whatever it waits for.
func (t *transfer) cut(why error) {
	_ = t.note(why)
	t.source.cut()
	t.cancel()
}

// render is the transfer's reply for one of the library's.
func (t *transfer) render(code int) reply {
	err := t.failure()
	switch {
	case code < 400:
		return plain(code)
	case err != nil:
		return replyTo(err)
	case code == 425:
		return replyTo(errNoData)
	}
	return plain(426)
}

// open opens what is to be moved, as the library asks for it. An upload that
// would empty a file waits for the data connection first.
func (t *transfer) open() (ftpserver.FileTransfer, error) {
	switch t.verb {
	case "RETR":
		return t.openDownload()
	case "STOR", "APPE":
		return t.openUpload()
	default:
		return t.openListing()
	}
}

func (t *transfer) openDownload() (ftpserver.FileTransfer, error) {
	f, err := t.c.loggedIn().FS().Open(t.ctx, t.path, session.Open{Read: true})
	if err != nil {
		return nil, err
	}
	if t.offset > 0 {
		if err := t.within(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return t.handle(f), nil
}

func (t *transfer) openUpload() (ftpserver.FileTransfer, error) {
	resume := t.verb == "APPE" || t.offset > 0
	if !resume {
		if _, err := t.source.connect(); err != nil {
			return nil, err
		}
	}
	f, err := t.c.loggedIn().FS().Open(t.ctx, t.path, session.Open{
		Write: true, Create: t.offset == 0, Truncate: !resume, Resume: resume, Size: t.announced,
	})
	if err != nil {
		return nil, err
	}
	if t.verb == "APPE" {
		info, err := f.Stat()
		if err != nil {
			return nil, t.drop(f, err)
		}
		t.offset = info.Size()
	} else if err := t.within(f); err != nil {
		return nil, t.drop(f, err)
	}
	return t.handle(f), nil
}

// drop gives an upload up before it began.
func (t *transfer) drop(f *session.File, cause error) error {
	f.Abort(cause)
	return errors.Join(cause, f.Close())
}

// within refuses an offset behind the end of the file: there would be a hole.
func (t *transfer) within(f *session.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if t.offset > info.Size() {
		return errBeyond
	}
	return nil
}

func (t *transfer) handle(f *session.File) *handle {
	h := &handle{t: t, f: f, off: t.offset}
	h.uncut = context.AfterFunc(f.Context(), func() {
		t.cut(fmt.Errorf("%w: %w", errCut, context.Cause(f.Context())))
	})
	return h
}

func (c *conn) doRETR(arg string) string { return c.beginFile("RETR", arg) }
func (c *conn) doSTOR(arg string) string { return c.beginFile("STOR", arg) }
func (c *conn) doAPPE(arg string) string {
	c.offset = 0
	return c.beginFile("APPE", arg)
}

func (c *conn) beginFile(verb, arg string) string {
	if arg == "" {
		c.send(plain(501))
		return ""
	}
	return c.begin(verb, arg)
}

func (c *conn) doMLSD(arg string) string { return c.begin("MLSD", arg) }
func (c *conn) doLIST(arg string) string { return c.begin("LIST", withoutOptions(arg)) }
func (c *conn) doNLST(arg string) string { return c.begin("NLST", withoutOptions(arg)) }

// doABOR breaks the transfer and answers when that has been answered, so that
// the client hears of both (RFC 959, 4.1.3).
func (c *conn) doABOR(string) string {
	if t := c.running(); t != nil {
		t.cut(errAborted)
		if c.await() != nil {
			return ""
		}
	}
	c.send(reply{226, "Nothing is being transferred"})
	return ""
}
