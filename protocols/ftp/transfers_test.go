package ftp

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/events"
)

// STOU finds a name that nobody has, tells it before the data goes (RFC 1123,
// 4.1.2.9), and never touches what is there.
func TestStoreUnique(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "there")
	s.Write("/home/anna/f.1", "there too")
	s.Write("/box/theirs", "theirs")
	p := s.Add("anna")
	s.Grant("anna", "/box", policy.UploadOnly, "box")
	c := s.dial(t).login(p)
	for _, step := range []struct{ command, name, full string }{
		{"STOU f", "f.2", "/home/anna/f.2"}, {"STOU g", "g", "/home/anna/g"}, {"STOU", "upload", "/home/anna/upload"}, {"STOU", "upload.1", "/home/anna/upload.1"},
		{"STOU /box/theirs", "theirs.1", "/box/theirs.1"},
	} {
		conn := c.data()
		if got := c.must(150, "%s", step.command); got != "FILE: "+step.name {
			t.Errorf("%s: 150 %s", step.command, got)
		}
		_, _ = io.WriteString(conn, "new")
		_ = conn.Close()
		if got := c.expect(226); !strings.HasSuffix(got, "FILE: "+step.name) {
			t.Errorf("%s: 226 %s", step.command, got)
		}
		if got, _ := s.Read(step.full); got != "new" {
			t.Errorf("%s made %q", step.command, got)
		}
	}
	for name, want := range map[string]string{"/home/anna/f": "there", "/home/anna/f.1": "there too", "/box/theirs": "theirs"} {
		if got, _ := s.Read(name); got != want {
			t.Errorf("%s is %q now", name, got)
		}
	}
	c.must(350, "REST 3")
	if code, _ := c.store("x", "STOU f"); code != 554 {
		t.Errorf("at an offset: %d", code)
	}
	c.must(226, "ABOR") // gives up the data connection
	c.must(425, "STOU f")
}

// TYPE A changes line ends and nothing else, wherever a piece happens to end, and
// the quota counts what is stored.
func TestTextTransfers(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	lines := strings.Repeat(strings.Repeat("x", 997)+"\n", 3000)
	s.SetQuota("/home/anna", int64(len(lines)), -1)
	c := s.dial(t).login(p)
	c.must(200, "TYPE A")
	c.put(strings.ReplaceAll(lines, "\n", "\r\n"), "STOR f")
	if got, _ := s.Read("/home/anna/f"); got != lines {
		t.Errorf("%d bytes are stored, want %d", len(got), len(lines))
	}
	if got := c.get("RETR f"); got != strings.ReplaceAll(lines, "\n", "\r\n") {
		t.Errorf("%d bytes came back", len(got))
	}
	if code, _ := c.store("\r\n", "APPE f"); code != 552 {
		t.Errorf("a line more than there is room for: %d", code)
	}
	c.must(250, "DELE f")
	for sent, stored := range map[string]string{"a\r\nb": "a\nb", "a\rb\r": "a\rb\r", "\r\r\n\n": "\r\n\n", "": ""} {
		c.put(sent, "STOR f")
		if got, _ := s.Read("/home/anna/f"); got != stored {
			t.Errorf("%q is stored as %q, want %q", sent, got, stored)
		}
	}
	s.Write("/home/anna/f", "a\nb\r\nc\rd\n\n")
	if got := c.get("RETR f"); got != "a\r\nb\r\nc\rd\r\n\r\n" {
		t.Errorf("sent as %q", got)
	}
	c.must(200, "TYPE I")
	if got := c.get("RETR f"); got != "a\nb\r\nc\rd\n\n" {
		t.Errorf("in binary: %q", got)
	}
}

// RANG asks for a part of a file, once.
func TestRanges(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "0123456789")
	c := s.dial(t).login(s.Add("anna"))
	for _, r := range [][2]string{{"2 4", "234"}, {"0 0", "0"}, {"8 100", "89"}, {"10 11", ""}, {"5 4", "0123456789"}} {
		c.must(350, "RANG %s", r[0])
		if got := c.get("RETR f"); got != r[1] {
			t.Errorf("%s: %q, want %q", r[0], got, r[1])
		}
		if got := c.get("RETR f"); got != "0123456789" {
			t.Errorf("after %s: %q", r[0], got)
		}
	}
	c.must(350, "RANG 11 12")
	if _, code, _ := c.fetch("RETR f"); code != 554 {
		t.Errorf("behind the end: %d", code)
	}
	c.must(350, "RANG 2 4")
	c.must(503, "STOR f")
	c.must(350, "REST 2")
	c.must(350, "RANG 5 6")
	if got := c.get("RETR f"); got != "56" {
		t.Errorf("the last of REST and RANG: %q", got)
	}
}

// ABOR breaks off what runs, with a reply for it and one for ABOR, however it
// comes: with Telnet's IP and Synch before it, the last byte of which is urgent
// (RFC 959, 4.1.3), and under TLS. The session goes on.
func TestAbort(t *testing.T) {
	for name, send := range map[string]func(c *client){
		"plain":            func(c *client) { c.send("ABOR\r\n") },
		"behind IP, Synch": func(c *client) { c.send("\xff\xf4\xff\xf2ABOR\r\n") },
		"with urgent data": func(c *client) {
			c.send("\xff\xf4\xff")
			urgent(c.t, c.raw.(*net.TCPConn), "\xf2")
			c.send("ABOR\r\n")
		},
		"its end urgent": func(c *client) { // as Python sends it
			c.send("ABOR\r")
			urgent(c.t, c.raw.(*net.TCPConn), "\n")
		},
		"protected": func(c *client) { c.send("ABOR\r\n") },
	} {
		for _, command := range []string{"RETR big", "STOR new", "LIST"} {
			t.Run(name+" "+command, func(t *testing.T) {
				if strings.Contains(name, "urgent") && runtime.GOOS != "linux" {
					t.Skip("the test knows urgent data of Linux only")
				}
				s := newSite(t)
				s.Write("/home/anna/big", strings.Repeat("x", 32<<20))
				c := s.dial(t)
				if name == "protected" {
					c.secure(s.trust())
				}
				c.login(s.Add("anna"))
				if command == "LIST" { // a client that never comes for it
					c.port()
					c.send("LIST\r\n")
				} else {
					conn := c.data()
					c.must(150, "%s", command)
					if c.prot {
						if err := c.protect(conn).(*tls.Conn).Handshake(); err != nil {
							t.Fatal(err)
						}
					}
				}
				send(c)
				c.expect(426)
				c.expect(226)
				c.must(200, "NOOP")
				if got := c.get("NLST big"); got != "big\r\n" {
					t.Errorf("the next transfer: %q", got)
				}
			})
		}
	}
}

// urgent sends a byte out of band.
func urgent(t testing.TB, c *net.TCPConn, b string) {
	t.Helper()
	sc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sent error
	if err := sc.Write(func(fd uintptr) bool {
		sent = syscall.Sendto(int(fd), []byte(b), syscall.MSG_OOB, nil)
		return true
	}); err != nil || sent != nil {
		t.Fatal(err, sent)
	}
}

// A hash takes as long as its file is large: it is broken off like a transfer,
// counted like a download, and never shows what may not be read.
func TestHashing(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Hashes = NewHashes(1) })
	s.Write("/home/anna/f", "content")
	s.Write("/box/theirs", "theirs")
	p := s.Add("anna")
	s.Grant("anna", "/box", policy.UploadOnly, "box")
	c := s.dial(t).login(p)
	c.must(550, "HASH /box/theirs")
	c.must(550, "XMD5 /box/theirs")
	c.must(213, "HASH f")
	wantOutcome(t, s, events.Download, events.OK)
	leave := occupy(t, s.config.Hashes, "somebody else") // does not come to its end
	c.must(550, "HASH /box/theirs")                      // without waiting for it
	c.send("HASH f\r\nSTAT\r\nABOR\r\n")
	if text := c.expect(211); !strings.Contains(text, "HASH is running") {
		t.Errorf("STAT: %s", text)
	}
	c.expect(426)
	c.expect(226)
	leave()
	c.must(213, "HASH f")
	occupy(t, s.config.Hashes, "somebody else")
	c.send("HASH f\r\n")
	waitFor(t, "the hash to wait", func() bool { return s.server.transferring() == 1 })
	s.Disable("anna")
	c.gone(patience)
}

// NLST and LIST take the options of ls that clients send, and know -d; a name
// that begins with a dash is written ./-name.
func TestListingOptions(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/d/in", "")
	s.Write("/home/anna/d/.hidden", "")
	s.Write("/home/anna/-l", "")
	c := s.dial(t).login(s.Add("anna"))
	for command, want := range map[string]string{
		"NLST -la d": "d/.hidden\r\nd/in\r\n", "NLST -a d": "d/.hidden\r\nd/in\r\n", "NLST -1 -F d": "d/.hidden\r\nd/in\r\n", "NLST -d d": "d\r\n", "NLST -la": "-l\r\nd\r\n",
		"NLST ./-l": "./-l\r\n", "NLST d/": "d/.hidden\r\nd/in\r\n", "NLST": "-l\r\nd\r\n",
	} {
		got := strings.SplitAfter(c.get("%s", command), "\r\n")
		for _, line := range strings.SplitAfter(want, "\r\n") {
			if strings.Count(strings.Join(got, ""), line) != strings.Count(want, line) || len(got) != strings.Count(want, "\n")+1 {
				t.Errorf("%s: %q, want %q", command, got, want)
			}
		}
	}
	for command, n := range map[string]int{"LIST -la d": 2, "LIST -l -a d": 2, "LIST -d d": 1, "LIST -al": 2} {
		if got := c.get("%s", command); strings.Count(got, "\r\n") != n {
			t.Errorf("%s: %q, want %d lines", command, got, n)
		}
	}
}

// Each way a protected connection ends in order: the server answers the client's
// close_notify of an upload with its own, and sends one behind a download.
func TestProtectedUploadEndsInOrder(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := newSite(t)
			config := s.trust()
			config.MaxVersion = version
			c := s.dial(t).secure(config).login(s.Add("anna"))
			conn := c.data()
			c.must(150, "STOR f")
			secure := tls.Client(unended{conn}, c.tls)
			if _, err := io.WriteString(secure, "content"); err != nil {
				t.Fatal(err)
			}
			if err := secure.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := secure.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the server's side ends with %v", err)
			}
			c.expect(226)
			if got, _ := s.Read("/home/anna/f"); got != "content" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Large transfers over TLS come through whole, in both directions.
func TestLargeProtectedTransfers(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).secure(s.trust()).login(s.Add("anna"))
	for _, n := range []int{1, 16 << 10, 256<<10 - 1, 256 << 10, 264 << 10, 3<<20 + 7} {
		content := someBytes(n)
		c.put(content, "STOR f")
		if got := c.get("RETR f"); got != content {
			t.Errorf("%d bytes came back as %d others", n, len(got))
		}
	}
}

// The listing of a folder streams: while a client takes it slowly it stands
// nowhere as a whole, over data as in the reply of STAT.
func TestStatStreams(t *testing.T) {
	s := newSite(t)
	const n = 12_000
	for i := range n {
		s.Write(fmt.Sprintf("/home/anna/d/file-%05d", i), "")
	}
	c := s.dial(t).login(s.Add("anna"))
	if got := strings.Count(c.must(213, "STAT d"), "\n"); got != n+1 {
		t.Errorf("%d lines, want %d", got, n+1)
	}
}
