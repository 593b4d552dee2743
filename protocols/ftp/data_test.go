package ftp

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/events"
)

// A stranger that comes to a passive port first neither gets the data nor keeps
// the client from it: the library would fail the transfer.
func TestStrangerAtPassivePort(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(s.Add("anna"))
	port := c.port()
	stranger, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", port)
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
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

// The library holds a lock while it waits for a data connection: ABOR, and a
// client that never connects, must be answered all the same.
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
	if took := time.Since(start); took > 5*time.Second {
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

// A client that neither sends nor takes anything would keep its session, and in
// the library for ever.
func TestStalledData(t *testing.T) {
	const stall = 300 * time.Millisecond
	for _, protected := range []bool{false, true} {
		t.Run(fmt.Sprintf("protected %v", protected), func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.Limits.Stall = stall })
			s.Write("/home/anna/big", strings.Repeat("x", 32<<20))
			c := s.dial(t)
			if protected {
				c.secure(s.trust())
			}
			c.login(s.Add("anna"))
			for _, command := range []string{"RETR big", "STOR new"} {
				conn := c.data()
				c.must(150, "%s", command)
				if protected {
					if err := c.protect(conn).(*tls.Conn).Handshake(); err != nil {
						t.Fatal(err)
					}
				}
				start := time.Now()
				if text := c.expect(426); !strings.Contains(text, "progress") {
					t.Errorf("%s: %s", command, text)
				}
				if took := time.Since(start); took < stall/2 || took > patience/2 {
					t.Errorf("%s was ended after %v", command, took)
				}
			}
			c.must(200, "NOOP")
		})
	}
}

// As long as something moves, however little, a transfer goes on past the limit.
func TestSlowDataGoesOn(t *testing.T) {
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
}

// Without close_notify somebody on the way may have ended an upload early. Go
// takes the end of a connection between two records for a good one.
func TestTruncatedUpload(t *testing.T) {
	for _, uploads := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s %s", uploads, tls.VersionName(version)), func(t *testing.T) {
				s := newSite(t)
				s.SetSite(func(site *policy.Site) { site.Uploads = uploads })
				s.Write("/home/anna/f", "before")
				config := s.trust()
				config.MaxVersion = version
				c := s.dial(t).secure(config).login(s.Add("anna"))
				conn := c.data()
				c.must(150, "STOR f")
				if _, err := c.protect(conn).Write([]byte("some of it")); err != nil {
					t.Fatal(err)
				}
				_ = conn.CloseWrite()
				c.expect(426)
				wantOutcome(t, s, events.Upload, events.Aborted)
				want := map[policy.Uploads]string{policy.InPlace: "some of it", policy.Atomic: "before"}[uploads]
				if got, _ := s.Read("/home/anna/f"); got != want {
					t.Errorf("%q is left, want %q", got, want)
				}
				if staged := s.Staged(); len(staged) != 0 {
					t.Errorf("staged files are left: %v", staged)
				}
			})
		}
	}
}

// A protected download ends with close_notify, so that the client can tell.
func TestDownloadEndsInOrder(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	s.Write("/home/anna/empty", "")
	c := s.dial(t).secure(s.trust()).login(s.Add("anna"))
	for name, want := range map[string]string{"f": "content", "empty": ""} {
		conn := c.data()
		c.must(150, "RETR %s", name)
		got, err := io.ReadAll(tls.Client(unended{conn, new(atomic.Int64)}, c.tls))
		if string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		c.expect(226)
	}
}

// Whether data is protected is decided when it moves: in the library PASV, PROT P
// and RETR in this order send it in clear and pass for protected.
func TestProtectionAfterPASV(t *testing.T) {
	s := newSite(t)
	s.SetSite(func(site *policy.Site) { site.PlainFTP = policy.Deny })
	s.Write("/home/anna/f", "content")
	c := s.dial(t)
	c.must(234, "AUTH TLS")
	c.shake(s.trust())
	c.login(s.Add("anna"))
	conn := c.data()
	c.must(521, "RETR f")
	c.must(521, "LIST")
	c.must(521, "STOR new")
	c.must(200, "PROT P")
	c.must(150, "RETR f")
	c.prot = true
	if got, err := io.ReadAll(c.protect(conn)); string(got) != "content" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	c.expect(226)
	c.must(534, "PROT C")
	c.must(534, "CCC")
	c.must(536, "PROT S")
	c.must(504, "PROT X")
	if _, made := s.Read("/home/anna/new"); made {
		t.Error("the refused upload made a file")
	}
}

// Who may use FTP in clear may protect the control connection alone; and when
// that right is taken back, the next transfer is refused.
func TestClearDataBelowTLS(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t)
	c.must(503, "PBSZ 0")
	c.must(503, "PROT P")
	c.secure(s.trust()).login(s.Add("anna"))
	c.must(200, "PROT C")
	c.prot = false
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("got %q", got)
	}
	s.SetSite(func(site *policy.Site) { site.PlainFTP = policy.Deny })
	waitFor(t, "the change to be known", func() bool {
		_, code, _ := c.fetch("RETR f")
		return code == 521
	})
}

// A handshake that does not come about does not end in success.
func TestDataWithoutHandshake(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t).secure(s.trust()).login(s.Add("anna"))
	for _, command := range []string{"RETR f", "STOR new", "LIST"} {
		conn := c.data()
		c.must(150, "%s", command)
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		_ = conn.CloseWrite()
		if code, text := c.reply(); code != 522 {
			t.Errorf("%s: %d %s", command, code, text)
		}
	}
	if got, made := s.Read("/home/anna/new"); made && got != "" {
		t.Errorf("the upload left %q", got)
	}
}

// Where resumption is required, nobody at the client's address can take a data
// connection: neither with a new session, nor with one of their own login.
func TestResumptionIsRequired(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.Resumption = true })
			s.Write("/home/anna/f", "content")
			anna, ben := s.Add("anna"), s.Add("ben")
			trust := func() *tls.Config {
				config := s.trust()
				config.MaxVersion = version
				return config
			}
			other := s.dial(t).secure(trust()).login(ben)
			_ = other.get("LIST")
			c := s.dial(t).secure(trust()).login(anna)
			for _, turn := range []string{"first", "second", "third"} {
				if got := c.get("RETR f"); got != "content" {
					t.Errorf("the %s transfer: %q", turn, got)
				}
			}
			c.must(221, "QUIT")
			again := s.dial(t).secure(c.tls).login(anna) // resumes the control connection
			if !again.conn.(*tls.Conn).ConnectionState().DidResume {
				t.Error("the control connection was not resumed")
			}
			if got := again.get("RETR f"); got != "content" {
				t.Errorf("after a resumed control connection: %q", got)
			}
			again.tls = trust()
			if _, code, _ := again.fetch("RETR f"); code != 522 {
				t.Errorf("with a new session: %d", code)
			}
			again.tls = other.tls
			if got, code, _ := again.fetch("RETR f"); code != 522 || strings.Contains(got, "content") {
				t.Errorf("with a session of another login: %q, %d", got, code)
			}
		})
	}
}

// Where it is not required, a session of another login is not resumed either.
func TestSessionsAreBound(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	other := s.dial(t).secure(s.trust()).login(s.Add("ben"))
	c := s.dial(t).secure(s.trust()).login(s.Add("anna"))
	for who, config := range map[string]*tls.Config{"own": c.tls, "other": other.tls} {
		conn := c.data()
		c.must(150, "RETR f")
		secure := tls.Client(conn, config)
		if _, err := io.ReadAll(secure); err != nil {
			t.Fatal(err)
		}
		if got := secure.ConnectionState().DidResume; got != (who == "own") {
			t.Errorf("with the %s session: resumed %v", who, got)
		}
		c.expect(226)
	}
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

func wantOutcome(t *testing.T, s *site, kind events.Kind, want string) {
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
