package webdav

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/protocols/protocoltest"
)

// Over TLS clients may speak HTTP/2, where a request is a stream: uploads,
// refusals, listings and the cut work there too.
func TestHTTP2(t *testing.T) {
	w := protocoltest.NewWorld(t)
	s := &site{World: w, server: httptest.NewUnstartedServer(New(Config{Sessions: w.Sessions, Log: w.Log}))}
	s.server.EnableHTTP2 = true
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	c := s.client(t, "alice")
	do := func(method, target string, body io.Reader, headers ...string) *http.Response {
		t.Helper()
		r := c.request(method, target, body, headers...)
		r.URL.Scheme = "https"
		answer, err := s.server.Client().Transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s %s: %v", method, target, err)
		}
		if answer.ProtoMajor != 2 {
			t.Fatalf("%s, want HTTP/2", answer.Proto)
		}
		return answer
	}
	want := func(status int, answer *http.Response) string {
		t.Helper()
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status {
			t.Fatalf("got %d %.200q, %v, want %d", answer.StatusCode, b, err, status)
		}
		return string(b)
	}
	content := strings.Repeat("content ", 1<<17)
	want(201, do("PUT", "/dav/a", strings.NewReader(content)))
	if got := want(200, do("GET", "/dav/a", nil)); got != content {
		t.Errorf("%d bytes came back", len(got))
	}
	want(207, do("PROPFIND", "/dav/", nil, "Depth: 1"))
	want(201, do("COPY", "/dav/a", nil, "Destination: "+s.server.URL+"/dav/b"))
	s.SetQuota(c.Home.String(), 3<<20, -1)
	waitCounted(t, s, c)
	want(507, do("PUT", "/dav/big", strings.NewReader(strings.Repeat("x", 8<<20))))
	want(507, do("PUT", "/dav/big", chunked(strings.Repeat("x", 8<<20))))

	reader, writer := io.Pipe()
	status := make(chan string, 1)
	go func() {
		r := c.request("PUT", "/dav/slow", reader)
		r.URL.Scheme = "https"
		answer, err := s.server.Client().Transport.RoundTrip(r)
		if err != nil {
			status <- err.Error()
			return
		}
		answer.Body.Close()
		status <- answer.Status
	}()
	fmt.Fprint(writer, "begin")
	waitStaged(t, s)
	s.Disable("alice")
	select {
	case got := <-status:
		if strings.HasPrefix(got, "2") {
			t.Errorf("a cut upload was answered %s", got)
		}
	case <-time.After(soon):
		t.Error("the upload goes on")
	}
	waitUnstaged(t, s)
	writer.Close()
}
