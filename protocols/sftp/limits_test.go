package sftp_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	pkgsftp "github.com/pkg/sftp"
)

// connect opens a connection and sends what a stranger would.
func (w *world) connect(first string) net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte(first)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// Who takes too long to log in is cut off, wherever they stop.
func TestSlowHandshakeIsCut(t *testing.T) {
	inBubble(t, func(*world) {}, func(t *testing.T, w *world, p *pipes) {
		for name, first := range map[string]string{
			"silence":         "",
			"half a greeting": "SSH-2.0-x",
			"greeting":        "SSH-2.0-x\r\n",
			"half a packet":   "SSH-2.0-x\r\n\x00\x00\x01",
		} {
			near, far := net.Pipe()
			p.conns <- pipe{far}
			start := time.Now()
			go near.Write([]byte(first)) // ends with the connection
			io.Copy(io.Discard, near)
			if took := time.Since(start); took < 30*time.Second || took > 31*time.Second {
				t.Errorf("%s: cut after %v, want 30s", name, took)
			}
			near.Close()
		}
		// Also in the middle of the login itself.
		near, far := net.Pipe()
		p.conns <- pipe{far}
		config := w.client("alice", ssh.PasswordCallback(func() (string, error) {
			time.Sleep(40 * time.Second)
			return password, nil
		}))
		if _, _, _, err := ssh.NewClientConn(near, "gatehouse", config); err == nil {
			t.Error("a slow login went well")
		}
		// The time counts to the login, not from then on.
		conn, channels, requests := p.login(t, w)
		c, err := pkgsftp.NewClient(ssh.NewClient(conn, channels, requests))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := c.Getwd(); err != nil {
			t.Errorf("a session was cut by the time for its login: %v", err)
		}
	})
}

// Strangers that flood the door take no more than their share, and who has
// logged in is not counted among them.
func TestFloodOfStrangers(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.UnauthenticatedPerAddress = 3
	w.add("alice")
	w.serve()
	for range 5 {
		w.dial("alice")
	}
	// A client knows of its login a moment before the door counts it out.
	var waiting []net.Conn
	waitFor(t, "three strangers wait", func() bool {
		c := w.connect("")
		if line, _ := bufio.NewReader(c).ReadString('\n'); strings.HasPrefix(line, "SSH-2.0-") {
			waiting = append(waiting, c)
		}
		return len(waiting) == 3
	})
	for range 100 {
		c := w.connect("")
		if line, err := io.ReadAll(c); err != nil || string(line) != "Too many connections are logging in, try again later\r\n" {
			t.Fatalf("one too many: %q, %v", line, err)
		}
	}
	waiting[0].Close()
	waitFor(t, "who gives up makes room", func() bool {
		_, err := w.try(w.client("alice"))
		return err == nil
	})
}
