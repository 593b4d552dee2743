package ftp

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
)

// A piped control connection has no buffers: the server waits in the midst of
// what its client does not read, and a client has said something once it was read.
type piped struct{ net.Conn }

func (piped) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 21} }
func (piped) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }

// pipe logs somebody in over a connection without buffers.
func (s *site) pipe(t testing.TB, p protocoltest.Person) *client {
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close() })
	s.server.arrive(piped{far})
	c := &client{t: t, raw: near}
	c.use(near)
	c.expect(220)
	return c.login(p)
}

// begins reads the first byte of a reply: the rest of it waits.
func (c *client) begins(code byte) {
	c.t.Helper()
	_ = c.raw.SetDeadline(time.Now().Add(patience))
	first := make([]byte, 1)
	if _, err := io.ReadFull(c.raw, first); err != nil || first[0] != code {
		c.t.Fatalf("a reply begins with %q, %v, want %c", first, err, code)
	}
	c.r.Reset(io.MultiReader(strings.NewReader(string(first)), c.raw))
}

// An ABOR that comes while its transfer is being answered finds none to break off,
// and one behind the next transfer is for that: nothing is answered twice.
func TestAbortBehindTheAnswer(t *testing.T) {
	for said, want := range map[string][]int{
		"ABOR\r\n":                           {226},
		"NOOP\r\nABOR\r\n":                   {200, 226},
		"EPSV\r\nABOR\r\n":                   {229, 226},
		"EPSV\r\nRETR f\r\nABOR\r\n":         {229, 426, 226},
		"ABOR\r\nEPSV\r\nRETR f\r\nABOR\r\n": {226, 229, 426, 226},
	} {
		t.Run(strings.ReplaceAll(said, "\r\n", " "), func(t *testing.T) {
			s := newSite(t)
			s.Write("/home/anna/f", "content")
			c := s.pipe(t, s.Add("anna"))
			conn := c.data()
			c.must(150, "RETR f")
			if got, err := io.ReadAll(conn); err != nil || string(got) != "content" {
				t.Fatalf("got %q, %v", got, err)
			}
			c.begins('2')
			c.send(said)
			for i, code := range append([]int{226}, want...) {
				if got, text := c.reply(); got != code {
					t.Fatalf("reply %d is %d %s, want %d", i, got, text, code)
				}
			}
			c.must(200, "NOOP")
		})
	}
}

// A listing in a reply ends with the grant that it lived by, also of a client that
// has stopped reading; what was sent is not to be taken for the whole.
func TestRevokedGrantCutsAListingInAReply(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		s := newSite(t)
		for i := range 3 * batch {
			s.Write(fmt.Sprintf("/team/%04d", i), "")
		}
		anna := s.Add("anna")
		id := s.Grant("anna", "/team", policy.Full, "team")
		other := s.dial(t).login(anna)
		c := s.pipe(t, anna)
		c.send("STAT /team\r\n")
		if line, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "213-") {
			t.Fatalf("%q, %v", line, err)
		}
		s.Revoke("anna", id)
		start := time.Now()
		waitFor(t, "the connection to be over", func() bool { return s.server.count() == 1 })
		if took := time.Since(start); took > within {
			t.Errorf("took %v", took)
		}
		if rest, _ := io.ReadAll(c.r); strings.Contains(string(rest), "\n213 ") {
			t.Errorf("the listing ends as if it were whole: %q", rest)
		}
		other.must(550, "STAT /team")
	})
}
