package webdav

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gatehouse/protocols/protocoltest"
)

// brief is a stall time that requests outlast.
const brief = 50 * time.Millisecond

// A client that stops taking or giving bytes is given up after the stall time.
func TestStall(t *testing.T) {
	t.Run("reader", func(t *testing.T) {
		s, outcome := exchanging(t, brief, func(x *exchange, _ *http.Request) error { return forever(x) })
		s.Start()
		fmt.Fprint(dial(t, s), "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if err := within(t, soon, outcome); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a deadline", err)
		}
	})
	t.Run("sender", func(t *testing.T) {
		s, outcome := exchanging(t, brief, func(x *exchange, _ *http.Request) error {
			_, err := io.Copy(io.Discard, x.body)
			return err
		})
		s.Start()
		fmt.Fprint(dial(t, s), "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nfirst")
		if err := within(t, soon, outcome); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a deadline", err)
		}
	})
}

// A client that takes less than a piece in each stall time is slow, and goes on.
func TestSlowIsNotStalled(t *testing.T) {
	const size = 12 << 20 // more than what lies in the buffers of the connection
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	protocoltest.Patiently(t, func(t testing.TB) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		s, outcome := exchanging(t, 4*brief, func(x *exchange, _ *http.Request) error {
			x.Header().Set("Content-Length", strconv.Itoa(size))
			n, err := x.ReadFrom(&io.LimitedReader{R: f, N: size})
			if err == nil && n != size {
				err = fmt.Errorf("%d bytes were sent", n)
			}
			return err
		})
		s.Start()
		c := dial(t, s)
		if err := c.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		for slowly := time.NewTicker(brief); ; <-slowly.C {
			if _, err := io.CopyN(io.Discard, c, piece/8); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-outcome:
				if err != nil {
					t.Error(err)
				}
				return
			default:
			}
		}
	})
}

// outlast works for several stall times, as the copy of a large tree does.
func outlast(r *http.Request) error {
	select {
	case <-r.Context().Done():
		return context.Cause(r.Context())
	case <-time.After(4 * brief):
		return nil
	}
}

// Putting an upload in place may take longer than a client may take to send a
// piece: when the body is here, its deadline no longer ends the request (the
// server takes it away).
func TestReceivedBodyHasNoDeadline(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		s, outcome := exchanging(t, brief, func(x *exchange, r *http.Request) error {
			_, err := io.Copy(io.Discard, x.body)
			return errors.Join(err, outlast(r))
		})
		s.Start()
		fmt.Fprint(dial(t, s), "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nwhole")
		if err := within(t, soon, outcome); err != nil {
			t.Error(err)
		}
	})
}

// A body that nobody asks for, and that comes behind the header, does not cost a
// request that takes long its connection, and with it perhaps the answer.
func TestUnreadBodyHasItsTimeAtTheAnswer(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		begun := make(chan struct{})
		s, outcome := exchanging(t, brief, func(x *exchange, r *http.Request) error {
			begun <- struct{}{}
			defer x.WriteHeader(http.StatusNoContent)
			return outlast(r)
		})
		s.Start()
		c := dial(t, s)
		in := bufio.NewReader(c)
		for range 2 {
			fmt.Fprint(c, "COPY / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
			<-begun
			fmt.Fprint(c, "whole")
			if err := within(t, soon, outcome); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(in, nil)
			if err != nil || answer.Close {
				t.Fatalf("got %v, %v, want a connection that goes on", answer, err)
			}
		}
	})
}

// A body that the gateway itself reads after it refused the upload is at its end: the
// answer that follows puts no deadline in the way of the connection's next request.
func TestSettledBodyHasNoDeadline(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		begun := make(chan struct{}, 1)
		s, outcome := exchanging(t, brief, func(x *exchange, r *http.Request) error {
			begun <- struct{}{}
			err := outlast(r)
			x.settle(func() { x.WriteHeader(http.StatusForbidden) })
			return errors.Join(err, outlast(r))
		})
		s.Start()
		c := dial(t, s)
		fmt.Fprint(c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
		<-begun
		fmt.Fprint(c, "whole")
		if err := within(t, soon, outcome); err != nil {
			t.Error(err)
		}
	})
}

// Over HTTP/2 a deadline ends the body or the stream whether anything waits for the
// client or not: it stands only while something does.
func TestLongRequestOverHTTP2(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		first := make(chan struct{}, 1)
		s, outcome := exchanging(t, brief, func(x *exchange, r *http.Request) error {
			_, err := io.ReadFull(x.body, make([]byte, 1))
			err = errors.Join(err, outlast(r))
			first <- struct{}{}
			_, all := io.Copy(io.Discard, x.body)
			for range 2 {
				_, wrote := io.WriteString(x, "piece")
				err = errors.Join(err, all, wrote, outlast(r))
			}
			return err
		})
		s.StartTLS()
		body, send := io.Pipe()
		go func() { // ends with the request, which closes body
			fmt.Fprint(send, "a")
			select {
			case <-first:
			case <-t.Context().Done():
			}
			fmt.Fprint(send, "b")
			send.Close()
		}()
		answer, err := s.Client().Post(s.URL, "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if b, err := io.ReadAll(answer.Body); err != nil || string(b) != "piecepiece" || answer.ProtoMajor != 2 {
			t.Errorf("got %q, %v over %s", b, err, answer.Proto)
		}
		if err := within(t, soon, outcome); err != nil {
			t.Error(err)
		}
	})
}

// A client over HTTP/2 that stops taking or giving bytes is given up all the same.
func TestStallOverHTTP2(t *testing.T) {
	for name, do := range map[string]func(*exchange, *http.Request) error{
		"reader": func(x *exchange, _ *http.Request) error { return forever(x) },
		"sender": func(x *exchange, _ *http.Request) error {
			_, err := io.Copy(io.Discard, x.body)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, outcome := exchanging(t, brief, do)
			s.StartTLS()
			body, send := io.Pipe()
			defer send.Close()
			go func() {
				if answer, err := s.Client().Post(s.URL, "text/plain", body); err == nil {
					<-t.Context().Done()
					answer.Body.Close()
				}
			}()
			if err := within(t, soon, outcome); err == nil {
				t.Error("it came to its end")
			}
		})
	}
}
