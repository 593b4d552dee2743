package webdav

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// noise is content in which a piece that is missing, doubled or out of its place shows.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return string(b)
}

// What the kernel moves is the body and nothing else: what came with the head of
// the request is in it, and what comes behind it is the next request.
func TestMovedUploadEndsWhereItsBodyEnds(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	for _, size := range []int{manyBytes - 1, manyBytes, manyBytes + 1, 5*manyBytes + 4097} {
		body := noise(size)
		conn, in := c.raw("PUT", "/dav/big", fmt.Sprintf("Content-Length: %d", size))
		next := strings.NewReader(body + "OPTIONS /dav/ HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := io.Copy(conn, struct{ io.Reader }{next}); err != nil {
			t.Fatal(err)
		}
		if status := statusOf(t, in); status != http.StatusCreated && status != http.StatusNoContent {
			t.Errorf("%d bytes: got %d", size, status)
		}
		if status := statusOf(t, in); status != http.StatusOK {
			t.Errorf("%d bytes: the next request is answered %d", size, status)
		}
		if got := c.files()["big"]; got != body {
			t.Errorf("%d bytes: got %d others", size, len(got))
		}
	}
}

func statusOf(t *testing.T, in *bufio.Reader) int {
	t.Helper()
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

func TestMovedUploadThatWaitsForContinue(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	body := noise(3 * manyBytes)
	conn, in := c.raw("PUT", "/dav/big", fmt.Sprintf("Content-Length: %d", len(body)), "Expect: 100-continue")
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	if status := statusOf(t, in); status != http.StatusCreated {
		t.Errorf("got %d, want 201", status)
	}
	c.wantFiles(map[string]string{"big": body})
}
