package proxied

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func loopback(a netip.Addr) bool { return a.IsLoopback() }
func nobody(netip.Addr) bool     { return false }

// listening is a listener until the test ends, and what it logs.
func listening(t *testing.T, trusts Trusts) (*Listener, *bytes.Buffer) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	l := New(inner, trusts, slog.New(slog.NewTextHandler(&locked{w: log}, nil)))
	t.Cleanup(func() { _ = l.Close() })
	return l, log
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// dial connects and sends.
func dial(t *testing.T, l net.Listener, sent string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, sent); err != nil {
		t.Fatal(err)
	}
	return c
}

// closed waits for the other side to close a connection.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.ErrNoProgress) {
		t.Error("it was answered")
	} else if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		t.Error("it was not closed")
	}
}

func TestTheClientIsWhoTheProxyNames(t *testing.T) {
	l, _ := listening(t, loopback)
	dial(t, l, "PROXY TCP4 203.0.113.7 192.0.2.1 49153 2121\r\nhello")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if c.RemoteAddr().String() != "203.0.113.7:49153" || c.(*Conn).Reached().String() != "192.0.2.1:2121" {
		t.Errorf("%s came to %s", c.RemoteAddr(), c.(*Conn).Reached())
	}
	if got := make([]byte, 5); true {
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
			t.Errorf("it said %q, %v", got, err)
		}
	}
}

// A proxy that only looks whether the gateway is there comes from its own
// address; of whom it knows nothing the address is none, which no policy admits.
func TestWhoNobodyKnows(t *testing.T) {
	l, _ := listening(t, loopback)
	for sent, want := range map[string]string{
		v2(0x20, 0): "127.0.0.1", v2(0x21, 0): "", "PROXY UNKNOWN\r\n": "",
		"PROXY TCP4 0.0.0.0 192.0.2.1 1 2\r\n": "", "PROXY TCP4 224.0.0.1 192.0.2.1 1 2\r\n": "",
	} {
		dial(t, l, sent)
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		at, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if (err == nil) != (want != "") || err == nil && at.Addr().String() != want {
			t.Errorf("%q comes from %s, want %q", sent, c.RemoteAddr(), want)
		}
		_ = c.Close()
	}
}

// Loopback may do more than others: no other machine can say that it is it.
func TestAnotherMachinesLoopbackIsNobody(t *testing.T) {
	far, here := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("127.0.0.1")
	if Plausible(here, far) || !Plausible(here, here) || !Plausible(far, here) || Plausible(netip.Addr{}, here) {
		t.Error("loopback of another machine passes, or a client of this one does not")
	}
}

func TestWhoeverIsNoProxyIsRefused(t *testing.T) {
	l, log := listening(t, nobody)
	go func() { _, _ = l.Accept() }() // ends with the listener
	closed(t, dial(t, l, "PROXY TCP4 203.0.113.7 192.0.2.1 49153 2121\r\n"))
	_ = l.Close()
	if !strings.Contains(log.String(), "not among trusted_proxies") {
		t.Errorf("the log says %q", log)
	}
}

// Without a header nobody comes in, and the log says so once in a while only.
func TestNoHeaderIsRefused(t *testing.T) {
	l, log := listening(t, loopback)
	go func() { _, _ = l.Accept() }() // ends with the listener
	for range 3 {
		closed(t, dial(t, l, "SSH-2.0-OpenSSH_9.2\r\n"))
	}
	_ = l.Close()
	if n := strings.Count(log.String(), "refused"); n != 1 {
		t.Errorf("%d entries in the log:\n%s", n, log)
	}
}

// One that sends half a header holds up nobody, and is closed in time.
func TestASlowHeaderHoldsUpNobody(t *testing.T) {
	l, _ := listening(t, loopback)
	l.patience = 3 * time.Second // longer than the header that is there already takes on a busy machine
	slow := dial(t, l, "PROXY TCP4 203.")
	dial(t, l, "PROXY TCP4 203.0.113.7 192.0.2.1 49153 2121\r\n")
	c, err := l.Accept()
	if err != nil || c.RemoteAddr().String() != "203.0.113.7:49153" {
		t.Fatalf("%v, %v", c, err)
	}
	defer func() { _ = c.Close() }()
	closed(t, slow)
	// The patience was the header's alone.
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	l, _ := listening(t, loopback)
	half, whole := dial(t, l, "PROXY "), dial(t, l, "PROXY UNKNOWN\r\n")
	one, err := l.Accept() // the accepting has begun
	if err != nil {
		t.Fatal(err)
	}
	_ = one.Close()
	ended := make(chan error, 1)
	go func() { _, err := l.Accept(); ended <- err }()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ends with %v", err)
	}
	closed(t, half)
	closed(t, whole)
}
