package sftp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/auth/session"
)

// from connects from a loopback address of the client's own.
func (w *world) from(ip string) net.Conn {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := d.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// greeting is the first line that the door says.
func greeting(t *testing.T, c net.Conn) string {
	t.Helper()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// Seven addresses held all places of those who are logging in, and renewed them
// for as long as they liked: nobody else came in.
func TestAFewAddressesShutNobodyOut(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Unauthenticated, w.config.Limits.UnauthenticatedPerAddress = 6, 4
	w.add("alice")
	w.serve()
	var held []net.Conn
	for i := range 6 {
		c := w.from([]string{"127.0.2.1", "127.0.3.1"}[i%2])
		if line := greeting(t, c); !strings.HasPrefix(line, "SSH-2.0-") {
			t.Fatalf("the door said %q", line)
		}
		held = append(held, c)
	}
	if line := greeting(t, w.from("127.0.3.1")); !strings.HasPrefix(line, "Too many") {
		t.Errorf("one who has as much as the other heard %q", line)
	}
	w.dial("alice")
	if _, err := io.Copy(io.Discard, held[0]); isTimeout(err) {
		t.Error("the oldest stranger is still there")
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// Who makes room in the midst of having a password verified ends that too, and
// nobody else's.
func TestRoomIsMadeInTheMidstOfALogin(t *testing.T) {
	verifying, ended := make(chan struct{}, 2), make(chan error, 2)
	d := &door{}
	d.login = func(ctx context.Context, a auth.Attempt) (*session.Session, error) {
		if a.Password == password {
			return d.Manager.Login(ctx, a)
		}
		verifying <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}
	w := newWorld(t)
	w.add("alice")
	d.Manager, w.config.Manager = w.Sessions, d
	w.config.Limits.Unauthenticated = 2
	w.serve()
	gone := make(chan error, 2)
	for range 2 {
		c := w.from("127.0.2.1")
		go func() { // ends with the connection
			_, _, _, err := ssh.NewClientConn(c, w.address, w.client("alice", ssh.Password("a guess")))
			gone <- err
		}()
		<-verifying
	}
	w.dial("alice")
	select {
	case <-ended:
	case <-time.After(15 * time.Second): // half the time for a handshake
		t.Fatal("the verifying goes on")
	}
	if err := <-gone; err == nil {
		t.Error("the guess was right")
	}
	select {
	case <-ended:
		t.Error("both were cut")
	default:
	}
}
