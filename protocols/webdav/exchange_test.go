package webdav

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// soon is far below the minute after which these exchanges end by themselves.
const soon = 10 * time.Second

// exchanging serves handlers that work on a bare exchange; what they return
// arrives on the channel.
func exchanging(t testing.TB, stall time.Duration, do func(*exchange, *http.Request) error) (*httptest.Server, <-chan error) {
	t.Helper()
	outcome := make(chan error, 16)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, err := newExchange(w, r, stall)
		if err != nil {
			t.Errorf("new exchange: %v", err)
			return
		}
		defer x.finish()
		outcome <- do(x, r)
	}))
	s.EnableHTTP2 = true
	t.Cleanup(s.Close)
	return s, outcome
}

func dial(t testing.TB, s *httptest.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * soon)); err != nil {
		t.Fatal(err)
	}
	return c
}

func within(t testing.TB, d time.Duration, outcome <-chan error) error {
	t.Helper()
	select {
	case err := <-outcome:
		return err
	case <-time.After(d):
		t.Fatalf("the request still goes on after %v", d)
		return nil
	}
}

// forever writes until it fails.
func forever(x *exchange) error {
	b := make([]byte, 64<<10)
	for {
		if _, err := x.Write(b); err != nil {
			return err
		}
	}
}

// A session is cut while its client has stopped reading a download: the write
// that waits on the full connection ends.
func TestCutEndsAWriteToAStoppedReader(t *testing.T) {
	cut, stop := context.WithCancel(t.Context())
	begun := make(chan struct{})
	serve := func(x *exchange, _ *http.Request) error {
		defer x.cutWith(cut)()
		close(begun)
		return forever(x)
	}
	t.Run("http1", func(t *testing.T) {
		s, outcome := exchanging(t, time.Minute, serve)
		s.Start()
		c := dial(t, s)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		<-begun
		stop()
		if err := within(t, soon, outcome); err == nil {
			t.Error("the write succeeded")
		}
	})
	cut, stop = context.WithCancel(t.Context())
	begun = make(chan struct{})
	t.Run("http2", func(t *testing.T) {
		s, outcome := exchanging(t, time.Minute, serve)
		s.StartTLS()
		answer, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.ProtoMajor != 2 {
			t.Fatalf("protocol %s, want HTTP/2", answer.Proto)
		}
		<-begun
		stop()
		if err := within(t, soon, outcome); err == nil {
			t.Error("the write succeeded")
		}
	})
	stop()
}

// A session is cut while its client has stopped sending an upload.
func TestCutEndsAReadFromAStoppedSender(t *testing.T) {
	cut, stop := context.WithCancel(t.Context())
	begun := make(chan struct{})
	s, outcome := exchanging(t, time.Minute, func(x *exchange, _ *http.Request) error {
		defer x.cutWith(cut)()
		one := make([]byte, 1)
		if _, err := io.ReadFull(x.body, one); err != nil {
			return err
		}
		close(begun)
		_, err := io.Copy(io.Discard, x.body)
		return err
	})
	s.Start()
	c := dial(t, s)
	fmt.Fprint(c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nfirst")
	<-begun
	stop()
	if err := within(t, soon, outcome); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, errCut) {
		t.Errorf("got %v, want the end of a cut", err)
	}
}

// What was cut stays cut: a piece that moves afterwards does not give the
// connection new time.
func TestCutIsFinal(t *testing.T) {
	s, outcome := exchanging(t, time.Minute, func(x *exchange, _ *http.Request) error {
		x.breakOff()
		if err := x.writing(); !errors.Is(err, errCut) {
			return fmt.Errorf("writing after a cut: %w", err)
		}
		if err := x.reading(); !errors.Is(err, errCut) {
			return fmt.Errorf("reading after a cut: %w", err)
		}
		return nil
	})
	s.Start()
	fmt.Fprint(dial(t, s), "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if err := within(t, soon, outcome); err != nil {
		t.Error(err)
	}
}

// What works with a handle that is cut can fail before the exchange hears of
// the cut: it must not then be kind to a client that has lost its access.
func TestCutIsNotMissed(t *testing.T) {
	s, outcome := exchanging(t, time.Minute, func(x *exchange, _ *http.Request) error {
		ctx, cancel := context.WithCancel(context.Background())
		release := x.cutWith(ctx)
		cancel()
		release()
		if !x.wasCut() {
			return errors.New("the exchange goes on")
		}
		return nil
	})
	s.Start()
	for range 20 {
		fmt.Fprint(dial(t, s), "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if err := within(t, soon, outcome); err != nil {
			t.Error(err)
		}
	}
}

// A cut that comes when the answer is out does not break the connection, which
// carries another session's request by then.
func TestCutAfterTheAnswerTouchesNothing(t *testing.T) {
	var former *exchange
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if former == nil {
			x, err := newExchange(w, r, time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			x.WriteHeader(http.StatusNoContent)
			x.finish()
			former = x
			return
		}
		former.breakOff()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the request on the same connection: %v", err)
		}
		_, _ = w.Write(b)
	}))
	t.Cleanup(s.Close)
	c := dial(t, s)
	in := bufio.NewReader(c)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := http.ReadResponse(in, nil); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("got %q, %v, want 100 Continue", line, err)
	}
	fmt.Fprint(c, "whole")
	_, _ = in.ReadString('\n')
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "whole" {
		t.Errorf("got %q, %v", body, err)
	}
}

// An answer that fails when it has begun is broken off: its end must not look
// like the end of a whole one.
func TestFailingAnswerIsBrokenOff(t *testing.T) {
	h := New(Config{})
	s, _ := exchanging(t, time.Minute, func(x *exchange, r *http.Request) error {
		_, _ = io.WriteString(x, multiHead)
		_ = x.control.Flush()
		h.fail(x, r, errors.New("the store went away"))
		return nil
	})
	s.Start()
	c := dial(t, s)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("%q came as a whole answer", body)
	}
}

// A file reaches the connection in pieces of bounded size, each with the
// kernel's file in it, so that it can be sent by the kernel and cut in between.
func TestReadFromHandsOnBoundedPieces(t *testing.T) {
	name := t.TempDir() + "/f"
	want := bytes.Repeat([]byte("gatehouse"), piece/4)
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := &kernelWriter{ResponseRecorder: httptest.NewRecorder(), t: t}
	x := &exchange{out: out, control: http.NewResponseController(out), stall: time.Minute}
	n, err := x.ReadFrom(&io.LimitedReader{R: f, N: int64(len(want))})
	if err != nil || n != int64(len(want)) || !bytes.Equal(out.Body.Bytes(), want) {
		t.Errorf("got %d bytes, %v", n, err)
	}
	if out.pieces < 2 {
		t.Errorf("%d pieces, want several", out.pieces)
	}
}

type kernelWriter struct {
	*httptest.ResponseRecorder
	t      *testing.T
	pieces int
}

func (k *kernelWriter) SetWriteDeadline(time.Time) error { return nil }

func (k *kernelWriter) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok || limited.N > piece {
		k.t.Errorf("got %T of more than a piece", r)
	}
	if _, ok := limited.R.(*os.File); !ok {
		k.t.Errorf("got a piece of %T, want the kernel's file", limited.R)
	}
	k.pieces++
	return io.Copy(k.ResponseRecorder, r)
}

// A server that cannot set deadlines could not be cut: it is refused loudly.
func TestServerWithoutDeadlinesIsRefused(t *testing.T) {
	w := httptest.NewRecorder()
	New(Config{}).ServeHTTP(w, httptest.NewRequest(http.MethodOptions, "/dav/", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", w.Code)
	}
}

// OPTIONS is answered before any login: Windows asks it first, and gives up
// where it is refused.
func TestOptionsWithoutLogin(t *testing.T) {
	s := httptest.NewServer(New(Config{}).Mount(http.NotFoundHandler()))
	defer s.Close()
	for _, target := range []string{"/dav/anything", "/dav", "/"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("DAV"), "1, 2") || answer.Header.Get("MS-Author-Via") != "DAV" {
			t.Errorf("%s: got %d %v", target, answer.StatusCode, answer.Header)
		}
		for _, method := range []string{"PROPFIND", "LOCK", "MOVE", "PUT", "GET"} {
			if !strings.Contains(answer.Header.Get("Allow"), method) {
				t.Errorf("Allow %q lacks %s", answer.Header.Get("Allow"), method)
			}
		}
	}
}

// Mount stands before a ServeMux, which would redirect "/dav/a/../b" to the
// cleaned path before it could be refused.
func TestMountSeesPathsAsTheyWereSent(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	s := httptest.NewUnstartedServer(New(Config{}).Mount(mux))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.Start()
	defer s.Close()
	for target, want := range map[string]int{"/dav/a/../b": 401, "/dav//a": 401, "/dav": 401, "/davies": 418, "/": 418} {
		c := dial(t, s)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", target)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || answer.StatusCode != want {
			t.Errorf("%s: got %v, %v, want %d", target, answer, err, want)
		}
	}
}

// Access that ends when the answer is with the client already, and the request not yet
// over, ended every later request of the connection: each heard that logging in is not
// possible now, and not why it is refused.
func TestCutBehindTheAnswerLeavesTheConnection(t *testing.T) {
	for _, body := range []string{"", "a body that is read"} {
		first := true
		s, outcome := exchanging(t, time.Minute, func(x *exchange, r *http.Request) error {
			_, _ = io.Copy(io.Discard, x.body)
			_, _ = io.WriteString(x, "answer")
			err := errors.Join(x.control.Flush(), r.Context().Err())
			if first {
				first = false
				x.breakOff()
				select { // what reads behind the request meets the deadline at once, if there is one
				case <-r.Context().Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
			return err
		})
		s.Start()
		for range 2 {
			answer, err := s.Client().Post(s.URL, "text/plain", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if err := <-outcome; err != nil {
				t.Errorf("a later request on the connection: %v", err)
			}
		}
	}
}
