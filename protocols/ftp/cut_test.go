package ftp

import (
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// within is the specification's second, and some for a busy machine.
const within = 3 * time.Second

// A disabled account loses its connection within a second, whatever it waits
// for, a data connection that never comes among it.
func TestDisabledAccountIsCut(t *testing.T) {
	for name, wait := range map[string]func(c *client) *net.TCPConn{
		"idling": func(*client) *net.TCPConn { return nil },
		"after PASV": func(c *client) *net.TCPConn {
			c.port()
			return nil
		},
		"waiting for its data connection": func(c *client) *net.TCPConn {
			c.port()
			c.send("RETR big\r\n")
			return nil
		},
		"an upload that waits for its data connection": func(c *client) *net.TCPConn {
			c.port()
			c.send("STOR new\r\n")
			return nil
		},
		"a listing that waits for its data connection": func(c *client) *net.TCPConn {
			c.port()
			c.send("LIST\r\n")
			return nil
		},
		"connected, without a command": func(c *client) *net.TCPConn { return c.data() },
		"a download that nobody reads": func(c *client) *net.TCPConn {
			conn := c.data()
			c.must(150, "RETR big")
			return conn
		},
		"an upload that sends nothing": func(c *client) *net.TCPConn {
			conn := c.data()
			c.must(150, "STOR new")
			return conn
		},
	} {
		t.Run(name, func(t *testing.T) {
			protocoltest.Patiently(t, func(t testing.TB) {
				s := newSite(t)
				anna, ben := s.Add("anna"), s.Add("ben")
				s.Write("/home/anna/big", strings.Repeat("x", 64<<20))
				for _, protected := range []bool{false, true} {
					s.Change("anna", func(a *accounts.Account) { a.Status = policy.Status{} })
					c, other := s.dial(t), s.dial(t).login(ben)
					if protected {
						c.secure(s.trust())
					}
					c.login(anna)
					conn := wait(c) // where data is protected: without its handshake
					s.Disable("anna")
					start := time.Now()
					if conn != nil {
						drain(t, conn)
					}
					c.gone(patience)
					waitFor(t, "the connection to be over", func() bool { return s.server.count() == 1 })
					if took := time.Since(start); took > within {
						t.Errorf("protected %v: took %v", protected, took)
					}
					other.must(200, "NOOP")
					other.must(221, "QUIT")
					waitFor(t, "nothing to listen any more", func() bool { return len(s.listening(t)) == 0 && s.server.count() == 0 })
				}
			})
		})
	}
}

// drain reads a data connection until it breaks.
func drain(t testing.TB, conn *net.TCPConn) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<20)
	for {
		if _, err := conn.Read(b); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Errorf("the data connection was not cut")
			}
			return
		}
	}
}

// A grant that is taken away cuts the transfer that it allowed, and nothing else.
func TestRevokedGrantCutsTheTransfer(t *testing.T) {
	for _, command := range []string{"RETR /team/big", "STOR /team/new"} {
		t.Run(command, func(t *testing.T) {
			protocoltest.Patiently(t, func(t testing.TB) {
				s := newSite(t)
				s.Write("/team/big", strings.Repeat("x", 64<<20))
				anna := s.Add("anna")
				id := s.Grant("anna", "/team", policy.Full, "team")
				c, other := s.dial(t).login(anna), s.dial(t).login(anna)
				s.Write("/home/anna/f", "content")
				conn := c.data()
				c.must(150, "%s", command)
				s.Revoke("anna", id)
				start := time.Now()
				c.expect(426)
				if took := time.Since(start); took > within {
					t.Errorf("took %v", took)
				}
				drain(t, conn)
				if got := c.get("RETR /f"); got != "content" {
					t.Errorf("what is still allowed: %q", got)
				}
				if _, code, _ := other.fetch("RETR /team/big"); code != 550 {
					t.Errorf("what is not: %d", code)
				}
			})
		})
	}
}

// An administrator ends a session while its client reads no replies either.
func TestEndedSessionWithDeafClient(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		s := newSite(t)
		c := s.dial(t).login(s.Add("anna"))
		_ = c.raw.(*net.TCPConn).SetReadBuffer(4 << 10)
		flood := strings.Repeat("HELP\r\n", 64<<10)
		go func() { _, _ = c.raw.Write([]byte(flood)) }()
		id := s.Sessions.List()[0].ID
		waitFor(t, "the server to be stuck", func() bool { return s.server.stuck() })
		start := time.Now()
		if !s.Sessions.End(id, "test") {
			t.Fatal("no such session")
		}
		waitFor(t, "the connection to be over", func() bool { return s.server.count() == 0 })
		if took := time.Since(start); took > within {
			t.Errorf("took %v", took)
		}
	})
}

// count is how many connections there are.
func (s *Server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// stuck reports whether a connection has been writing one reply for a while.
func (s *Server) stuck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		for range 20 {
			if c.write.TryLock() {
				c.write.Unlock()
				return false
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return len(s.conns) > 0
}
