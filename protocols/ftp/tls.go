package ftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
)

var errNoCertificate = errors.New("there is no certificate")

// A binding ties TLS sessions to one control connection: tickets carry its
// mark, and only those with it are resumed on its data connections. Somebody
// else at the client's address has tickets of other connections only.
type binding struct {
	base *tls.Config // kept for the connection's life, since it sealed its tickets

	mu    sync.Mutex // guards what follows
	marks []string   // the connection's own, and that of the session it resumed
	seen  string     // of the ticket offered last
}

// markPrefix tells our mark from other extra data in a ticket.
var markPrefix = []byte("gatehouse-ftp:")

func newBinding(base *tls.Config) *binding {
	return &binding{base: base, marks: []string{rand.Text()}}
}

// control is the configuration of the control connection: any ticket of this
// server's is good.
func (b *binding) control() *tls.Config {
	return b.config([]string{"ftp"}, func(string) bool { return true })
}

// data is the configuration of its data connections.
func (b *binding) data() *tls.Config {
	return b.config([]string{"ftp-data", "ftp"}, func(mark string) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Contains(b.marks, mark)
	})
}

// config is the base with the marks, and with the protocol's name: a browser
// that was lured here offers HTTP and is refused (ALPN, RFC 7301).
func (b *binding) config(protocols []string, good func(mark string) bool) *tls.Config {
	c := b.base.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.NextProtos = protocols
	c.GetConfigForClient = nil // it would lead around what follows
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

// markOf is the mark of a ticket, and "" where it has none. A session resumed
// more than once carries several: the last was set by the last to seal it.
func markOf(ss *tls.SessionState) (mark string) {
	for _, extra := range ss.Extra {
		if m, ok := bytes.CutPrefix(extra, markPrefix); ok {
			mark = string(m)
		}
	}
	return mark
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

// startTLS makes the handshake of the control connection, within the time there
// is for a login.
func (c *conn) startTLS(base *tls.Config) error {
	b := newBinding(base)
	secure := tls.Server(c.raw, b.control())
	ctx, cancel := context.WithDeadline(c.ctx, c.since.Add(c.server.config.Limits.Login))
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("handshake of the control connection: %w", err)
	}
	if secure.ConnectionState().DidResume {
		b.resumed()
	}
	c.binding = b
	c.lines = newLines(secure)
	c.write.Lock()
	defer c.write.Unlock()
	c.stream = secure
	return nil
}
