package ftp

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/protocols/protocoltest"
)

// patience bounds every wait of a test.
const patience = 15 * time.Second

// A client speaks FTP as raw as tests need it.
type client struct {
	t    testing.TB
	raw  net.Conn
	conn net.Conn // raw, or TLS above it
	r    *bufio.Reader
	tls  *tls.Config // set once TLS is spoken
	prot bool
}

// dial connects and takes the greeting.
func (s *site) dial(t testing.TB) *client {
	t.Helper()
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	c := &client{t: t, raw: raw}
	c.use(raw)
	if s.config.Mode == Implicit {
		c.shake(s.trust())
		c.prot = true
	}
	c.expect(220)
	return c
}

func (c *client) use(conn net.Conn) { c.conn, c.r = conn, bufio.NewReader(conn) }

func (c *client) shake(config *tls.Config) {
	c.t.Helper()
	c.tls = config
	secure := tls.Client(c.raw, config)
	_ = c.raw.SetDeadline(time.Now().Add(patience))
	if err := secure.Handshake(); err != nil {
		c.t.Fatalf("TLS handshake: %v", err)
	}
	c.use(secure)
}

// secure goes over to TLS, with data protected too.
func (c *client) secure(config *tls.Config) *client {
	c.t.Helper()
	c.must(234, "AUTH TLS")
	c.shake(config)
	c.must(200, "PBSZ 0")
	c.must(200, "PROT P")
	c.prot = true
	return c
}

func (c *client) login(p protocoltest.Person) *client {
	c.t.Helper()
	c.must(331, "USER %s", p.Name)
	c.must(230, "PASS %s", p.Password)
	return c
}

// send sends text as it is.
func (c *client) send(text string) {
	c.t.Helper()
	_ = c.raw.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("sending %q: %v", text, err)
	}
}

// cmd sends a command and returns its reply.
func (c *client) cmd(format string, args ...any) (int, string) {
	c.t.Helper()
	c.send(fmt.Sprintf(format, args...) + "\r\n")
	return c.reply()
}

// must sends a command that is to be answered with a code.
func (c *client) must(want int, format string, args ...any) string {
	c.t.Helper()
	code, text := c.cmd(format, args...)
	if code != want {
		c.t.Fatalf("%s: %d %s, want %d", fmt.Sprintf(format, args...), code, text, want)
	}
	return text
}

func (c *client) expect(want int) string {
	c.t.Helper()
	code, text := c.reply()
	if code != want {
		c.t.Fatalf("reply %d %s, want %d", code, text, want)
	}
	return text
}

// reply reads one reply, its lines joined.
func (c *client) reply() (int, string) {
	c.t.Helper()
	code, text, err := c.readReply()
	if err != nil {
		c.t.Fatalf("reading a reply: %v", err)
	}
	return code, text
}

func (c *client) readReply() (code int, text string, err error) {
	_ = c.raw.SetDeadline(time.Now().Add(patience))
	var body []string
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return 0, "", err
		}
		line, crlf := strings.CutSuffix(line, "\r\n")
		if !crlf || strings.ContainsAny(line, "\r\x00") {
			return 0, "", fmt.Errorf("%q is no line of a reply", line)
		}
		if code == 0 {
			if code, err = strconv.Atoi(line[:3]); err != nil {
				return 0, "", fmt.Errorf("%q begins no reply", line)
			}
			body = append(body, line[4:])
			if line[3] == ' ' {
				return code, line[4:], nil
			}
			continue
		}
		body = append(body, line)
		if strings.HasPrefix(line, strconv.Itoa(code)+" ") {
			return code, strings.Join(body, "\n"), nil
		}
	}
}

// gone waits for the server to close the connection, a last reply aside.
func (c *client) gone(within time.Duration) {
	c.t.Helper()
	_ = c.raw.SetDeadline(time.Now().Add(within))
	rest, err := io.ReadAll(c.r)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		c.t.Fatalf("still connected after %v, having said %q", within, rest)
	}
}

// port asks for a passive port.
func (c *client) port() string {
	c.t.Helper()
	text := c.must(229, "EPSV")
	fields := strings.Split(text, "|")
	if len(fields) != 5 {
		c.t.Fatalf("EPSV: %q", text)
	}
	return net.JoinHostPort("127.0.0.1", fields[3])
}

// data opens a data connection, without TLS yet.
func (c *client) data() *net.TCPConn {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.port())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

// protect is the data connection as data travels on it.
func (c *client) protect(conn net.Conn) net.Conn {
	if !c.prot {
		return conn
	}
	return tls.Client(conn, c.tls)
}

// fetch is RETR or a listing: what came, and how it was answered.
func (c *client) fetch(format string, args ...any) (got string, code int, text string) {
	c.t.Helper()
	conn := c.data()
	defer conn.Close()
	code, text = c.cmd(format, args...)
	if code != 150 {
		return "", code, text
	}
	b, err := io.ReadAll(c.protect(conn))
	if err != nil {
		got = "broken: "
	}
	code, text = c.reply()
	return got + string(b), code, text
}

// get is a fetch that is to succeed.
func (c *client) get(format string, args ...any) string {
	c.t.Helper()
	got, code, text := c.fetch(format, args...)
	if code != 226 {
		c.t.Fatalf("%s: %d %s, want 226", fmt.Sprintf(format, args...), code, text)
	}
	return got
}

// store is STOR or APPE: how it was answered.
func (c *client) store(content, format string, args ...any) (code int, text string) {
	c.t.Helper()
	conn := c.data()
	defer conn.Close()
	code, text = c.cmd(format, args...)
	if code != 150 {
		return code, text
	}
	w := c.protect(conn)
	_, err := io.WriteString(w, content)
	if err == nil {
		err = w.Close()
	}
	code, text = c.reply()
	if err != nil && code < 400 {
		c.t.Errorf("sending: %v, and yet: %d %s", err, code, text)
	}
	return code, text
}

// put is a store that is to succeed.
func (c *client) put(content, format string, args ...any) {
	c.t.Helper()
	if code, text := c.store(content, format, args...); code != 226 {
		c.t.Fatalf("%s: %d %s, want 226", fmt.Sprintf(format, args...), code, text)
	}
}
