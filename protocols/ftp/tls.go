package ftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"gatehouse/protocols/ftp/wire"
)

// A binding ties TLS sessions to one control connection: tickets carry its
// mark, and only those with it are resumed on its data connections. Somebody
// else at the client's address has tickets of other connections only.
type binding struct {
	base    *tls.Config // kept for the connection's life, since it sealed its tickets
	forData *tls.Config // of all its data connections

	mu    sync.Mutex // guards what follows
	marks []string   // the connection's own, and that of the session it resumed
	seen  string     // of the ticket offered last
}

// markPrefix tells our mark from other extra data in a ticket.
var markPrefix = []byte("gatehouse-ftp:")

func newBinding(base *tls.Config) *binding {
	b := &binding{base: base, marks: []string{rand.Text()}}
	b.forData = b.config([]string{"ftp-data", "ftp"}, b.own)
	return b
}

// control is the configuration of the control connection: any ticket of this
// server's is good.
func (b *binding) control() *tls.Config {
	return b.config([]string{"ftp"}, func(string) bool { return true })
}

// own reports whether a ticket's mark is one of the connection's.
func (b *binding) own(mark string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.marks, mark)
}

// config is the base with the marks, and with the protocol's name: a browser
// that was lured here offers HTTP and is refused (ALPN, RFC 7301).
func (b *binding) config(protocols []string, good func(mark string) bool) *tls.Config {
	c := b.base.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.NextProtos = protocols
	c.DynamicRecordSizingDisabled = true // no browser waits for the first bytes
	c.GetConfigForClient = nil           // it would lead around what follows
	c.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		ss.Extra = append(ss.Extra, append(slices.Clone(markPrefix), b.marks[0]...))
		return b.base.EncryptTicket(cs, ss)
	}
	c.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := b.base.DecryptTicket(ticket, cs)
		if ss == nil || err != nil {
			return nil, err
		}
		mark := markOf(ss)
		if !good(mark) {
			return nil, nil
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.seen = mark
		return ss, nil
	}
	return c
}

// markOf is the mark of a ticket, and "" where it has none.
func markOf(ss *tls.SessionState) string {
	for _, extra := range ss.Extra {
		if mark, ok := bytes.CutPrefix(extra, markPrefix); ok {
			return string(mark)
		}
	}
	return ""
}

// resumed takes over the mark of the session that the control connection
// resumed: a TLS 1.2 client may go on to use that ticket.
func (b *binding) resumed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen != "" {
		b.marks = append(b.marks, b.seen)
	}
}

var errBehind = errors.New("something came in behind REIN")

// startTLS makes the handshake of the control connection, within the time there
// is for a login.
func (c *conn) startTLS(base *tls.Config) error {
	if err := c.setPatience(); err != nil {
		return err
	}
	b := newBinding(base)
	below := &records{Conn: c.raw}
	secure := tls.Server(below, b.control())
	ctx, cancel := context.WithDeadline(c.ctx, c.since.Add(c.server.config.Limits.Login))
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("handshake of the control connection: %w", err)
	}
	if secure.ConnectionState().DidResume {
		b.resumed()
	}
	c.binding, c.records = b, below
	c.speak(secure, wire.NewLines(secure))
	return nil
}

// speak goes on over another stream.
func (c *conn) speak(stream net.Conn, lines *wire.Lines) {
	c.lines = lines
	c.write.Lock()
	defer c.write.Unlock()
	c.stream = stream
}

// endTLS goes back to clear once the client has ended TLS too, or speaks in
// clear. What it sent under TLS after REIN is nothing that anybody answers for.
func (c *conn) endTLS() error {
	secure, ok := c.stream.(*tls.Conn)
	if !ok {
		return nil
	}
	if c.behind() {
		return errBehind
	}
	c.records.ending.Store(true)
	if err := secure.CloseWrite(); err != nil {
		return fmt.Errorf("say that TLS ends: %w", err)
	}
	if err := c.setPatience(); err != nil {
		return err
	}
	if _, err := secure.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the client goes on under TLS: %w", err)
	}
	before := c.records.rest()
	c.binding, c.records = nil, nil
	c.speak(c.raw, wire.NewLines(c.raw, before...))
	return nil
}

// recordHead is the length of what stands before each record (RFC 8446, 5.1),
// the last of which says what follows.
const recordHead = 5

// records is a connection below TLS that never reads beyond a record, so that
// what follows the last one is still there to be read in clear.
type records struct {
	net.Conn
	ending atomic.Bool // the next may be no record

	head [recordHead]byte
	have int // bytes of head
	sent int // bytes of head that were read on
	left int // bytes of the record behind its head
}

// Read is net.Conn's.
func (r *records) Read(b []byte) (int, error) {
	for r.have < recordHead {
		n, err := r.Conn.Read(r.head[r.have:])
		r.have += n
		if r.ending.Load() && r.have > 0 && !startsRecord(r.head[0]) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		r.left = int(r.head[3])<<8 | int(r.head[4])
	}
	if r.sent < recordHead {
		n := copy(b, r.head[r.sent:])
		r.sent += n
		r.passed()
		return n, nil
	}
	n, err := r.Conn.Read(b[:min(len(b), r.left)])
	r.left -= n
	r.passed()
	return n, err
}

// passed goes on to the next record.
func (r *records) passed() {
	if r.sent == recordHead && r.left == 0 {
		r.have, r.sent = 0, 0
	}
}

// rest is what was read and is no record.
func (r *records) rest() []byte { return r.head[:r.have] }

// startsRecord reports whether b is a type of TLS records: no command begins so.
func startsRecord(b byte) bool { return b >= 20 && b <= 24 }
