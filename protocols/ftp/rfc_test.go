package ftp

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"gatehouse/policy"
)

// talk plays dialogues: what the client says, and how the reply begins.
func (c *client) talk(turns ...[2]string) {
	c.t.Helper()
	for _, turn := range turns {
		code, text := c.cmd("%s", turn[0])
		if got := fmt.Sprintf("%d %s", code, text); !strings.HasPrefix(got, turn[1]) {
			c.t.Errorf("%s: %q, want %q", turn[0], got, turn[1])
		}
	}
}

// What a client may say, by the RFC that tells how it is answered.
func TestDialogues(t *testing.T) {
	for topic, turns := range map[string][][2]string{
		"RFC 959: what is not carried out": {
			{"TYPE E", "504"}, {"TYPE A T", "504"}, {"TYPE L 36", "504"}, {"STRU P", "504"}, {"STRU", "501"}, {"MODE C", "504"}, {"MODE", "501"},
			{"SMNT /", "502"}, {"ACCT x", "502"}, {"MAIL x", "500"}, {"\x00", "500"},
		},
		"RFC 959: HELP": {
			{"HELP", "214 Commands:\n"}, {"HELP stou", "214 Syntax: STOU [path]"}, {"HELP NOOP", "214 Syntax: NOOP"}, {"HELP XYZZY", "501"},
			{"HELP SITE", "214 Syntax: SITE CHMOD"}, {"HELP SITE CHMOD", "214 SITE commands:"}, {"SITE HELP", "214 SITE commands:"},
		},
		"RFC 959: STAT": {
			{"STAT", "211 Status:\n Logged in as anna\n Control connection: clear, data: clear\n TYPE I, MODE S, STRU F\n"},
			{"TYPE A", "200"}, {"STAT", "211 Status:\n Logged in as anna\n Control connection: clear, data: clear\n TYPE A"},
			{"STAT f", "213 Status of /f\n -rw"}, {"STAT -d d", "213 Status of /d\n drwx"}, {"STAT d", "213 Status of /d\n -rw"}, {"STAT absent", "550"},
		},
		"RFC 959: a rename is two commands in a row": {
			{"RNTO g", "503"}, {"RNFR f", "350"}, {"NOOP", "200"}, {"RNTO g", "503"}, {"RNFR f", "350"}, {"RNFR absent", "550"}, {"RNTO g", "503"},
			{"RNFR f", "350"}, {"RNTO d", "550"}, {"RNTO g", "503"}, {"RNFR f", "350"}, {"RNTO g", "250"}, {"SIZE g", "213 7"},
		},
		"RFC 959: ABOR with nothing to abort": {{"ABOR", "226"}, {"EPSV", "229"}, {"ABOR", "226"}, {"RETR f", "425"}},
		"RFC 959: ALLO":                       {{"ALLO 5", "200"}, {"ALLO 5 R 512", "200"}, {"ALLO 5 r 512", "200"}, {"ALLO 5 X", "501"}, {"ALLO 5 R", "501"}, {"ALLO x", "501"}},
		"RFC 1123: old names":                 {{"XMKD x", `257 "/x" made`}, {"XCWD x", "250"}, {"XPWD", `257 "/x"`}, {"XCUP", "250"}, {"XRMD x", "250"}},
		"RFC 2228: without a security exchange": {
			{"PBSZ 0", "503"}, {"PROT P", "503"}, {"CCC", "503"}, {"ADAT x", "503"}, {"MIC x", "502"}, {"CONF x", "502"}, {"ENC x", "502"},
			{"AUTH TLS", "503"}, // after the login
		},
		"RFC 2389: OPTS": {
			{"OPTS", "501"}, {"OPTS NONE", "501"}, {"OPTS UTF8", "200"}, {"OPTS utf8 on", "200"}, {"OPTS UTF8 OFF", "501"}, {"OPTS MLST", "200 MLST OPTS"},
			{"OPTS MLST type;SIZE;bogus;", "200 MLST OPTS type;size;"}, {"MLST f", "250 Facts of /f\n type=file;size=7; /f\n250 End"},
		},
		"RFC 2428: EPSV ALL is for good": {
			{"EPSV 3", "522"}, {"EPSV x", "501"}, {"EPSV 2", "522 Network protocol not supported, use (1)"}, {"EPSV 1", "229"}, {"EPSV all", "200"}, {"EPSV ALL", "200"},
			{"PASV", "503"}, {"PORT 127,0,0,1,200,1", "503"}, {"EPRT |1|127.0.0.1|51201|", "503"}, {"EPSV", "229"},
		},
		"RFC 2428: EPRT": {
			{"EPRT |3|127.0.0.1|51201|", "522 Network protocol not supported, use (1)"}, {"EPRT |2|::1|51201|", "522 Network protocol not supported, use (1)"},
			{"EPRT |1|::1|51201|", "501"}, {"EPRT |1|127.0.0.1|99999|", "501"}, {"EPRT |1|127.0.0.1|51201", "501"}, {"EPRT", "501"},
			{"EPRT |1|192.0.2.1|51201|", "501"}, {"EPRT !1!127.0.0.1!51201!", "200"},
		},
		"RFC 2640: LANG": {{"LANG", "200"}, {"LANG EN", "200"}, {"LANG en-GB", "200"}, {"LANG fr", "504"}},
		"RFC 3659: SIZE, MDTM and REST": {
			{"SIZE f", "213 7"}, {"SIZE d", "550"}, {"MDTM absent", "550"}, {"TYPE A", "200"}, {"SIZE f", "550 SIZE needs TYPE I"}, {"REST 1", "504"}, {"REST 0", "350"},
			{"TYPE I", "200"}, {"REST 7x", "501"}, {"REST -1", "501"}, {"REST 3", "350 Restarting at 3"},
		},
		"facts that are set": {
			{"MFMT 20200102030405 f", "213 Modify=20200102030405; /f"}, {"MDTM f", "213 20200102030405"}, {"MFMT 20200102030405.123 f", "213"},
			{"MFMT 20201302030405 f", "501"}, {"MFMT f", "501"}, {"MFMT 20200102030405", "501"},
			{"MFF Modify=20210102030405;UNIX.mode=0640; f", "213 Modify=20210102030405;UNIX.mode=0640; /f"}, {"MDTM f", "213 20210102030405"},
			{"OPTS MLST UNIX.mode;", "200"}, {"MLST f", "250 Facts of /f\n UNIX.mode=0640; /f"},
			{"MFF modify=20220102030405;size=0; f", "501"}, {"MDTM f", "213 20210102030405"}, {"MFF UNIX.mode=9; f", "501"}, {"MFF modify=20210102030405 f", "501"},
			{"MFF modify=20210102030405; absent", "550"}, {"MFF ; f", "501"}, {"MFF", "501"},
		},
		"RFC 7151: HOST after the login": {{"HOST localhost", "503"}},
		"hashes": {
			{"OPTS HASH", "200 SHA-256"}, {"HASH f", "213 SHA-256 0-6 ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73 /f"},
			{"OPTS HASH CRC-37", "501"}, {"OPTS HASH", "200 SHA-256"}, {"OPTS HASH md5", "200 MD5"}, {"HASH f", "213 MD5 0-6 9a0364b9e99bb480dd25e1f0284c8555 /f"},
			{"HASH", "501"}, {"HASH absent", "550"}, {"HASH d", "550"}, {"HASH empty", "213 MD5 0-0 d41d8cd98f00b204e9800998ecf8427e /empty"},
			{"RANG 1 3", "350 Restarting at 1, to 3"}, {"HASH f", "213 MD5 1-3 82637188694a3aa89d6cf201c08f1a33 /f"}, {"HASH f", "213 MD5 0-6"},
			{"RANG 1 3", "350"}, {"RANG 1 0", "350"}, {"HASH f", "213 MD5 0-6"}, {"RANG 1", "501"}, {"RANG x 3", "501"}, {"RANG 1 9223372036854775807", "501"},
			{"XMD5 f", "250 9A0364B9E99BB480DD25E1F0284C8555"}, {`XMD5 "f" 1 4`, "250 82637188694A3AA89D6CF201C08F1A33"}, {"XMD5 f 1 4", "250 82637188694A3AA89D6CF201C08F1A33"},
			{`XMD5 "f" 0`, "250 9A03"}, {`XMD5 "f" 8 9`, "554"}, {`XMD5 "f" 4 1`, "501"}, {`XMD5 "f" a b`, "501"}, {`XMD5 "f`, "550"}, {"XMD5", "501"},
			{"XCRC f", "250 FEC530A9"}, {"XSHA1 f", "250 040F06FD774092478D450774F5BA30C5DA78ACC8"}, {"XSHA f", "250 040F06FD"}, {"XSHA256 f", "250 ED7002B4"}, {"XSHA512 f", "250 B2D1D285"},
			{"XMD5 f 1 3 of it", "550"}, {"XMD5 f 2", "250 "},
		},
	} {
		t.Run(topic, func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.Active = true })
			s.Write("/home/anna/f", "content")
			s.Write("/home/anna/empty", "")
			s.Write("/home/anna/d/in", "x")
			s.dial(t).login(s.Add("anna")).talk(turns...)
		})
	}
}

// Before the login, and with TLS on its way, the order of commands is what
// protects (RFC 2228, 4217, 7151).
func TestOrderOfProtection(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.Hosts = []string{"files.example.org", "example.org:8443"}
		c.Public = []PublicAddress{{Address: "ftp.example.org"}}
	})
	p := s.Add("anna")
	c := s.dial(t)
	c.talk([][2]string{
		{"HOST files.example.org", "220"}, {"HOST FILES.example.org.", "220"}, {"HOST example.org", "220"}, {"HOST ftp.example.org", "220"}, {"HOST 127.0.0.1", "220"},
		{"HOST other.example.org", "504"}, {"HOST 192.0.2.1", "504"}, {"HOST [::1]", "504"}, {"HOST", "501"}, {"HOST a b", "501"},
		{"AUTH", "501"}, {"AUTH GSSAPI", "504"}, {"AUTH TLS-P", "504"}, {"PBSZ 0", "503"}, {"PROT P", "503"}, {"CCC", "503"},
		{"USER anna", "331"}, {"HOST files.example.org", "220"}, {"PASS " + p.Password, "503"}, // HOST begins anew
		{"AUTH TLS", "234"},
	}...)
	c.shake(s.trust())
	c.talk([][2]string{
		{"AUTH TLS", "503"}, {"PROT P", "503"}, {"PBSZ x", "501"}, {"PROT P", "503"}, {"PBSZ 4096", "200 PBSZ=0"}, {"PROT S", "536"}, {"PROT E", "536"}, {"PROT X", "504"},
		{"PROT P", "200"}, {"CCC", "534"}, {"USER anna", "331"}, {"PASS " + p.Password, "230"}, {"STAT", "211 Status:\n Logged in as anna\n Control connection: tls, data: protected"},
	}...)
}

// REIN puts everything back as it was at the greeting, and ends TLS after its
// reply: whether the client ends its side too, or goes on in clear at once. What
// was set, and the login, do not outlive it.
func TestREIN(t *testing.T) {
	for _, polite := range []bool{true, false} {
		t.Run(fmt.Sprintf("the client ends TLS %v", polite), func(t *testing.T) {
			s := newSite(t)
			anna, ben := s.Add("anna"), s.Add("ben")
			s.Write("/home/anna/d/f", "hers")
			s.Write("/home/ben/f", "his")
			c := s.dial(t).secure(s.trust()).login(anna)
			c.talk([2]string{"CWD d", "250"}, [2]string{"TYPE A", "200"}, [2]string{"OPTS HASH MD5", "200"}, [2]string{"REIN", "220"})
			if polite {
				_ = c.conn.(interface{ CloseWrite() error }).CloseWrite()
			}
			c.use(&afterTLS{Conn: c.raw})
			c.prot = false
			c.talk([2]string{"PWD", "530"}, [2]string{"PASS x", "503"}, [2]string{"PROT P", "503"})
			waitFor(t, "the session to end", func() bool { return len(s.Sessions.List()) == 0 })
			if n := s.server.waiting(); n != 1 {
				t.Errorf("%d strangers, want this one", n)
			}
			c.login(ben)
			c.talk([2]string{"PWD", `257 "/"`}, [2]string{"SIZE f", "213 3"}, [2]string{"OPTS HASH", "200 SHA-256"}, [2]string{"REIN", "220"})
			c.secure(s.trust()).login(anna)
			if got := c.get("RETR d/f"); got != "hers" {
				t.Errorf("after TLS once more: %q", got)
			}
			if open := s.Sessions.List(); len(open) != 1 || open[0].Transport != policy.TLS {
				t.Errorf("sessions: %+v", open)
			}
		})
	}
}

// afterTLS leaves out what the server says to end TLS, where that was not read
// with what came before.
type afterTLS struct {
	net.Conn
	begun bool
}

func (a *afterTLS) Read(b []byte) (int, error) {
	if a.begun {
		return a.Conn.Read(b)
	}
	a.begun = true
	head := make([]byte, recordHead)
	n, err := io.ReadFull(a.Conn, head)
	if err != nil || !startsRecord(head[0]) {
		return copy(b, head[:n]), err
	}
	if _, err := io.CopyN(io.Discard, a.Conn, int64(head[3])<<8|int64(head[4])); err != nil {
		return 0, err
	}
	return a.Conn.Read(b)
}

// Commands that came in under TLS behind REIN are nobody's: they are not carried
// out as if they had come in clear from whoever logs in next.
func TestCommandsBehindREIN(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).secure(s.trust()).login(s.Add("anna"))
	c.send("REIN\r\nNOOP\r\nNOOP\r\n")
	c.expect(220)
	waitFor(t, "the connection to be over", func() bool { return s.server.count() == 0 })
}

// On a listener that speaks TLS from the start TLS stays.
func TestREINWithImplicitTLS(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Mode = Implicit })
	p := s.Add("anna")
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(p)
	c.talk([2]string{"REIN", "220"}, [2]string{"PWD", "530"})
	c.login(p)
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("got %q", got)
	}
}

// FEAT has a line for each feature, and no other (RFC 2389, 3.2).
func TestFEAT(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Active = true })
	c := s.dial(t)
	want := "Features:\n UTF8\n EPSV\n PASV\n SIZE\n MDTM\n MFMT\n MFF Modify;UNIX.mode;\n REST STREAM\n RANG STREAM\n TVFS\n AVBL\n CLNT\n HOST\n LANG EN*\n" +
		" EPRT\n AUTH TLS\n PBSZ\n PROT\n MLST type*;size*;modify*;perm*;unique*;UNIX.mode*;\n HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32;\n" +
		" XCRC\n XMD5\n XSHA\n XSHA1\n XSHA256\n XSHA512\n211 End"
	if got := c.must(211, "FEAT"); got != want {
		t.Errorf("FEAT:\n%s\nwant\n%s", got, want)
	}
}
