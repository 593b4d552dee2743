package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// counted counts how often a connection is written to.
type counted struct {
	*net.TCPConn
	writes *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(b)
}

type countedListener struct {
	net.Listener
	writes *atomic.Int64
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return counted{c.(*net.TCPConn), l.writes}, nil
}

// serve serves h over Conns, whose writes are counted.
func serve(t *testing.T, h http.HandlerFunc, start func(*httptest.Server)) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	s, writes := httptest.NewUnstartedServer(h), new(atomic.Int64)
	s.Listener = Listen(countedListener{s.Listener, writes})
	s.Config.ConnContext = Context
	start(s)
	t.Cleanup(s.Close)
	return s, writes
}

func TestHeaderAndContentLeaveTogether(t *testing.T) {
	content := strings.Repeat("gatehouse", 2000)
	answer := func(w http.ResponseWriter, r *http.Request) {
		c := From(r.Context())
		if c == nil {
			t.Error("a request has no Conn")
			return
		}
		c.Hold()
		c.since = time.Now().Add(time.Hour) // however busy the machine is
		w.Header().Set("Content-Length", "18000")
		control := http.NewResponseController(w)
		if r.TLS == nil {
			if err := control.Flush(); err != nil {
				t.Error(err)
			}
		}
		if _, err := io.Copy(w, &io.LimitedReader{R: strings.NewReader(content), N: 18000}); err != nil {
			t.Error(err)
		}
		if err := errors.Join(control.Flush(), c.Release()); err != nil {
			t.Error(err)
		}
	}
	for name, start := range map[string]func(*httptest.Server){"clear": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			s, writes := serve(t, answer, start)
			for range 3 {
				before := writes.Load()
				got, err := s.Client().Get(s.URL)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(got.Body)
				if err != nil || string(body) != content {
					t.Errorf("got %d bytes, %v", len(body), err)
				}
				// The first of a connection has TLS's handshake in it.
				if n := writes.Load() - before; before > 0 && n != 1 {
					t.Errorf("the answer left in %d pieces, want one", n)
				}
			}
		})
	}
}

// pair is a Conn and who it talks to.
func pair(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Listen(l).Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []net.Conn{c, peer} {
		t.Cleanup(func() { one.Close() })
		if err := one.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return c.(*Conn), peer.(*net.TCPConn)
}

// Whatever is held back when, all arrives once and in order.
func TestAllArrivesInOrder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	rapid.Check(t, func(r *rapid.T) {
		c, peer := pair(t)
		defer peer.Close()
		got := make(chan []byte, 1)
		go func() { b, _ := io.ReadAll(peer); got <- b }() // ends with c
		var want []byte
		for i := range rapid.IntRange(1, 20).Draw(r, "steps") {
			b := bytes.Repeat([]byte{byte(i + 1)}, rapid.SampledFrom([]int{0, 1, 500, held - 1, held, held + 1, 3 * held}).Draw(r, "size"))
			switch rapid.IntRange(0, 3).Draw(r, "step") {
			case 0:
				c.Hold()
			case 1:
				if err := c.Release(); err != nil {
					r.Fatal(err)
				}
			case 2:
				if n, err := c.Write(b); n != len(b) || err != nil {
					r.Fatal(n, err)
				}
				want = append(want, b...)
			case 3:
				if err := os.WriteFile(name, b, 0o600); err != nil {
					r.Fatal(err)
				}
				f, err := os.Open(name)
				if err != nil {
					r.Fatal(err)
				}
				n, err := c.ReadFrom(&io.LimitedReader{R: f, N: int64(len(b))})
				f.Close()
				if n != int64(len(b)) || err != nil {
					r.Fatal(n, err)
				}
				want = append(want, b...)
			}
		}
		if err := errors.Join(c.Release(), c.Close()); err != nil {
			r.Fatal(err)
		}
		if b := <-got; !bytes.Equal(b, want) {
			r.Fatalf("%d bytes arrived of %d, or in another order", len(b), len(want))
		}
	})
}

// What comes slowly is not kept from the client until there is much of it.
func TestNothingIsHeldBackForLong(t *testing.T) {
	c, peer := pair(t)
	b := make([]byte, 3)
	for name, write := range map[string]func() (int64, error){
		"write": func() (int64, error) { return io.Copy(struct{ io.Writer }{c}, strings.NewReader("abc")) },
		"file":  func() (int64, error) { return c.ReadFrom(&io.LimitedReader{R: strings.NewReader("abc"), N: 3}) },
	} {
		c.Hold()
		c.since = time.Now().Add(-soon)
		if n, err := write(); n != 3 || err != nil {
			t.Fatal(name, n, err)
		}
		if _, err := io.ReadFull(peer, b); err != nil || string(b) != "abc" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// moves reads a whole body of n bytes behind head into a file, as a server does.
func moves(t *testing.T, file *os.File, sent string, n int64) (in *bufio.Reader, got int64, broken, err error) {
	t.Helper()
	c, peer := pair(t)
	go func() {
		_, _ = io.WriteString(peer, sent)
		_ = peer.CloseWrite()
	}()
	p, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	in = bufio.NewReader(c)
	if _, err := in.Peek(1); err != nil {
		t.Fatal(err)
	}
	body := &io.LimitedReader{R: in, N: n}
	b := make([]byte, 1<<20)
	for broken == nil {
		var k int
		var moved bool
		var refused error
		k, moved, broken, refused = c.Into(p, file, got, b, body.Read)
		err = errors.Join(err, refused)
		if !moved && k > 0 {
			if _, err := file.WriteAt(b[:k], got); err != nil {
				t.Fatal(err)
			}
		}
		got += int64(k)
	}
	return in, got, broken, err
}

func TestBodyGoesToTheFile(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	body := strings.Repeat("0123456789abcde", 300_000)
	in, n, broken, err := moves(t, file, body+"the next", int64(len(body)))
	if n != int64(len(body)) || broken != io.EOF || err != nil {
		t.Fatal(n, broken, err)
	}
	if got, err := os.ReadFile(file.Name()); err != nil || string(got) != body {
		t.Errorf("the file has %d bytes of %d, or others, %v", len(got), len(body), err)
	}
	if rest, err := io.ReadAll(in); err != nil || string(rest) != "the next" {
		t.Errorf("%q follows, %v", rest, err)
	}
}

// A file that takes nothing is no reason to lose count: what follows the body is
// still found.
func TestBodyOfAFileThatTakesNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c, peer := pair(t)
	body := strings.Repeat("x", 100_000)
	go func() { _, _ = io.WriteString(peer, body+"the next"); _ = peer.CloseWrite() }()
	p, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	limited := &io.LimitedReader{R: c, N: int64(len(body))}
	b := make([]byte, 1<<20)
	for limited.N > 0 {
		n, moved, broken, err := c.Into(p, file, 0, b, limited.Read)
		if n == 0 || !moved || broken != nil || err == nil {
			t.Fatal(n, moved, broken, err)
		}
	}
	if rest, err := io.ReadAll(c); err != nil || string(rest) != "the next" {
		t.Errorf("%q follows, %v", rest, err)
	}
}

func TestClientThatGoesInTheMiddle(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	_, n, broken, err := moves(t, file, strings.Repeat("x", 100_000), 200_000)
	if n != 100_000 || broken != io.EOF || err != nil {
		t.Error(n, broken, err)
	}
}

// What waits for a client that sends nothing ends with its deadline.
func TestDeadlineEndsAMove(t *testing.T) {
	c, _ := pair(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, _, broken, _ := c.Into(p, file, 0, make([]byte, 100), c.Read); !errors.Is(broken, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", broken)
	}
}

// Requests over what is no TCP connection have none to hold.
func TestOtherConnectionsStayAsTheyAre(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if c := From(Context(t.Context(), a)); c != nil {
		t.Error("a pipe is a Conn")
	}
	c, _ := pair(t)
	if From(Context(t.Context(), tls.Server(c, nil))) != c {
		t.Error("a Conn below TLS is not found")
	}
}

// Where what was held back did not get through, nothing that comes behind it may:
// a client would take the rest of one answer for another.
func TestNothingFollowsWhatWasLost(t *testing.T) {
	c, peer := pair(t)
	c.Hold()
	if _, err := io.WriteString(c, "header"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("released with %v", err)
	}
	if err := c.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "content"); err == nil {
		t.Error("what follows was written")
	}
	if _, err := c.ReadFrom(strings.NewReader("more")); err == nil {
		t.Error("what follows was copied")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(peer); len(b) > 0 {
		t.Errorf("%q arrived", b)
	}
}
