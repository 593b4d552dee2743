package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/protocols/places"
)

func TestBoundedAcceptsNoMoreThanItsBound(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := bounded(inner, bounds{all: 1, each: 1})
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = c.Close()
		}
		accepted <- err
	}()
	select {
	case <-accepted:
		t.Fatal("a second connection is accepted")
	default:
	}
	// Closing twice must give one place back, not two.
	_, _ = first.Close(), first.Close()
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	if n := l.table.Taken(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
	if _, err := l.table.EnterForMany(); err != nil {
		t.Fatal(err)
	}
	third, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = third.Close() }()
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("an Accept that waits for a place ends with %v", err)
	}
}

// remote is a connection from anywhere.
type remote struct {
	net.Conn
	from net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.from }

// somewhere is a listener to which connections come from the addresses given.
type somewhere struct {
	net.Listener
	from []string
}

func (s *somewhere) Accept() (net.Conn, error) {
	if len(s.from) == 0 {
		return nil, net.ErrClosed
	}
	next := s.from[0]
	s.from = s.from[1:]
	ours, _ := net.Pipe()
	return remote{ours, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(next))}, nil
}

// One address that opens connection after connection had the place of everybody.
func TestOneAddressLeavesRoomForOthers(t *testing.T) {
	l := bounded(&somewhere{from: []string{
		"203.0.113.1:1", "203.0.113.1:2", "203.0.113.1:3", "198.51.100.7:1", "[2001:db8::1]:1", "[2001:db8::2]:2", "[2001:db8::3]:3",
		"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "203.0.113.1:4",
	}}, bounds{all: 100, each: 2, exempt: func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.1") }})
	var came []string
	var first net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		if came = append(came, c.RemoteAddr().String()); first == nil {
			first = c
		}
		if len(came) == 8 { // one of the first has left when the last comes
			_ = first.Close()
		}
	}
	want := []string{
		"203.0.113.1:1", "203.0.113.1:2", "198.51.100.7:1", "[2001:db8::1]:1", "[2001:db8::2]:2",
		"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "203.0.113.1:4",
	}
	if !slices.Equal(came, want) {
		t.Errorf("accepted %q\nwant     %q", came, want)
	}
}

// A crowd is a web server whose clients come over pipes from the addresses they
// say.
type crowd struct {
	net.Listener
	t     *testing.T
	conns chan net.Conn
	gone  chan struct{}
}

// newCrowd serves with room for so many connections, until the test ends.
func newCrowd(t *testing.T, most bounds, h http.HandlerFunc) *crowd {
	c := &crowd{t: t, conns: make(chan net.Conn), gone: make(chan struct{})}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	yielding(s)
	most.exempt = func(netip.Addr) bool { return false }
	served := make(chan struct{})
	go func() { // ends with Close
		defer close(served)
		_ = s.Serve(bounded(c, most))
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-served
	})
	return c
}

func (c *crowd) Accept() (net.Conn, error) {
	select {
	case conn := <-c.conns:
		return conn, nil
	case <-c.gone:
		return nil, net.ErrClosed
	}
}

func (c *crowd) Close() error {
	close(c.gone)
	return nil
}

func (c *crowd) Addr() net.Addr { return &net.TCPAddr{} }

// A browser is one connection of a client.
type browser struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// from has a client connect.
func (c *crowd) from(address string) *browser {
	near, far := net.Pipe()
	c.t.Cleanup(func() { _ = near.Close() })
	c.conns <- remote{far, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))}
	_ = near.SetDeadline(time.Now().Add(20 * time.Second))
	return &browser{c.t, near, bufio.NewReader(near)}
}

func (b *browser) say(text string) {
	b.t.Helper()
	if _, err := io.WriteString(b, text); err != nil {
		b.t.Fatalf("saying %q: %v", text, err)
	}
}

// wantAnswer reads the answer to a request.
func (b *browser) wantAnswer() {
	b.t.Helper()
	r, err := http.ReadResponse(b.r, nil)
	if err != nil {
		b.t.Fatalf("no answer: %v", err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		b.t.Fatal(err)
	}
	_ = r.Body.Close()
}

// gone reports whether the connection was closed.
func (b *browser) gone() bool {
	_, err := b.r.ReadByte()
	e, ok := err.(net.Error)
	return err != nil && (!ok || !e.Timeout())
}

const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

// Four addresses with as many connections as each may have took the places of
// everybody: by asking nothing, by not coming to the end of a request, and by
// keeping connections after one.
func TestAFewAddressesShutNobodyOut(t *testing.T) {
	for name, do := range map[string]func(*browser){
		"nothing":           func(*browser) {},
		"half a head":       func(b *browser) { b.say("GET / HTTP/1.1\r\nX: ") },
		"after one":         func(b *browser) { b.say(request); b.wantAnswer() },
		"half the next":     func(b *browser) { b.say(request); b.wantAnswer(); b.say("GET / HT") },
		"a stranger's body": func(b *browser) { b.say("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, bounds{all: 4, each: 3}, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
				var held []*browser
				for _, from := range []string{"203.0.113.1:1", "198.51.100.1:1", "203.0.113.1:2", "198.51.100.1:2"} {
					b := c.from(from)
					do(b)
					synctest.Wait()
					held = append(held, b)
				}
				b := c.from("192.0.2.1:1")
				b.say(request)
				b.wantAnswer()
				if one := c.from("198.51.100.1:3"); !one.gone() {
					t.Error("one who has as much as the others came in")
				}
				if !held[0].gone() {
					t.Error("the oldest has not made room")
				}
				if held[1].gone() {
					t.Error("another has made room too")
				}
			})
		})
	}
}

// A request of a known account that is being carried out keeps its place, whoever
// comes.
func TestARequestKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, end := make(chan struct{}), make(chan struct{})
		c := newCrowd(t, bounds{all: 2, each: 2}, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				places.From(r.Context()).Keep()
				begun <- struct{}{}
				<-end
			}
		})
		var long []*browser
		for _, from := range []string{"203.0.113.1:1", "203.0.113.1:2"} {
			b := c.from(from)
			b.say("GET /long HTTP/1.1\r\nHost: h\r\n\r\n")
			<-begun
			long = append(long, b)
		}
		next := c.from("192.0.2.1:1")
		synctest.Wait() // it waits
		end <- struct{}{}
		end <- struct{}{}
		long[0].wantAnswer()
		long[1].wantAnswer()
		next.say(request)
		next.wantAnswer()
	})
}
