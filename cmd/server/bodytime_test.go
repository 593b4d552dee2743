package server

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections that are no kernel's: their time is the test's.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Nobody keeps a connection to a web listener for doing nothing with it, whatever
// the point at which he stops: the listener has a bounded number, and who filled
// it would shut the door for everybody.
func TestWebConnectionsEndThatDoNothing(t *testing.T) {
	request := func(head string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, head)
			_, _ = io.Copy(io.Discard, c)
		}
	}
	for name, test := range map[string]struct {
		do   func(net.Conn)
		ends time.Duration
	}{
		"a word is never said":            {func(net.Conn) {}, 15 * time.Second},
		"a head that comes byte by byte":  {drip, 15 * time.Second},
		"a body never comes":              {request("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"), bodyTime},
		"a body never comes to its end":   {request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst"), bodyTime},
		"a body in chunks never comes":    {request("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), bodyTime},
		"an answer is never taken":        {func(c net.Conn) { _, _ = io.WriteString(c, "GET /long HTTP/1.1\r\nHost: h\r\n\r\n") }, time.Minute},
		"a second request is never made":  {second, 2 * time.Minute},
		"a second request never ends":     {secondHead, 15 * time.Second},
		"a second request's body is away": {secondBody, bodyTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Time, 1)
				s := webServer(http.HandlerFunc(heedless), slog.New(slog.DiscardHandler))
				s.ConnState = func(_ net.Conn, to http.ConnState) {
					if to == http.StateClosed {
						ended <- time.Now()
					}
				}
				p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				var running sync.WaitGroup
				running.Go(func() { _ = s.Serve(p) })
				near, far := net.Pipe()
				began := time.Now()
				p.conns <- far
				running.Go(func() { test.do(near) })
				select {
				case at := <-ended:
					if took := at.Sub(began); took > test.ends+time.Second {
						t.Errorf("it ends after %v", took)
					}
				case <-time.After(24 * time.Hour):
					t.Error("it is there after a day")
				}
				_, _ = near.Close(), s.Close()
				running.Wait()
			})
		})
	}
}

// heedless answers without a look at the body.
func heedless(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/long" {
		return
	}
	for range 100 {
		if _, err := io.WriteString(w, strings.Repeat("long ", 10_000)); err != nil {
			return
		}
	}
}

func drip(c net.Conn) {
	go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the pipe
	for _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"); err == nil; _, err = io.WriteString(c, "X") {
		time.Sleep(time.Second)
	}
}

// second makes a request and no other.
func second(c net.Conn) {
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
		_ = resp.Body.Close()
	}
}

func secondHead(c net.Conn) {
	second(c)
	drip(c)
}

func secondBody(c net.Conn) {
	second(c)
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
	_, _ = io.Copy(io.Discard, c)
}
