package ftp

import (
	"strconv"
	"strings"
	"testing"

	"gatehouse/auth/session"
	"gatehouse/policy"
)

// What is not carried out is not answered with success, and what is told of the
// server holds.
func TestCommands(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	s.Write("/home/anna/f", "content")
	s.Mkdir("/home/anna/d")
	c := s.dial(t).login(p)
	for _, step := range []struct {
		command string
		want    int
	}{
		{"NOOP", 200}, {"noop", 200}, {"SYST", 215}, {"HELP", 214}, {"FEAT", 211}, {"STAT", 211}, {"CLNT me", 200},
		{"OPTS UTF8 ON", 200}, {"OPTS UTF8 OFF", 501}, {"OPTS HASH", 200}, {"OPTS X", 501},
		{"TYPE I", 200}, {"TYPE A N", 200}, {"TYPE E", 504}, {"TYPE L 8", 200}, {"TYPE", 504},
		{"MODE S", 200}, {"MODE Z", 504}, {"MODE B", 504}, {"STRU F", 200}, {"STRU R", 504},
		{"STOU", 425}, {"ACCT x", 502}, {"SMNT /", 502}, {"HOST a", 503}, {"LANG de", 504},
		{"HASH f", 213}, {"COMB a b", 500}, {"XYZZY", 500}, {"XQUIT", 500}, {"", 500},
		{"DELE", 501}, {"RMD", 501}, {"MKD", 501}, {"CWD", 501}, {"RETR", 501}, {"STOR", 501}, {"RNFR", 501}, {"SIZE", 501},
		{"SIZE f", 213}, {"SIZE d", 550}, {"SIZE absent", 550}, {"MDTM f", 213}, {"MDTM absent", 550}, {"MLST f", 250},
		{"MFMT 20200102030405 f", 213}, {"MFMT 2020 f", 501}, {"MFMT 20201302030405 f", 501}, {"MFMT 20200102030405 absent", 550},
		{"SITE CHMOD 600 f", 200}, {"SITE CHMOD 999 f", 501}, {"SITE CHMOD 600", 501}, {"SITE CHMOD", 501}, {"SITE CHMOD 600 absent", 550},
		{"SITE CHOWN 0 f", 504}, {"SITE SYMLINK f g", 504}, {"SITE MKDIR x", 504}, {"SITE RMDIR d", 504}, {"SITE EXEC id", 504}, {"SITE", 504},
		{"REST 3", 350}, {"REST -3", 501}, {"REST x", 501}, {"REST 99999999999999999999", 501},
		{"ALLO 10", 200}, {"ALLO 10 R 5", 200}, {"ALLO -1", 501}, {"ALLO", 501},
		{"AVBL", 213}, {"AVBL d", 213}, {"AVBL f", 550}, {"AVBL absent", 550},
		{"EPSV 1", 229}, {"EPSV 2", 522}, {"EPSV 3", 522}, {"EPSV three", 501}, {"PASV", 227}, {"EPSV ALL", 200}, {"PASV", 503}, {"EPSV", 229},
		{"RNTO x", 503}, {"RNFR absent", 550}, {"RNTO x", 503}, {"RNFR f", 350}, {"NOOP", 200}, {"RNTO x", 503},
		{"RNFR f", 350}, {"RNTO g", 250}, {"RNTO h", 503}, {"RNFR g", 350}, {"RNTO f", 250},
		{"MKD d", 550}, {"MKD n", 257}, {"MKD absent/n", 550}, {"RMD f", 550}, {"DELE d", 550}, {"DELE absent", 550},
		{"RMD n", 250}, {"XMKD n", 257}, {"XCWD n", 250}, {"XPWD", 257}, {"XCUP", 250}, {"XRMD n", 250},
		{"RMD /", 550}, {"DELE f", 250}, {"ABOR", 226}, {"QUIT", 221},
	} {
		if code, text := c.cmd("%s", step.command); code != step.want {
			t.Errorf("%s: %d %s, want %d", step.command, code, text, step.want)
		}
	}
}

// Before the login nothing is told but what is needed for one.
func TestBeforeTheLogin(t *testing.T) {
	s := newSite(t)
	c := s.dial(t)
	for verb, cmd := range s.server.commands {
		if cmd.open {
			continue
		}
		if code, text := c.cmd("%s x", verb); code != 530 {
			t.Errorf("%s: %d %s", verb, code, text)
		}
	}
}

// The greeting tells no version, and FEAT only what is there.
func TestWhatIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(*Config)
		with, without []string
	}{
		"all":    {func(c *Config) { c.Active = true }, []string{"AUTH TLS", "PBSZ", "PROT", "EPRT", "EPSV", "UTF8", "MLST type*;size*;modify*;", "REST STREAM", "MFMT", "AVBL", "TVFS"}, nil},
		"no TLS": {func(c *Config) { c.Require = Off }, []string{"SIZE", "MDTM"}, []string{"AUTH", "PROT", "EPRT"}},
	} {
		s := newSite(t, c.change)
		conn := s.dial(t)
		got := "\n" + conn.must(211, "FEAT")
		for _, f := range c.with {
			if !strings.Contains(got, "\n "+f) {
				t.Errorf("%s: FEAT has no %s: %s", name, f, got)
			}
		}
		for _, f := range c.without {
			if strings.Contains(got, f) {
				t.Errorf("%s: FEAT has %s: %s", name, f, got)
			}
		}
		if text := conn.must(215, "SYST"); strings.ContainsAny(text, "/.") {
			t.Errorf("SYST: %s", text)
		}
	}
}

// REST belongs to the transfer that follows it: an offset that waits longer would
// cut a file that nobody meant.
func TestRestart(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "0123456789")
	c := s.dial(t).login(s.Add("anna"))
	c.must(350, "REST 4")
	if got := c.get("RETR f"); got != "456789" { // EPSV comes between
		t.Errorf("from 4: %q", got)
	}
	if got := c.get("RETR f"); got != "0123456789" {
		t.Errorf("after that: %q", got)
	}
	c.must(350, "REST 4")
	c.must(213, "SIZE f")
	if got := c.get("RETR f"); got != "0123456789" {
		t.Errorf("after another command: %q", got)
	}
	c.must(350, "REST 10")
	if got := c.get("RETR f"); got != "" {
		t.Errorf("from the end: %q", got)
	}
	c.must(350, "REST 11")
	if _, code, _ := c.fetch("RETR f"); code != 554 {
		t.Errorf("from behind the end: %d", code)
	}
	c.must(350, "REST 4")
	c.put("abcdefgh", "STOR f")
	if got, _ := s.Read("/home/anna/f"); got != "0123abcdefgh" {
		t.Errorf("a resumed upload made %q", got)
	}
	c.must(350, "REST 100")
	if code, _ := c.store("x", "STOR f"); code != 554 {
		t.Errorf("an upload with a hole: %d", code)
	}
	c.must(350, "REST 5")
	if code, _ := c.store("x", "STOR none"); code != 550 {
		t.Errorf("an upload that goes on with nothing: %d", code)
	}
	if _, there := s.Read("/home/anna/none"); there {
		t.Error("a refused upload left an empty file")
	}
	c.put("!", "APPE f")
	c.put("new", "APPE g")
	c.put("short", "STOR h")
	for name, want := range map[string]string{"f": "0123abcdefgh!", "g": "new", "h": "short"} {
		if got, _ := s.Read("/home/anna/" + name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	c.must(200, "TYPE A")
	c.must(504, "REST 4")
	c.must(550, "SIZE f")
}

// Where uploads appear whole, resuming is refused with a text that says so.
func TestResumingWholeUploads(t *testing.T) {
	s := newSite(t)
	s.SetSite(func(site *policy.Site) { site.Uploads = policy.Atomic })
	s.Write("/home/anna/f", "before")
	c := s.dial(t).login(s.Add("anna"))
	if code, text := c.store("x", "APPE f"); code != 550 || !strings.Contains(text, "whole") {
		t.Errorf("APPE: %d %s", code, text)
	}
	c.must(350, "REST 3")
	if code, text := c.store("x", "STOR f"); code != 550 || !strings.Contains(text, "whole") {
		t.Errorf("REST and STOR: %d %s", code, text)
	}
	conn := c.data()
	c.must(150, "STOR f")
	if _, err := conn.Write([]byte("after")); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Read("/home/anna/f"); got != "before" {
		t.Errorf("while it is sent: %q", got)
	}
	_ = conn.Close()
	c.expect(226)
	if got, _ := s.Read("/home/anna/f"); got != "after" {
		t.Errorf("after 226: %q", got)
	}
}

// TYPE A converts line ends, and binary is what a client gets that asks for none.
func TestTypes(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	const content = "one\r\ntwo\nthree\r"
	c.put(content, "STOR binary")
	if got, _ := s.Read("/home/anna/binary"); got != content {
		t.Errorf("binary: %q", got)
	}
	c.must(200, "TYPE A")
	c.put("one\r\ntwo\r\n", "STOR text")
	if got, _ := s.Read("/home/anna/text"); got != "one\ntwo\n" {
		t.Errorf("text: %q", got)
	}
	if got := c.get("RETR text"); got != "one\r\ntwo\r\n" {
		t.Errorf("text comes back as %q", got)
	}
}

// A quota stops an upload with 552, whether its size was announced or not, and
// what fits is not refused.
func TestQuota(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	s.SetQuota("/home/anna", 1000, -1)
	c := s.dial(t).login(p)
	if got := c.must(213, "AVBL"); got != "1000" {
		t.Errorf("AVBL %s", got)
	}
	c.must(200, "ALLO 1001") // of some folder
	if code, _ := c.store("x", "STOR f"); code != 552 {
		t.Errorf("announced beyond the quota: %d", code)
	}
	c.must(200, "ALLO 1000")
	c.put(strings.Repeat("x", 600), "STOR f")
	if got := c.must(213, "AVBL"); got != "400" {
		t.Errorf("AVBL %s", got)
	}
	if code, text := c.store(strings.Repeat("x", 401), "STOR g"); code != 552 {
		t.Errorf("one byte too many: %d %s", code, text)
	}
	for _, command := range []string{"STOR", "APPE"} {
		c.must(250, "DELE g")
		if code, text := c.store(strings.Repeat("x", 400), "%s g", command); code != 226 {
			t.Errorf("%s up to the last byte: %d %s", command, code, text)
		}
	}
	if code, _ := c.store("x", "APPE g"); code != 552 {
		t.Errorf("APPE beyond it: %d", code)
	}
	c.must(200, "ALLO 1")
	if code, _ := c.store("", "STOR h"); code != 552 {
		t.Errorf("announced where nothing is left: %d", code)
	}
	if got := c.must(213, "AVBL"); got != "0" {
		t.Errorf("AVBL %s", got)
	}
}

// Unlimited never reads as zero.
func TestAvailableWithoutQuota(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	n, err := strconv.ParseInt(c.must(213, "AVBL"), 10, 64)
	if err != nil || n < 1 {
		t.Errorf("AVBL: %d, %v", n, err)
	}
	for free, want := range map[int64]int64{-1: unlimited, 0: 0, 7: 7} {
		if got := freeBytes(session.Space{FreeBytes: free}); got != want {
			t.Errorf("%d is shown as %d, want %d", free, got, want)
		}
	}
}

// Who may only create can do that, and no more.
func TestUploadOnly(t *testing.T) {
	s := newSite(t)
	s.Write("/box/theirs", "theirs")
	p := s.Add("anna")
	s.Grant("anna", "/box", policy.UploadOnly, "box")
	c := s.dial(t).login(p)
	c.put("mine", "STOR /box/mine")
	c.must(213, "SIZE /box/mine")
	if code, _ := c.store("x", "STOR /box/theirs"); code != 550 {
		t.Errorf("over another's file: %d", code)
	}
	if code, _ := c.store("x", "APPE /box/theirs"); code != 550 {
		t.Errorf("behind another's file: %d", code)
	}
	if _, code, _ := c.fetch("RETR /box/theirs"); code != 550 {
		t.Errorf("RETR: %d", code)
	}
	if _, code, _ := c.fetch("LIST /box"); code != 550 {
		t.Errorf("LIST: %d", code)
	}
	if got, _ := s.Read("/box/theirs"); got != "theirs" {
		t.Errorf("another's file is %q now", got)
	}
}

// Replies come in the order of commands, also of those sent before a transfer is
// over.
func TestPipelining(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.send("RETR f\r\nNOOP\r\nSIZE f\r\nFEAT\r\nQUIT\r\n")
	c.expect(150)
	buf := make([]byte, 100)
	n, _ := conn.Read(buf)
	if string(buf[:n]) != "content" {
		t.Errorf("got %q", buf[:n])
	}
	for _, want := range []int{226, 200, 213, 211, 221} {
		c.expect(want)
	}
}

// STAT is answered while a transfer runs.
func TestStatDuringTransfer(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.must(150, "STOR f")
	if got := c.must(211, "STAT"); !strings.Contains(got, "STOR is running") {
		t.Errorf("STAT: %s", got)
	}
	_ = conn.Close()
	c.expect(226)
}
