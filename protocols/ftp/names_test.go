package ftp

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
)

// hostile are names that somebody with a shell, or another door, may make.
var hostile = []string{
	"a\r\n226 Transfer complete", "a\nb", "a\rb", "\r", "Icon\r",
	"-rw-r--r-- 1 x x 1 Jan  1 00:00 passwd\r\n",
	"type=dir;size=0; x\r\n",
}

// harmless are names that a line carries, however odd.
var harmless = []string{
	" leading", "trailing ", "-rf", `quo"te`, "tab\tx", "esc\x1b[2J", "%s%n", "a;type=dir;b",
	"\xff\xfe not UTF-8", "\u00e4\u6f22", "a -> b", "..x", "*", "250 End",
}

// Names that hold line ends would forge entries, or replies. What FTP cannot
// carry is left out of listings; everything else is there, as it is.
func TestHostileNames(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	for _, name := range append(slices.Clone(hostile), harmless...) {
		s.Write("/home/anna/d/"+name, "x")
	}
	c := s.dial(t).login(p)
	c.must(250, "CWD d")
	want := slices.Sorted(slices.Values(harmless))
	lists := map[string]func(line string) string{
		"NLST": func(line string) string { return line },
		"LIST": func(line string) string { return afterFields(line, 8) },
		"MLSD": func(line string) string { _, name, _ := strings.Cut(line, " "); return name },
	}
	for verb, nameOf := range lists {
		text := c.get("%s", verb)
		var got []string
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
			got = append(got, nameOf(line))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s shows %q, want %q", verb, got, want)
		}
	}
	text := c.must(213, "STAT .")
	if n := strings.Count(text, "\n"); n != len(harmless)+1 {
		t.Errorf("STAT has %d lines between its first and last, want %d: %q", n-1, len(harmless), text)
	}
	for _, name := range harmless {
		sent := strings.ReplaceAll(name, "\xff", "\xff\xff")
		if got := c.get("RETR %s", sent); got != "x" {
			t.Errorf("%q: %q", name, got)
		}
		c.must(250, "DELE %s", sent)
	}
	if got := c.get("NLST"); got != "" {
		t.Errorf("%q were not deleted", got)
	}
	if left := s.Files("/home/anna/d"); len(left) != len(hostile) {
		t.Errorf("left on disk: %q", left)
	}
}

// afterFields is what follows n fields and one space.
func afterFields(line string, n int) string {
	for range n {
		line = strings.TrimLeft(line, " ")
		i := strings.IndexByte(line, ' ')
		if i < 0 {
			return ""
		}
		line = line[i:]
	}
	return line[1:]
}

// A name that the client sends comes back in replies: quotes are doubled, and
// what could end the line is not sent.
func TestNamesInReplies(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	for name, shown := range map[string]string{
		`a "quoted" name`:   `"/a ""quoted"" name"`,
		"\u00e4\xff\xff":    "\"/\u00e4\xff\"",
		"esc\x1b]0;title\a": `"/esc?]0;title?"`,
	} {
		if got := c.must(257, "MKD /%s", name); !strings.HasPrefix(got, shown+" ") {
			t.Errorf("MKD %q: %q", name, got)
		}
		c.must(250, "CWD /%s", name)
		if got := c.must(257, "PWD"); !strings.HasPrefix(got, shown+" ") {
			t.Errorf("PWD in %q: %q", name, got)
		}
		if got := c.must(250, "MLST /%s", name); !strings.Contains(got, strings.Trim(shown[:3], `"`)) {
			t.Errorf("MLST %q: %q", name, got)
		}
		c.must(213, "MFMT 20200102030405 /%s", name)
	}
	c.must(553, "MKD a\x00b")
	c.must(553, "MKD carriage\rreturn") // no listing would show it, and the reply could not name it
	c.must(553, "CWD carriage\rreturn")
	c.must(250, "CWD /\r\n226 no") // one command, and one more that is unknown
	c.expect(500)
}

// Paths are parsed once, the same way as on every door: ".." never climbs above
// the root, and no step of it depends on what is there.
func TestPaths(t *testing.T) {
	s := newSite(t)
	s.Write("/secret", "no")
	s.Write("/home/ben/secret", "no")
	s.Write("/home/anna/d/e/f", "yes")
	c := s.dial(t).login(s.Add("anna"))
	for _, p := range []string{
		"d/e/f", "/d/e/f", "//d///e/./f", "/../../d/e/f", "d/../d/e/f", "absent/../d/e/f",
		"d/e/f/", "/../home/../d/e/f", "./d/e/f",
	} {
		if got := c.get("RETR %s", p); got != "yes" {
			t.Errorf("%s: %q", p, got)
		}
	}
	for _, p := range []string{
		"/secret", "../secret", "../../secret", "/../ben/secret", "../ben/secret", "/home/ben/secret",
		"d/../../../secret", "..\\..\\secret", "%2e%2e/secret", "....//secret",
	} {
		if got, code, _ := c.fetch("RETR %s", p); code != 550 {
			t.Errorf("%s: %d %q", p, code, got)
		}
	}
	c.must(250, "CWD d/e")
	c.must(250, "CDUP")
	c.must(250, "CWD ..")
	c.must(250, "CDUP")
	c.must(250, "CWD ../../..")
	if got := c.must(257, "PWD"); !strings.HasPrefix(got, `"/" `) {
		t.Errorf("above the root is %s", got)
	}
	c.must(550, "CWD /d/e/f")
	c.must(550, "CWD absent")
}

func TestListings(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	s.Write("/home/anna/file", "content")
	s.Mkdir("/home/anna/folder")
	s.Mkdir("/home/anna/empty")
	s.Write("/home/anna/folder/in", "")
	s.Link("file", "/home/anna/link")
	s.Link("/etc/passwd", "/home/anna/out")
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, name := range []string{"file", "folder"} {
		if err := os.Chtimes(s.OnDisk("/home/anna/"+name), old, old); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(s.OnDisk("/home/anna/"+name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	c := s.dial(t).login(p)
	list := c.get("LIST -la")
	for _, want := range []string{
		"-rwxr-x--- 1 anna anna            7 Feb  3  2001 file\r\n",
		"drwxr-x--- 1 anna anna            0 Feb  3  2001 folder\r\n",
		" link -> file\r\n",
	} {
		if !strings.Contains(list, want) {
			t.Errorf("LIST has no %q:\n%s", want, list)
		}
	}
	if strings.Contains(list, "passwd") {
		t.Errorf("LIST tells where a link out of the tree leads:\n%s", list)
	}
	facts := c.get("MLSD")
	for _, want := range []string{
		"type=file;size=7;modify=20010203040506;perm=rawdf;unique=",
		"type=dir;modify=20010203040506;perm=elcmdfp;unique=",
		";UNIX.mode=0750; file\r\n",
		"type=OS.unix=slink:file;",
	} {
		if !strings.Contains(facts, want) {
			t.Errorf("MLSD has no %q:\n%s", want, facts)
		}
	}
	for command, want := range map[string]string{
		"NLST folder":          "folder/in\r\n",
		"NLST folder/":         "folder/in\r\n",
		"NLST file":            "file\r\n",
		"NLST fo*/":            "folder\r\n",
		"NLST fi*":             "file\r\n",
		"NLST /f?le":           "/file\r\n",
		"NLST -a folder/[!x]*": "folder/in\r\n",
		"NLST folder/zz*":      "",
		"NLST empty":           "",
		"LIST empty":           "",
		"MLSD empty":           "",
	} {
		if got := c.get("%s", command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	c.must(200, "OPTS MLST Size;unknown;")
	if got := c.get("MLSD folder"); got != "size=0; in\r\n" {
		t.Errorf("with one fact: %q", got)
	}
	if got := c.must(250, "MLST file"); !strings.Contains(got, "\n size=7; /file\n") {
		t.Errorf("MLST: %q", got)
	}
	if got := c.must(211, "FEAT"); !strings.Contains(got, "MLST type;size*;modify;perm;unique;UNIX.mode;") {
		t.Errorf("FEAT: %q", got)
	}
	for command, want := range map[string]int{"LIST absent": 550, "MLSD absent": 550, "NLST absent": 550, "MLSD file": 501} {
		if _, code, text := c.fetch("%s", command); code != want {
			t.Errorf("%s: %d %s, want %d", command, code, text, want)
		}
	}
	c.must(200, "TYPE A")
	if got := c.get("NLST folder"); got != "folder/in\r\n" {
		t.Errorf("in ASCII: %q", got)
	}
}

// A folder is listed as it is read: it never stands in memory as a whole.
func TestLargeListing(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	const n = 3000
	for i := range n {
		s.Write(fmt.Sprintf("/home/anna/f%05d", i), "")
	}
	c := s.dial(t).login(p)
	if got := strings.Count(c.get("MLSD"), "\r\n"); got != n {
		t.Errorf("%d entries, want %d", got, n)
	}
}

// Folders on the way to a granted one are seen, and nothing else in them.
func TestShells(t *testing.T) {
	s := newSite(t)
	s.Write("/home/ben/pictures/2024/a.jpg", "a")
	s.Write("/home/ben/pictures/private", "p")
	p := s.Add("anna")
	s.Grant("anna", "/home/ben/pictures/2024", policy.ReadOnly, "bens")
	c := s.dial(t).login(p)
	c.must(250, "CWD /bens")
	c.must(200, "OPTS MLST type;perm;")
	if got := c.get("MLSD"); got != "type=file;perm=r; a.jpg\r\n" {
		t.Errorf("MLSD: %q", got)
	}
	if got := c.get("NLST"); got != "a.jpg\r\n" {
		t.Errorf("NLST: %q", got)
	}
	if code, text := c.store("x", "STOR b.jpg"); code != 550 {
		t.Errorf("STOR: %d %s", code, text)
	}
	c.must(550, "DELE a.jpg")
	c.must(250, "CDUP")
	if got := c.get("NLST"); got != "bens\r\n" {
		t.Errorf("NLST /: %q", got)
	}
}
