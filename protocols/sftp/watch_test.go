package sftp_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	pkgsftp "github.com/pkg/sftp"
)

// A listener of connections that are no kernel's, for tests of time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

type address struct{}

func (address) Network() string { return "tcp" }
func (address) String() string  { return "192.0.2.1:1234" }

type pipe struct{ net.Conn }

func (pipe) RemoteAddr() net.Addr { return address{} }

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return address{} }

// inBubble serves alice over pipes in a bubble where time is the test's own.
func inBubble(t *testing.T, configure func(*world), test func(t *testing.T, w *world, p *pipes)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		configure(w)
		w.add("alice")
		p := newPipes()
		w.serveOn(p)
		test(t, w, p)
	})
}

// login makes a connection whose requests the test answers, or does not.
func (p *pipes) login(t *testing.T, w *world) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request) {
	t.Helper()
	near, far := net.Pipe()
	p.conns <- pipe{far}
	c, channels, requests, err := ssh.NewClientConn(near, "gatehouse", w.client("alice"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, channels, requests
}

// connect makes a client, and tells when the server has ended its connection.
func (p *pipes) connect(t *testing.T, w *world) (*pkgsftp.Client, <-chan struct{}) {
	t.Helper()
	conn, channels, requests := p.login(t, w)
	c, err := pkgsftp.NewClient(ssh.NewClient(conn, channels, requests))
	if err != nil {
		t.Fatal(err)
	}
	return c, ended(conn)
}

// ended tells whether the server has ended the connection.
func ended(c ssh.Conn) <-chan struct{} {
	done := make(chan struct{})
	go func() { // ends with the connection
		c.Wait()
		close(done)
	}()
	return done
}

func is(done <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// A peer that is no longer there is noticed after three questions without an
// answer; one that answers stays.
func TestKeepalive(t *testing.T) {
	keepalive := func(w *world) { w.config.Limits.Keepalive = 10 * time.Second }
	inBubble(t, keepalive, func(t *testing.T, w *world, p *pipes) {
		silent, _, _ := p.login(t, w)
		gone := ended(silent)
		time.Sleep(35 * time.Second)
		if is(gone) {
			t.Error("cut before the third question had time")
		}
		time.Sleep(10 * time.Second)
		if !is(gone) {
			t.Error("a silent peer is still there")
		}

		alive, channels, requests := p.login(t, w)
		go ssh.DiscardRequests(requests)
		go func() {
			for c := range channels {
				c.Reject(ssh.Prohibited, "")
			}
		}()
		gone = ended(alive)
		time.Sleep(10 * time.Minute)
		if is(gone) {
			t.Error("a peer that answers was cut")
		}
	})
}

// Who asks for nothing is let go; who has a file open, or asks now and then, is not.
func TestIdle(t *testing.T) {
	idle := func(w *world) { w.config.Limits.Idle = 10 * time.Minute }
	inBubble(t, idle, func(t *testing.T, w *world, p *pipes) {
		asking, askingGone := p.connect(t, w)
		_, silentGone := p.connect(t, w)
		open, openGone := p.connect(t, w)
		f, err := open.Create("/f")
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			time.Sleep(5 * time.Minute)
			asking.Getwd()
		}
		if !is(silentGone) {
			t.Error("an idle connection is still there")
		}
		if is(askingGone) || is(openGone) {
			t.Error("a connection in use was cut")
		}
		f.Close()
		time.Sleep(11 * time.Minute)
		if !is(openGone) {
			t.Error("the connection without its file is still there")
		}
	})
}

// A server that stops lets who works finish, and nobody begin anything.
func TestShutdown(t *testing.T) {
	inBubble(t, func(*world) {}, func(t *testing.T, w *world, p *pipes) {
		_, idleGone := p.connect(t, w)
		working, workingGone := p.connect(t, w)
		f, err := working.Create("/f")
		if err != nil {
			t.Fatal(err)
		}
		stopped := make(chan error)
		go func() { stopped <- w.server.Shutdown(t.Context()) }() // ends when all are gone
		if !is(idleGone) {
			t.Error("an idle connection is still there")
		}
		if is(workingGone) {
			t.Fatal("a transfer was cut")
		}
		if _, err := working.Open("/f"); err == nil {
			t.Error("something new was opened")
		}
		if _, err := f.Write([]byte("to the end")); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("closing the transfer: %v", err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if !is(workingGone) {
			t.Error("the connection is still there after its transfer")
		}
		if got := w.content("alice", "f"); got != "to the end" {
			t.Errorf("the file holds %q", got)
		}
	})
}

// Patience ends with the context: then transfers are cut.
func TestShutdownRunsOutOfPatience(t *testing.T) {
	inBubble(t, func(*world) {}, func(t *testing.T, w *world, p *pipes) {
		conn, channels, requests := p.login(t, w)
		c, err := pkgsftp.NewClient(ssh.NewClient(conn, channels, requests))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Create("/f"); err != nil {
			t.Fatal(err)
		}
		gone := ended(conn)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := w.server.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(start); took != time.Minute || !is(gone) {
			t.Errorf("it took %v; the connection is gone: %v", took, is(gone))
		}
	})
}
