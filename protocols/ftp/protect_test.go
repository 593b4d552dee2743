package ftp

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/events"
)

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
		got, err := io.ReadAll(tls.Client(unended{conn}, c.tls))
		if string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		c.expect(226)
	}
}

// Whether data is protected is decided when it moves: PASV, PROT P and RETR
// in this order would send it in clear otherwise, and pass for protected.
func TestProtectionAfterPASV(t *testing.T) {
	s := newSite(t)
	s.SetSite(func(site *policy.Site) { site.PlainFTP = policy.Deny })
	s.Write("/home/anna/f", "content")
	c := s.dial(t)
	c.must(234, "AUTH TLS")
	c.shake(s.trust())
	c.login(s.Add("anna"))
	c.must(503, "PROT P") // before PBSZ
	c.must(200, "PBSZ 0")
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

// A client that keeps the ticket of an earlier login for all it does may go on
// with it, once it has resumed its control connection with it.
func TestResumptionWithAnOldTicket(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Resumption = true })
	s.Write("/home/anna/f", "content")
	p := s.Add("anna")
	config := s.trust()
	config.MaxVersion = tls.VersionTLS12
	config.ClientSessionCache = &firstTicket{}
	for _, resumed := range []bool{false, true} {
		c := s.dial(t).secure(config).login(p)
		if got := c.conn.(*tls.Conn).ConnectionState().DidResume; got != resumed {
			t.Fatalf("the control connection was resumed: %v, want %v", got, resumed)
		}
		if got := c.get("RETR f"); got != "content" {
			t.Errorf("control connection resumed %v: %q", resumed, got)
		}
		c.must(221, "QUIT")
	}
}

// firstTicket keeps the first ticket it is given.
type firstTicket struct{ first *tls.ClientSessionState }

func (f *firstTicket) Get(string) (*tls.ClientSessionState, bool) { return f.first, f.first != nil }

func (f *firstTicket) Put(_ string, s *tls.ClientSessionState) {
	if f.first == nil {
		f.first = s
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

// unended is a socket whose bare end is an error, to see whether TLS ended first.
type unended struct{ net.Conn }

func (u unended) Read(b []byte) (int, error) {
	n, err := u.Conn.Read(b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
