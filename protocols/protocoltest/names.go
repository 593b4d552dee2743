package protocoltest

import (
	"slices"
	"strings"
)

var nameCases = []testCase{
	{name: "names/bytes are kept", run: odd},
	{name: "names/what the door cannot carry is left out", run: uncarried, needs: func(d Door) bool { return d.Carries != nil }},
	{name: "names/climbing", run: climbing},
	{name: "names/the reserved folder", run: reserved},
	{name: "names/too long", run: tooLong},
}

// oddNames are names that a careless program would change, split or take for
// something else.
var oddNames = []string{
	"with space", " lead", "trail ", "tab\tin it", "Icon\r", "new\nline", "CR\r\nLF", "\x01\x7f", "bell\a",
	"*", "?", "[a]", "{b}", "a;b", "a&b", "a<b>c", `quo"te`, "it's", `back\slash`, "per%cent", "%2e%2e", "%00", "a#b", "a?b=c", "a+b", "a:b",
	"-rf", "~", "~root", ".hidden", "...", "..a", "a..", "CON", "nul.txt",
	"é", "e\u0301", "日本語", "\u202eevil", "\U0001f600", "\xff\xfe", "latin\xe9", "A", "a", strings.Repeat("x", 255),
}

func (s *suite) carries(name string) bool { return s.door.Carries == nil || s.door.Carries(name) }

func odd(s *suite) {
	ann := s.enter(s.Add("ann"))
	var want []string
	for _, name := range oddNames {
		if !s.carries(name) {
			continue
		}
		want = append(want, name)
		ann.must("put "+short(name), ann.put("/"+name, "content of "+name))
		s.onDisk("/home/ann/"+name, "content of "+name)
	}
	ann.lists("/", want...)
	for _, name := range want {
		ann.holds("/"+name, "content of "+name)
		if e, err := ann.stat("/" + name); err != nil || e.Size != int64(len("content of "+name)) {
			s.T.Errorf("stat %s: got %+v, %v", short(name), e, err)
		}
		if len(name) < 200 {
			ann.must("rename "+short(name), ann.Rename("/"+name, "/"+name+" moved"))
			s.onDisk("/home/ann/"+name+" moved", "content of "+name)
			name += " moved"
		}
		ann.must("remove "+short(name), ann.Remove("/"+name))
	}
	for _, name := range want {
		ann.must("mkdir "+short(name), ann.Mkdir("/"+name))
		ann.mustPut("/"+name+"/f", name)
		ann.lists("/"+name, "f")
		ann.holds("/"+name+"/f", name)
	}
}

// A name that the door cannot carry must not break the listing, nor look like
// another name or like a second entry.
func uncarried(s *suite) {
	ann := s.enter(s.Add("ann"))
	var want []string
	for _, name := range oddNames {
		s.Write("/home/ann/"+name, "on disk")
		if s.carries(name) {
			want = append(want, name)
		}
	}
	ann.lists("/", want...)
}

// Every spelling of "up": nothing above the root is ever reached.
func climbing(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.Add("bob")
	s.Write("/home/bob/secret", "of bob")
	s.Write("/top", "of the tree")
	s.Write("/home/ann/d/f", "own")
	check := s.unchanged("/home/bob")
	for _, up := range []string{
		"/../bob/secret", "/../../home/bob/secret", "/../../top", "/..//..//top",
		"/d/../../bob/secret", "/d/../../../top", "/none/../../bob/secret", "/./../bob/secret", "/d/./.././../bob/secret",
		"//../bob/secret", "/..", "/../", "/d/../..", "/%2e%2e/bob/secret", "/..%2fbob%2fsecret", `/..\bob\secret`,
		"/.. /bob/secret", "/\u2025/bob/secret", "/..;/bob/secret", "/d/f/../../../bob/secret", "/..\x00/bob/secret",
	} {
		if got, err := ann.get(up); err == nil && got != "own" {
			s.T.Errorf("get %q: got %s", up, short(got))
		}
		if names, err := ann.names(up); err == nil && (slices.Contains(names, "bob/") || slices.Contains(names, "top")) {
			s.T.Errorf("list %q: got %q", up, names)
		}
		_ = ann.put(up+"/climbed", "x")
		_ = ann.put(up, "x")
		_ = ann.Mkdir(up + "-made")
		_ = ann.Rename("/d/f", up+"/climbed")
		_ = ann.Rename("/climbed", "/d/f")
		_ = ann.Rename(up, "/d/stolen")
		_ = ann.Remove("/../bob/secret")
		_ = ann.RemoveDir("/../bob")
	}
	// What would reach the machine's own files is only looked at: a test that
	// fails must not break the machine.
	for _, up := range []string{"/../../../../../../../../../../etc/passwd", "/d/../../../../../../../../../../etc/passwd"} {
		if got, err := ann.get(up); err == nil {
			s.T.Errorf("get %q: got %s", up, short(got))
		}
	}
	check()
	s.onDisk("/top", "of the tree")
	for name := range s.Files("/") {
		if !strings.HasPrefix(name, "/home/") && name != "/top" {
			s.T.Errorf("%s was made above the root", name)
		}
	}
	if got, err := ann.get("/d/../d/./f"); s.door.ClimbsRefused == (err == nil) {
		s.T.Errorf("a path that goes up within the root: got %s, %v", short(got), err)
	}
}

func reserved(s *suite) {
	s.SetSite(allowEverything)
	ann := s.enter(s.Add("ann", rootIsTop, fullOnTop))
	s.Write("/.gatehouse/secret", "of the gateway")
	ann.mustPut("/f", "f")
	names, err := ann.names("/")
	ann.must("list", err)
	for _, name := range names {
		if strings.EqualFold(strings.TrimSuffix(name, "/"), ".gatehouse") {
			s.T.Errorf("listed %q", names)
		}
	}
	for _, name := range []string{"/.gatehouse", "/.gatehouse/secret", "/.gatehouse/staging", "/.GateHouse"} {
		_, err := ann.stat(name)
		ann.refused("stat "+name, err, ErrNotFound)
		if _, err := ann.get(name); err == nil {
			s.T.Errorf("got %s", name)
		}
		for what, err := range map[string]error{
			"put": ann.put(name, "x"), "mkdir": ann.Mkdir(name), "rename to": ann.Rename("/f", name),
			"rename": ann.Rename(name, "/stolen"), "remove": ann.Remove(name), "remove folder": ann.RemoveDir(name),
			"put in it": ann.put(name+"/x", "x"),
		} {
			if err == nil {
				s.T.Errorf("%s %s went well", what, name)
			}
		}
	}
	ann.holds("/f", "f")
	s.onDisk("/.gatehouse/secret", "of the gateway")
}

func tooLong(s *suite) {
	ann := s.enter(s.Add("ann"))
	for _, name := range []string{"/" + strings.Repeat("x", 256), strings.Repeat("/"+strings.Repeat("y", 100), 50)} {
		if err := ann.put(name, "x"); err == nil {
			s.T.Errorf("put a name of %d bytes", len(name))
		}
		if err := ann.Mkdir(name); err == nil {
			s.T.Errorf("made a folder with a name of %d bytes", len(name))
		}
	}
	ann.lists("/")
	ann.mustPut("/f", "the session goes on")
}
