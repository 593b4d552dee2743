package protocoltest

import (
	"context"
	"net"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gatehouse/policy"
)

const (
	fullRights = policy.Full
	readRights = policy.ReadOnly
)

var linkCases = []testCase{
	{name: "links/within what is allowed", run: linksInside},
	{name: "links/to what is not", run: linksOutside},
	{name: "links/broken and circular", run: linksBroken},
	{name: "links/removed and renamed themselves", run: linksThemselves},
	{name: "special files", run: special},
}

func linksInside(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.Write("/home/ann/d/f", "content")
	s.Link("d", "/home/ann/rel")
	s.Link("d/f", "/home/ann/file")
	s.Link("rel", "/home/ann/chain")
	s.Link("../ann/d", "/home/ann/round")
	for _, name := range []string{"/rel/f", "/file", "/chain/f", "/round/f"} {
		ann.holds(name, "content")
		if e, err := ann.stat(name); err != nil || e.Size != 7 || e.Dir {
			s.T.Errorf("stat %s: got %+v, %v, want the file", name, e, err)
		}
	}
	ann.lists("/rel", "f")
	ann.mustPut("/chain/new", "through links")
	s.onDisk("/home/ann/d/new", "through links")
	ann.mustPut("/file", "changed")
	s.onDisk("/home/ann/d/f", "changed")
}

// Links that somebody with a shell, or another program, has put on disk: out of
// the mount, and into another account's folder.
func linksOutside(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.Add("bob")
	s.Write("/home/bob/secret", "of bob")
	s.Mkdir("/home/bob/d")
	outside := s.T.TempDir()
	s.must(unix.Mkdir(outside+"/d", 0o755))
	s.must(unix.Symlink("d", outside+"/l"))
	s.Mkdir("/home/ann/own")
	links := map[string]string{
		"bob": "../bob", "bob-abs": "/home/bob", "bob-disk": s.OnDisk("/home/bob"), "out": outside,
		"top": "../..", "chain": "bob", "file": "../bob/secret", "own/deep": "../../bob",
	}
	s.lookOutside(ann)
	for name, target := range links {
		s.Link(target, "/home/ann/"+name)
	}
	bob, out := s.unchanged("/home/bob"), Files(s.T, outside)
	for name := range links {
		for _, p := range []string{"", "/secret", "/d", "/d/new", "/new"} {
			p = "/" + name + p
			if got, err := ann.get(p); err == nil {
				s.T.Errorf("get %s: got %s", p, short(got))
			}
			if strings.HasSuffix(p, "/new") || strings.HasSuffix(p, "/secret") {
				if err := ann.put(p, "changed"); err == nil {
					s.T.Errorf("put %s went well", p)
				}
				if err := ann.Mkdir(p); err == nil {
					s.T.Errorf("mkdir %s went well", p)
				}
				if err := ann.Remove(p); err == nil {
					s.T.Errorf("remove %s went well", p)
				}
				if err := ann.Rename(p, "/stolen"); err == nil {
					s.T.Errorf("rename %s went well", p)
				}
			}
			if strings.HasSuffix(p, "/d") {
				if err := ann.RemoveDir(p); err == nil {
					s.T.Errorf("remove folder %s went well", p)
				}
			}
		}
		if names, err := ann.names("/" + name); err == nil && len(names) > 0 && name != "own" {
			s.T.Errorf("list %s: got %q", name, names)
		}
	}
	bob()
	for name, content := range Files(s.T, outside) {
		if out[name] != content {
			s.T.Errorf("outside the mount %s is %s", name, short(content))
		}
	}
	if _, err := ann.names("/"); err != nil {
		s.T.Errorf("the listing fails for links that lead nowhere allowed: %v", err)
	}
}

// lookOutside follows links to the machine's own files. It only looks: a test
// that fails must not break the machine.
func (s *suite) lookOutside(ann *visitor) {
	s.T.Helper()
	for name, target := range map[string]string{
		"etc": "/etc", "up": "../../../../../../../../../../etc", "proc": "/proc/self/root/etc", "passwd": "/etc/passwd",
	} {
		s.Link(target, "/home/ann/"+name)
		for _, p := range []string{"/" + name, "/" + name + "/passwd"} {
			if got, err := ann.get(p); err == nil {
				s.T.Errorf("get %s: got %s", p, short(got))
			}
			if names, err := ann.names(p); err == nil && len(names) > 0 {
				s.T.Errorf("list %s: got %d names", p, len(names))
			}
		}
	}
}

func linksBroken(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.Write("/home/ann/f", "content")
	for name, target := range map[string]string{"dangling": "nothing", "loop": "loop", "a": "b", "b": "a", "deep": "f/x"} {
		s.Link(target, "/home/ann/"+name)
	}
	names, err := ann.names("/")
	if err != nil || !slices.Contains(names, "f") {
		s.T.Errorf("list: got %q, %v, want at least f", names, err)
	}
	for _, name := range []string{"/dangling", "/loop", "/a", "/deep"} {
		if got, err := ann.get(name); err == nil {
			s.T.Errorf("get %s: got %s", name, short(got))
		}
		if names, err := ann.names(name); err == nil && len(names) > 0 {
			s.T.Errorf("list %s: got %q", name, names)
		}
	}
	ann.holds("/f", "content")
}

func linksThemselves(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.Add("bob")
	s.Write("/home/bob/d/f", "of bob")
	s.Link("../bob/d", "/home/ann/folder")
	s.Link("../bob/d/f", "/home/ann/file")
	bob := s.unchanged("/home/bob")
	_ = ann.Rename("/folder", "/renamed")
	for _, name := range []string{"/file", "/folder", "/renamed"} {
		if err := ann.Remove(name); err != nil {
			_ = ann.RemoveDir(name)
		}
	}
	bob()
}

// FIFOs, sockets and devices are no part of the tree, and opening one must not
// make the session wait.
func special(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.Write("/home/ann/f", "content")
	s.Mkdir("/home/ann/d")
	s.must(unix.Mkfifo(s.OnDisk("/home/ann/fifo"), 0o666))
	s.must(unix.Mkfifo(s.OnDisk("/home/ann/d/fifo"), 0o666))
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", s.OnDisk("/home/ann/socket"))
	s.must(err)
	defer l.Close()
	s.Link("fifo", "/home/ann/link")
	ann.lists("/d")
	names, err := ann.names("/")
	ann.must("list", err)
	for _, name := range []string{"fifo", "socket"} {
		if slices.Contains(names, name) {
			s.T.Errorf("%s is listed", name)
		}
	}
	for _, name := range []string{"/fifo", "/socket", "/d/fifo", "/link"} {
		if got, err := ann.get(name); err == nil {
			s.T.Errorf("get %s: got %s", name, short(got))
		}
		if err := ann.put(name, "x"); err == nil {
			s.T.Errorf("put %s went well", name)
		}
	}
	for _, name := range []string{"/fifo", "/socket"} {
		_, err := ann.stat(name)
		ann.refused("stat "+name, err, ErrNotFound)
	}
	ann.holds("/f", "content")
}
