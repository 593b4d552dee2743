package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// A ftpSession is the least client of FTP: passive, binary.
type ftpSession struct {
	server *server
	conn   net.Conn
	secure *tls.Config // nil: all is clear
	lines  *bufio.Reader
	ctx    context.Context // of its data connections; ends with the session
	stop   func() bool
}

// dialFTP logs in with the password, in the clear. All connections end with the
// context.
func (f *farm) dialFTP(ctx context.Context, s *server) (*ftpSession, error) {
	return dialFTP(ctx, s, nil)
}

// dialFTPS does so over TLS.
func (f *farm) dialFTPS(ctx context.Context, s *server) (*ftpSession, error) {
	return dialFTP(ctx, s, clientTLS())
}

// clientTLS is that of all clients of ours: AES-128-GCM, whatever the version.
func clientTLS() *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(8),
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.CipherSuite != tls.TLS_AES_128_GCM_SHA256 && s.CipherSuite != tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 {
				return errors.New("the suite is " + tls.CipherSuiteName(s.CipherSuite))
			}
			return nil
		},
	}
}

func dialFTP(ctx context.Context, s *server, secure *tls.Config) (*ftpSession, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.addr[overFTP])
	if err != nil {
		return nil, err
	}
	c := &ftpSession{server: s, conn: conn, lines: bufio.NewReader(conn), secure: secure, ctx: ctx}
	c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := c.login(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *ftpSession) login() error {
	if _, err := c.answer("220"); err != nil {
		return err
	}
	if c.secure != nil {
		if err := c.protect(); err != nil {
			return err
		}
	}
	said, err := c.ask("USER "+c.server.user, "")
	if err == nil && !strings.HasPrefix(said, "230") { // who is anonymous may be in already
		_, err = c.ask("PASS "+c.server.password, "230")
	}
	if err == nil {
		_, err = c.ask("TYPE I", "200")
	}
	return err
}

// protect goes on over TLS, as data connections will.
func (c *ftpSession) protect() error {
	if _, err := c.ask("AUTH TLS", "234"); err != nil {
		return err
	}
	c.conn = tls.Client(c.conn, c.secure)
	c.lines = bufio.NewReader(c.conn)
	_, err := c.ask("PBSZ 0", "200")
	if err == nil {
		_, err = c.ask("PROT P", "200")
	}
	return err
}

// anyFTP is dialFTP for who does not care which door it is.
func (f *farm) anyFTP(ctx context.Context, s *server) (session, error) { return f.dialFTP(ctx, s) }

func (c *ftpSession) close() {
	c.stop()
	_ = c.conn.Close()
}

// ask sends a command, and wants an answer.
func (c *ftpSession) ask(command, code string) (string, error) {
	if _, err := io.WriteString(c.conn, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := c.answer(code)
	if err != nil {
		err = fmt.Errorf("%s: %w", command, err)
	}
	return line, err
}

// answer reads to the last line of an answer.
func (c *ftpSession) answer(code string) (string, error) {
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		if len(line) < 4 || line[3] == '-' || line[0] == ' ' {
			continue
		}
		if !strings.HasPrefix(line, code) {
			return "", errors.New(strings.TrimSpace(line))
		}
		return line, nil
	}
}

// transfer moves what a command is about over a connection of its own.
func (c *ftpSession) transfer(command string, move func(net.Conn) error) error {
	where, err := c.ask("EPSV", "229")
	if err != nil {
		return err
	}
	fields := strings.Split(where, "|")
	if len(fields) != 5 {
		return fmt.Errorf("EPSV: %q", where)
	}
	var d net.Dialer
	data, err := d.DialContext(c.ctx, "tcp", net.JoinHostPort("127.0.0.1", fields[3]))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(c.ctx, func() { _ = data.Close() })
	defer stop()
	if _, err = c.ask(command, "1"); err == nil {
		if c.secure != nil {
			data = tls.Client(data, c.secure)
		}
		err = move(data)
	}
	if err := errors.Join(err, data.Close()); err != nil {
		return err
	}
	_, err = c.answer("226")
	return err
}

func (c *ftpSession) put(path string, from io.Reader) error {
	return c.transfer("STOR "+path, func(data net.Conn) error {
		if _, err := io.CopyBuffer(onlyWriter{data}, from, make([]byte, 256<<10)); err != nil {
			return err
		}
		secure, ok := data.(*tls.Conn)
		if !ok {
			return nil
		}
		// Session tickets that nobody has read would make the close a reset.
		if err := secure.CloseWrite(); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, secure)
		return err
	})
}

// get takes all that a command answers: a file, or a list.
func (c *ftpSession) get(command string, to io.Writer) (n int64, err error) {
	err = c.transfer(command, func(data net.Conn) error {
		n, err = io.CopyBuffer(onlyWriter{to}, onlyReader{data}, make([]byte, 256<<10))
		return err
	})
	return n, err
}

// onlyReader hides what would make a copy choose buffers of its own.
type onlyReader struct{ io.Reader }

func (c *ftpSession) upload(name string, bytes int64) error {
	return c.put(c.server.path(overFTP, name), io.LimitReader(zeros{}, bytes))
}

func (c *ftpSession) download(name string, bytes int64) error {
	n, err := c.get("RETR "+c.server.path(overFTP, name), io.Discard)
	if err == nil && n != bytes {
		err = fmt.Errorf("%d bytes of %d", n, bytes)
	}
	return err
}
