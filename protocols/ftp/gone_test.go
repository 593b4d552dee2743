package ftp

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"gatehouse/protocols/protocoltest"
)

// soon is well below the half minute for which a data connection is waited for.
const soon = 15 * time.Second

// A client that is gone takes with it what waits for a data connection from it,
// also where a command stands behind the transfer that nobody reads yet: QUIT,
// with which clients take their leave.
func TestClientIsGoneWhileItsTransferWaits(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no other system tells of a client that is gone and not read")
	}
	for _, protected := range []bool{false, true} {
		for _, verb := range []string{"RETR f", "STOR f", "APPE f", "LIST"} {
			for name, behind := range map[string]string{"nothing": "", "QUIT": "QUIT\r\n", "another transfer": "RETR f\r\nNOOP\r\n"} {
				t.Run(verb+" and "+name, func(t *testing.T) {
					t.Parallel()
					s := newSite(t)
					s.Write("/home/anna/f", "content")
					c := s.dial(t)
					if protected {
						c.secure(s.trust())
					}
					c.login(s.Add("anna"))
					c.port()
					c.send(verb + "\r\n" + behind)
					waitFor(t, "the transfer", func() bool { return s.server.transferring() == 1 })
					start := time.Now()
					_ = c.raw.Close()
					waitFor(t, "the connection to be over", func() bool { return s.server.count() == 0 })
					if took := time.Since(start); took > soon {
						t.Errorf("took %v", took)
					}
					if got, _ := s.Read("/home/anna/f"); got != "content" {
						t.Errorf("the file is %q now", got)
					}
				})
			}
		}
	}
}

// A client that was reset, with data on its way, is gone at once.
func TestResetClientEndsItsTransfer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no other system tells of a client that is gone and not read")
	}
	s := newSite(t)
	s.Write("/home/anna/big", strings.Repeat("x", 64<<20))
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.must(150, "RETR big")
	c.send("QUIT\r\n")
	_ = c.raw.(*net.TCPConn).SetLinger(0)
	_ = c.raw.Close()
	start := time.Now()
	waitFor(t, "the connection to be over", func() bool { return s.server.count() == 0 })
	if took := time.Since(start); took > soon {
		t.Errorf("took %v", took)
	}
	drain(t, conn)
}

// A client that sends all its commands at once and ends its side then is still
// there: it has its files, and every answer.
func TestPipelinedClientThatOnlyReads(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		s := newSite(t)
		content := strings.Repeat("x", 32<<20)
		s.Write("/home/anna/f", content)
		c := s.dial(t).login(s.Add("anna"))
		conn := c.data()
		c.send("RETR f\r\nQUIT\r\n")
		if err := c.raw.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.expect(150)
		time.Sleep(2 * lastCall) // as a slow reader
		if got, err := io.ReadAll(conn); err != nil || string(got) != content {
			t.Errorf("%d of %d bytes came, %v", len(got), len(content), err)
		}
		c.expect(226)
		c.expect(221)
	})
}

// Where its data connection never came, it hears that.
func TestPipelinedClientWithoutData(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(s.Add("anna"))
	c.port()
	c.send("RETR f\r\nQUIT\r\n")
	if err := c.raw.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.expect(425)
	c.expect(221)
}

// transferring is how many transfers run.
func (s *Server) transferring() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for c := range s.conns {
		if c.running() != nil {
			n++
		}
	}
	return n
}
