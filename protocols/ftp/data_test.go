package ftp

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/events"
)

// A stranger that comes to a passive port first neither gets the data nor keeps
// the client from it.
func TestStrangerAtPassivePort(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(s.Add("anna"))
	port := c.port()
	stranger, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", port)
	if err != nil {
		t.Fatalf("no second loopback address: %v", err)
	}
	defer stranger.Close()
	own, err := net.Dial("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	c.must(150, "RETR f")
	_ = stranger.SetDeadline(time.Now().Add(patience))
	if got, _ := io.ReadAll(stranger); len(got) > 0 {
		t.Errorf("the stranger got %q", got)
	}
	_ = own.SetDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(own); string(got) != "content" || err != nil {
		t.Errorf("the client got %q, %v", got, err)
	}
	c.expect(226)
}

// Active mode would have the gateway connect where a client says: it is off, and
// when it is on it goes to the client's own unprivileged ports only (the bounce
// attack of RFC 2577).
func TestActiveMode(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		active  bool
		want    int
	}{
		"off":                   {"PORT 127,0,0,1,200,1", false, 502},
		"extended, off":         {"EPRT |1|127.0.0.1|51201|", false, 502},
		"on":                    {"PORT 127,0,0,1,200,1", true, 200},
		"extended, on":          {"EPRT |1|127.0.0.1|51201|", true, 200},
		"another address":       {"PORT 127,0,0,2,200,1", true, 501},
		"extended, another":     {"EPRT |1|192.0.2.1|51201|", true, 501},
		"a service's port":      {"PORT 127,0,0,1,0,25", true, 501},
		"extended, a service's": {"EPRT |1|127.0.0.1|1023|", true, 501},
		"nonsense":              {"PORT 1,2,3", true, 501},
		"an unknown protocol":   {"EPRT |3|127.0.0.1|51201|", true, 522},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(config *Config) { config.Active = c.active })
			s.dial(t).login(s.Add("anna")).must(c.want, "%s", c.command)
		})
	}
}

func TestActiveTransfer(t *testing.T) {
	for _, protected := range []bool{false, true} {
		t.Run(fmt.Sprintf("protected %v", protected), func(t *testing.T) {
			s := newSite(t, func(config *Config) { config.Active = true })
			s.Write("/home/anna/f", "content")
			c := s.dial(t)
			if protected {
				c.secure(s.trust())
			}
			c.login(s.Add("anna"))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c.must(200, "EPRT |1|127.0.0.1|%d|", addrPort(l.Addr()).Port())
			c.must(150, "RETR f")
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			if got, err := io.ReadAll(c.protect(conn)); string(got) != "content" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			c.expect(226)
		})
	}
}

// A client that never makes its data connection is answered, and loses nothing.
func TestNobodyConnects(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Limits.Accept = 300 * time.Millisecond })
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(s.Add("anna"))
	c.must(425, "RETR f")
	c.port()
	c.must(425, "RETR f")
	c.must(425, "RETR f")
	if _, ok := s.Read("/home/anna/f"); !ok {
		t.Error("the file is gone")
	}
	c.port()
	c.must(425, "STOR f")
	if got, _ := s.Read("/home/anna/f"); got != "content" {
		t.Errorf("an upload that never came left %q", got)
	}
	c.must(200, "NOOP")
}

func TestAbortWhileWaiting(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(s.Add("anna"))
	c.port()
	c.send("RETR f\r\n\xff\xf4\xff\xf2ABOR\r\n")
	start := time.Now()
	if code, text := c.reply(); code != 426 && code != 425 {
		t.Errorf("RETR: %d %s", code, text)
	}
	c.expect(226)
	if took := time.Since(start); took > patience {
		t.Errorf("took %v", took)
	}
	c.must(226, "ABOR")
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("then: %q", got)
	}
}

func TestAbortUpload(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.must(150, "STOR f")
	if _, err := conn.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the half to arrive", func() bool { got, _ := s.Read("/home/anna/f"); return got == "half" })
	c.send("ABOR\r\n")
	c.expect(426)
	c.expect(226)
	wantOutcome(t, s, events.Upload, events.Aborted)
	if got, _ := s.Read("/home/anna/f"); got != "half" {
		t.Errorf("%q is left, want the half for resuming", got)
	}
}

// A client that neither sends nor takes anything would keep its session
// for ever.
func TestStalledData(t *testing.T) {
	const stall = 300 * time.Millisecond
	for _, protected := range []bool{false, true} {
		t.Run(fmt.Sprintf("protected %v", protected), func(t *testing.T) {
			protocoltest.Patiently(t, func(t testing.TB) {
				s := newSite(t, func(c *Config) { c.Limits.Stall = stall })
				s.Write("/home/anna/big", strings.Repeat("x", 32<<20))
				c := s.dial(t)
				if protected {
					c.secure(s.trust())
				}
				c.login(s.Add("anna"))
				for _, command := range []string{"RETR big", "STOR new"} {
					conn := c.data()
					start := time.Now()
					c.must(150, "%s", command)
					if protected {
						if err := c.protect(conn).(*tls.Conn).Handshake(); err != nil {
							t.Fatal(err)
						}
					}
					if text := c.expect(426); !strings.Contains(text, "progress") {
						t.Errorf("%s: %s", command, text)
					}
					if took := time.Since(start); took < stall/2 || took > patience/2 {
						t.Errorf("%s was ended after %v", command, took)
					}
				}
				c.must(200, "NOOP")
			})
		})
	}
}

// As long as something moves, however little, a transfer goes on past the limit.
func TestSlowDataGoesOn(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		const stall = 400 * time.Millisecond
		s := newSite(t, func(c *Config) { c.Limits.Stall = stall; c.Limits.Idle = stall })
		c := s.dial(t).login(s.Add("anna"))
		conn := c.data()
		c.must(150, "STOR slow")
		tick := time.NewTicker(stall / 4)
		defer tick.Stop()
		for range 12 {
			<-tick.C
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.Close()
		c.expect(226)
		if got, _ := s.Read("/home/anna/slow"); got != strings.Repeat("x", 12) {
			t.Errorf("got %q", got)
		}
		c.must(200, "NOOP")
	})
}

// A cut download must not look like a whole one.
func TestBrokenDownloadIsReset(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/big", strings.Repeat("x", 32<<20))
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.must(150, "RETR big")
	c.send("ABOR\r\n")
	c.expect(426)
	c.expect(226)
	n, err := io.Copy(io.Discard, conn)
	if err == nil {
		t.Errorf("the connection ends in order after %d bytes", n)
	}
}

func wantOutcome(t testing.TB, s *site, kind events.Kind, want string) {
	t.Helper()
	var last []events.Event
	waitFor(t, fmt.Sprintf("an event %s with outcome %s", kind, want), func() bool {
		found, _, err := s.Events.List(t.Context(), events.Query{Kind: kind, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		last = found
		return len(found) == 1 && found[0].Outcome == want
	})
	if last[0].Door != "ftp" {
		t.Errorf("the event is %+v", last[0])
	}
}

// In clear nothing but the end of the data tells that an upload is whole. Of a
// client that was killed both connections end, and what it sent is not.
func TestClientIsKilledInClear(t *testing.T) {
	s := newSite(t)
	s.SetSite(func(site *policy.Site) { site.Uploads = policy.Atomic })
	s.Write("/home/anna/f", "before")
	p := s.Add("anna")
	for range 20 {
		c := s.dial(t).login(p)
		conn := c.data()
		c.must(150, "STOR f")
		if _, err := conn.Write([]byte("some of it")); err != nil {
			t.Fatal(err)
		}
		_ = c.raw.Close()
		_ = conn.Close()
	}
	waitFor(t, "the connections to be over", func() bool { return s.server.count() == 0 })
	if got, _ := s.Read("/home/anna/f"); got != "before" {
		t.Errorf("the file is %q now", got)
	}
	wantOutcome(t, s, events.Upload, events.Aborted)
	if staged := s.Staged(); len(staged) != 0 {
		t.Errorf("staged files are left: %v", staged)
	}
}

// An upload waits for its data connection before it opens the file: where that is
// refused then, the connection ends too, and is good for no other transfer.
func TestRefusedUploadClosesData(t *testing.T) {
	s := newSite(t)
	s.Write("/box/theirs", "theirs")
	p := s.Add("anna")
	s.Grant("anna", "/box", policy.ReadOnly, "box")
	c := s.dial(t).login(p)
	conn := c.data()
	c.must(550, "STOR /box/theirs")
	drain(t, conn)
	c.must(425, "STOR /mine")
	c.put("mine", "STOR /mine")
}
