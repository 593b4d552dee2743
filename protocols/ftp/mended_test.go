package ftp

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/protocols/ftp/data"
)

// Whoever reaches a passive port first, or a client that cannot resume, must not
// empty the file that was to be replaced.
func TestFailedHandshakeKeepsTheFile(t *testing.T) {
	for _, uploads := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		t.Run(string(uploads), func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.Resumption = true })
			s.SetSite(func(site *policy.Site) { site.Uploads = uploads })
			s.Write("/home/anna/f", "precious")
			c := s.dial(t).secure(s.trust()).login(s.Add("anna"))
			conn := c.data()
			c.must(150, "STOR f")
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			c.expect(522)
			conn = c.data()
			c.must(150, "STOR f")
			_ = tls.Client(conn, s.trust()).Handshake()
			c.expect(522)
			if got, _ := s.Read("/home/anna/f"); got != "precious" {
				t.Errorf("the file is %q now", got)
			}
			s.SetQuota("/home/anna", 9, -1)
			c.put("x", "STOR f") // and nothing of the old behind it
			c.put("123456789", "STOR f")
			if got, _ := s.Read("/home/anna/f"); got != "123456789" {
				t.Errorf("the file is %q after an upload", got)
			}
			c.put("x", "STOR f")
			c.put("new", "STOR g")
			if got, _ := s.Read("/home/anna/f"); got != "x" {
				t.Errorf("the file is %q after a shorter upload", got)
			}
		})
	}
}

// One account with many sessions that connects to none of its passive ports keeps
// nobody else from one.
func TestOneAccountDoesNotKeepAllPorts(t *testing.T) {
	const n = 3
	first := freeRange(t, n)
	s := newSite(t, func(c *Config) { c.Ports = data.NewPorts(first, first+n-1) })
	s.Write("/home/anna/f", "content")
	mallory := s.Add("mallory")
	var sessions []*client
	for range n {
		c := s.dial(t).login(mallory)
		c.port()
		sessions = append(sessions, c)
	}
	s.dial(t).login(mallory).must(425, "EPSV")
	anna := s.dial(t).login(s.Add("anna"))
	waitFor(t, "a port for somebody else", func() bool {
		code, _ := anna.cmd("EPSV")
		return code == 229
	})
	if got := anna.get("RETR f"); got != "content" {
		t.Errorf("got %q", got)
	}
	sessions[0].must(425, "LIST")
}

// Plain FTP that is withdrawn ends what moves in clear below a protected control
// connection too, not only what begins later.
func TestWithdrawnPlainFTPCutsClearData(t *testing.T) {
	for _, command := range []string{"RETR big", "STOR new"} {
		t.Run(command, func(t *testing.T) {
			s := newSite(t)
			s.Write("/home/anna/big", strings.Repeat("x", 64<<20))
			c := s.dial(t).secure(s.trust()).login(s.Add("anna"))
			c.must(200, "PROT C")
			conn := c.data()
			c.must(150, "%s", command)
			s.SetSite(func(site *policy.Site) { site.PlainFTP = policy.Deny })
			c.expect(426)
			drain(t, conn)
			c.must(200, "NOOP")
		})
	}
}

// ABOR is seen behind commands that wait for the transfer, and those are answered
// behind it.
func TestAbortBehindAnotherCommand(t *testing.T) {
	for name, protected := range map[string]bool{"in clear": false, "protected": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.Write("/home/anna/big", strings.Repeat("x", 64<<20))
			c := s.dial(t)
			if protected {
				c.secure(s.trust())
			}
			c.login(s.Add("anna"))
			c.data()
			c.must(150, "RETR big")
			c.send("NOOP\r\nSIZE big\r\n")
			c.send("\xff\xf4\xff\xf2ABOR\r\n")
			c.expect(426)
			if text := c.expect(226); text != "Aborted" {
				t.Errorf("ABOR: %s", text)
			}
			c.expect(200)
			c.expect(213)
			c.must(221, "QUIT")
		})
	}
}

// What is sent behind a transfer waits in bounds, in its order, and every command
// is answered.
func TestManyCommandsBehindATransfer(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.must(150, "STOR f")
	const n = 3 * mostAhead / eachAhead
	c.send(strings.Repeat("NOOP\r\n", n) + "SYST\r\n")
	_, _ = io.WriteString(conn, "content")
	_ = conn.Close()
	c.expect(226)
	for range n {
		c.expect(200)
	}
	c.expect(215)
}

// STAT that was sent together with a transfer is answered behind its 150.
func TestStatusBehindTheBeginning(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/big", strings.Repeat("x", 64<<20))
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.send("RETR big\r\nSTAT\r\nNOOP\r\n")
	c.expect(150)
	if text := c.expect(211); !strings.Contains(text, "RETR is running") {
		t.Errorf("STAT: %s", text)
	}
	_ = conn.Close()
	c.expect(426)
	c.expect(200)
}

// A server that ends begins no transfer any more.
func TestNoTransferBeginsWhileTheServerEnds(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(s.Add("anna"))
	c.data()
	s.server.mu.Lock()
	for conn := range s.server.conns {
		if !conn.drain() {
			t.Error("it is taken for busy")
		}
	}
	s.server.mu.Unlock()
	c.must(421, "RETR f")
	c.gone(patience)
}

// A client that ends its sending side behind a transfer has its file and its
// answer, with no command behind it either.
func TestHalfClosedClientHearsTheAnswer(t *testing.T) {
	s := newSite(t)
	content := strings.Repeat("x", 32<<20)
	s.Write("/home/anna/f", content)
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.send("RETR f\r\n")
	if err := c.raw.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.expect(150)
	if got, err := io.ReadAll(conn); err != nil || got == nil || len(got) != len(content) {
		t.Errorf("%d of %d bytes came, %v", len(got), len(content), err)
	}
	c.expect(226)
	c.gone(patience)
}

// A client that is gone keeps no session for the two minutes in which a transfer
// may stand still, whatever it sent behind that.
func TestGoneClientDoesNotKeepAStalledTransfer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no other system tells of a client that is gone and not read")
	}
	for name, behind := range map[string]string{"nothing": "", "NOOP": "NOOP\r\n", "more than is read": strings.Repeat("NOOP\r\n", 2*mostAhead/eachAhead)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.Write("/home/anna/big", strings.Repeat("x", 64<<20))
			c := s.dial(t).login(s.Add("anna"))
			c.data() // stays open until the test is over
			c.must(150, "RETR big")
			c.send(behind)
			_ = c.raw.Close()
			waitFor(t, "the connection to be over", func() bool { return s.server.count() == 0 })
		})
	}
}

// An offset that was set for bytes must not cut lines: TYPE A forgets it.
func TestTypeAForgetsOffsets(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "a\nb\n")
	c := s.dial(t).login(s.Add("anna"))
	for _, offset := range []string{"REST 2", "RANG 1 2"} {
		c.must(200, "TYPE I")
		c.must(350, "%s", offset)
		c.must(200, "TYPE A")
		if got := c.get("RETR f"); got != "a\r\nb\r\n" {
			t.Errorf("%s: %q", offset, got)
		}
	}
}

// An APPE that is given up before its data connection leaves no file.
func TestAppendThatNeverCame(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	c.port()
	c.send("APPE f\r\nABOR\r\n")
	c.reply()
	c.expect(226)
	if _, made := s.Read("/home/anna/f"); made {
		t.Error("there is a file")
	}
}

// ALLO knows no target: the folder of the upload says whether there is room.
func TestALLOIsJudgedWhereTheFileGoes(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	s.Mkdir("/team")
	s.Grant("anna", "/team", policy.Full, "team")
	s.SetQuota("/home/anna", 10, -1)
	c := s.dial(t).login(p)
	c.must(200, "ALLO 1000")
	c.put(strings.Repeat("x", 1000), "STOR team/f")
	c.must(200, "ALLO 1000")
	if code, _ := c.store("x", "STOR f"); code != 552 {
		t.Errorf("announced beyond the quota: %d", code)
	}
}

// REIN forgets the name that a client gave itself: the next account is another's.
func TestREINForgetsTheClient(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	c.must(200, "CLNT hers")
	c.must(220, "REIN")
	c.login(s.Add("ben"))
	for _, open := range s.Sessions.List() {
		if open.Account == "ben" && open.Client != "" {
			t.Errorf("ben's session is of %q", open.Client)
		}
	}
}

// What is refused says how it is done, and nothing is said to be done that is not.
func TestRefusalsOfSmallThings(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/d/in", "x")
	c := s.dial(t)
	c.talk([2]string{"AUTH SSL", "504 Use AUTH TLS"}, [2]string{"\u017ftat", "500"})
	c.secure(s.trust()).login(s.Add("anna"))
	c.talk([2]string{"PROT", "501"}, [2]string{"SITE CHMOD 7777 d", "504"}, [2]string{"MFF UNIX.mode=4755; d", "504"}, [2]string{"SITE CHMOD 755 d", "200"},
		[2]string{"NLST zz\r/../d", "553"})
	for verb := range strings.FieldsSeq(c.must(214, "HELP")) {
		if verb == "ACCT" || verb == "SMNT" || verb == "PORT" || verb == "MIC" {
			t.Errorf("HELP offers %s", verb)
		}
	}
	if got := c.get("LIST --sort=dead d"); !strings.HasSuffix(got, " in\r\n") {
		t.Errorf("an option in words: %q", got)
	}
	c.send(strings.Repeat("a", 1<<17)) // which no reset drowns
	c.expect(421)
}
