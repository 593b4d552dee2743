package ftp

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"sync"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/data"
	"gatehouse/protocols/ftp/listing"
	"gatehouse/protocols/ftp/wire"
)

// A transfer is what takes its time: a RETR, STOR, APPE, STOU or listing with
// its data connection, or the hashing of a file, which has none.
type transfer struct {
	c        *conn
	verb     string
	do       func(*transfer) (reply, error)
	path     path.Path
	as       string // the path as the client sent it, for NLST
	ascii    bool
	upload   bool
	replaces bool // the old content goes once data can come

	offset, announced int64         // of REST and ALLO
	span              *wire.Span    // of RANG and the hashes
	facts             listing.Facts // of MLSD
	itself            bool          // a folder is described, not listed
	hash              algorithm

	tls     *tls.Config      // nil where data is clear
	exposed *session.Session // whose data is clear below TLS, else nil
	source  *data.Source     // nil without a data connection
	conn    *data.Conn       // once it was made
	begun   bool             // 150 was sent, where there is one; guarded by c.mu
	over    bool             // it is being answered; guarded by c.mu
	whole   bool             // it has succeeded; known once it was answered
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{} // closed when it was answered

	mu  sync.Mutex // guards err
	err error      // what broke it first
}

// newTransfer is a transfer with what was said about it before.
func (c *conn) newTransfer(verb string, p path.Path, do func(*transfer) (reply, error)) *transfer {
	return &transfer{
		c: c, verb: verb, do: do, path: p, ascii: c.ascii, facts: c.facts, hash: c.hash,
		offset: c.offset, announced: c.announced, span: c.span, done: make(chan struct{}),
	}
}

// begin starts a transfer, if there is a data connection to be had and it may be
// as protected, or clear, as it is to be.
func (c *conn) begin(t *transfer) reply {
	if c.protected {
		t.tls = c.binding.forData
	} else if c.binding != nil {
		if !c.mayBeClear(c.loggedIn()) {
			return reply{521, "Data must be protected: PROT P"}
		}
		t.exposed = c.loggedIn()
	}
	c.mu.Lock()
	t.source, c.pending = c.pending, nil
	c.mu.Unlock()
	if t.source == nil {
		return plain(425)
	}
	return c.start(t)
}

// start makes t the transfer that runs, once its command was taken: it ends when
// it was answered, and the last of its data connection is over.
func (c *conn) start(t *transfer) reply {
	t.ctx, t.cancel = context.WithCancel(c.ctx)
	t.begun = t.source == nil
	c.mu.Lock()
	if leaving := c.leaving; leaving != "" {
		c.mu.Unlock()
		t.cut(errCut)
		c.end(leaving)
		return said
	}
	last := c.refused
	c.transfer, c.refused = t, nil
	c.mu.Unlock()
	if last != nil {
		last.source.Cut() // nobody has more than one that ends slowly
	}
	if c.ctx.Err() != nil { // cut meanwhile
		t.cut(errCut)
	}
	c.transfers.Add(1)
	c.started = t
	if t.exposed != nil {
		go t.followRules()
	}
	return said
}

// looking is how often the rules of a transfer are looked at that nobody tells of.
const looking = 200 * time.Millisecond

// followRules cuts a transfer once its account may not have data in clear any more.
// It ends with the transfer.
func (t *transfer) followRules() {
	look := time.NewTicker(looking)
	defer look.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-look.C:
		}
		if !t.c.mayBeClear(t.exposed) {
			t.cut(errCut)
			return
		}
	}
}

func (c *conn) running() *transfer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transfer
}

func (t *transfer) run() {
	defer t.c.transfers.Done()
	r := t.work()
	if t.refusedInOrder(r) {
		t.c.mu.Lock()
		t.c.refused = t
		t.c.mu.Unlock()
		t.finish(r)
		t.refuse()
		return
	}
	if t.source != nil {
		t.source.Close()
	}
	t.finish(r)
}

// refusedInOrder reports whether the client is to hear why before its data
// connection ends: where nothing has moved yet, and where it sends still.
func (t *transfer) refusedInOrder(r reply) bool {
	return r.code >= 400 && t.source != nil && t.failure() == nil && (t.upload || !t.begun)
}

// refuse ends a data connection that is good for nothing.
func (t *transfer) refuse() {
	if t.conn != nil {
		t.conn.Refuse(t.c.ctx, t.begun)
	} else {
		t.source.Refuse(t.c.ctx, t.how())
	}
	t.source.Close()
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if t.c.refused == t {
		t.c.refused = nil
	}
}

// work does what the transfer is for, and says how it went.
func (t *transfer) work() reply {
	r, err := t.contained()
	if cause := t.failure(); cause != nil {
		err = cause
	}
	if err != nil {
		return replyTo(err)
	}
	return r
}

func (t *transfer) contained() (r reply, err error) {
	defer t.c.contain(&err)
	return t.do(t)
}

// finish answers, and lets the next command go on.
func (t *transfer) finish(r reply) {
	c := t.c
	t.whole = r.code < 400
	c.mu.Lock()
	t.over = true
	c.mu.Unlock()
	c.send(r)
	t.cancel()
	c.mu.Lock()
	c.transfer = nil
	c.mu.Unlock()
	_ = c.setPatience() // for who is reading already
	close(t.done)
	c.depart()
}

// note keeps what broke the transfer first.
func (t *transfer) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

func (t *transfer) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// cut breaks the transfer, whatever it waits for.
func (t *transfer) cut(why error) {
	t.note(why)
	if t.source != nil {
		t.source.Cut()
	}
	t.cancel()
}

// waits reports whether the client has not made its data connection yet.
func (t *transfer) waits() bool { return t.source != nil && t.source.Conn() == nil }

// progress is how many bytes have gone over the data connection.
func (t *transfer) progress() int64 {
	if t.source == nil || t.source.Conn() == nil {
		return 0
	}
	return max(0, t.source.Conn().Progress())
}

// connect makes the data connection.
func (t *transfer) connect() (err error) {
	if t.conn != nil {
		return nil
	}
	t.conn, err = t.source.Connect(t.how())
	return err
}

func (t *transfer) how() data.How {
	config := t.c.server.config
	return data.How{
		TLS: t.tls, Resumed: config.Resumption, Handshake: config.Limits.Accept,
		Upload: t.upload, Stall: config.Limits.Stall, Stalled: func() { t.cut(errStalled) },
	}
}

// stream tells the client to go on, and returns what data moves over.
func (t *transfer) stream(go150 reply) (io.ReadWriter, error) {
	if err := t.connect(); err != nil {
		return nil, err
	}
	t.c.send(go150)
	t.goOn()
	if err := t.conn.Handshake(t.ctx); err != nil {
		return nil, err
	}
	return t.conn.Stream(), nil
}

// goOn says that 150 was sent: commands that may be answered meanwhile are.
func (t *transfer) goOn() {
	t.c.mu.Lock()
	t.begun = true
	t.c.mu.Unlock()
	_ = t.c.setPatience()
}

// through moves a file's bytes, and closes the file: as broken off where that
// did not come to its end.
func (t *transfer) through(f *session.File, move func() error) (err error) {
	uncut := context.AfterFunc(f.Context(), func() {
		t.cut(fmt.Errorf("%w: %w", errCut, context.Cause(f.Context())))
	})
	defer func() {
		uncut()
		if cause := t.failure(); cause != nil {
			err = cause
		}
		if err != nil {
			f.Abort(err)
		}
		if closing := f.Close(); err == nil {
			err = closing
		}
	}()
	defer t.c.contain(&err)
	return move()
}

// doABOR breaks the transfer and answers when that has been answered, so that
// the client hears of both (RFC 959, 4.1.3). Without one it gives up the data
// connection that was prepared.
func (c *conn) doABOR(string) reply {
	if t := c.running(); t != nil {
		t.cut(errAborted)
		if c.await() != nil {
			return said
		}
		if !t.whole {
			return reply{226, "Aborted"}
		}
	}
	c.unprepare()
	return reply{226, "Nothing is being transferred"}
}
