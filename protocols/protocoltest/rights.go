package protocoltest

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

var rightsCases = []testCase{
	{name: "rights/read only", run: readOnly},
	{name: "rights/upload only", run: uploadOnly},
	{name: "rights/two share a folder", run: shared},
	{name: "rights/nobody shares into an own folder", run: ownNames},
	{name: "rights/hidden names do not exist", run: hidden},
	{name: "rights/shells lead to what is granted", run: shells},
	{name: "rights/moving never widens", run: widening},
	{name: "rights/a tree needs them all the way down", run: wholeTrees},
	{name: "rights/not recursive", run: notRecursive},
	{name: "rights/who may not come in", run: mayNotComeIn},
}

func allowEverything(p *policy.Site) { p.Symlinks = policy.Allow }

func rootIsTop(a *accounts.Account) { top := path.Root; a.Root = &top }

func fullOnTop(a *accounts.Account) {
	a.Grants = append(a.Grants, policy.Grant{ID: "top", Path: path.Root, Permissions: policy.Full, Recursive: true})
}

func readOnly(s *suite) {
	s.Write("/pub/f", "public")
	s.Write("/pub/d/g", "deeper")
	s.Add("ann")
	s.Grant("ann", "/pub", policy.ReadOnly, "pub")
	ann := s.enter(Person{Name: "ann", Password: "the password of ann"})
	check := s.unchanged("/pub")
	ann.lists("/", "pub/")
	ann.lists("/pub", "f", "d/")
	ann.holds("/pub/f", "public")
	ann.holds("/pub/d/g", "deeper")
	ann.mustPut("/own", "own")
	ann.refused("put", ann.put("/pub/new", "x"), ErrDenied)
	ann.refused("replace", ann.put("/pub/f", "x"), ErrDenied)
	ann.refused("mkdir", ann.Mkdir("/pub/new"), ErrDenied)
	ann.refused("remove", ann.Remove("/pub/f"), ErrDenied)
	ann.refused("remove folder", ann.RemoveDir("/pub/d"), ErrDenied, ErrExists)
	ann.refused("rename within", ann.Rename("/pub/f", "/pub/g"), ErrDenied)
	ann.refused("rename out", ann.Rename("/pub/f", "/mine"), ErrDenied)
	ann.refused("rename in", ann.Rename("/own", "/pub/own"), ErrDenied)
	ann.refused("rename onto", ann.Rename("/own", "/pub/f"), ErrDenied, ErrExists)
	if s.door.SetsTimes {
		ann.refused("set a time", ann.SetModified("/pub/f", time.Unix(1, 0)), ErrDenied)
	}
	if s.door.Resumes {
		ann.refused("resume", ann.PutAt("/pub/f", 6, strings.NewReader("x")), ErrDenied)
	}
	check()
	ann.holds("/own", "own")
}

// A drop box: new files and folders go in, and nothing comes out; a session may
// look at what it has put there itself, since clients do.
func uploadOnly(s *suite) {
	s.Write("/drop/theirs", "of somebody else")
	s.Mkdir("/drop/folder")
	ann, bob := s.Add("ann"), s.Add("bob")
	s.Grant("ann", "/drop", policy.UploadOnly, "drop")
	s.Grant("bob", "/drop", policy.Full, "drop")
	a, b := s.enter(ann), s.enter(bob)
	a.mustPut("/drop/mine", "first")
	a.mustPut("/drop/empty", "")
	if e, err := a.stat("/drop/mine"); err != nil || e.Size != 5 {
		s.T.Errorf("stat of an own upload: got %+v, %v, want 5 bytes", e, err)
	}
	a.must("mkdir", a.Mkdir("/drop/new"))
	a.mustPut("/drop/new/f", "inside")
	for _, name := range []string{"/drop/theirs", "/drop/mine"} {
		a.refused("put onto "+name, a.put(name, "changed"), ErrDenied, ErrExists)
		_, err := a.get(name)
		a.refused("get "+name, err, ErrDenied, ErrNotFound)
		a.refused("remove "+name, a.Remove(name), ErrDenied, ErrNotFound)
		a.refused("rename "+name, a.Rename(name, "/stolen"), ErrDenied, ErrNotFound)
		if s.door.Resumes {
			a.refused("resume "+name, a.PutAt(name, 5, strings.NewReader("more")), ErrDenied, ErrExists, ErrUnsupported)
		}
	}
	if names, err := a.names("/drop"); err == nil && len(names) > 0 {
		s.T.Errorf("listed the drop box: %q", names)
	}
	b.lists("/drop", "theirs", "folder/", "mine", "empty", "new/")
	b.holds("/drop/mine", "first")
	b.holds("/drop/theirs", "of somebody else")
	b.holds("/drop/new/f", "inside")
}

func shared(s *suite) {
	s.Mkdir("/projects/x")
	ann, bob := s.Add("ann"), s.Add("bob")
	s.Grant("ann", "/projects/x", policy.Full, "together")
	s.Grant("bob", "/projects/x", policy.Full, "with ann")
	a, b := s.enter(ann), s.enter(bob)
	a.lists("/", "together/")
	b.lists("/", "with ann/")
	a.mustPut("/together/f", "from ann")
	b.holds("/with ann/f", "from ann")
	b.mustPut("/with ann/f", "from bob")
	b.must("mkdir", b.Mkdir("/with ann/d"))
	b.must("rename", b.Rename("/with ann/f", "/with ann/d/g"))
	a.holds("/together/d/g", "from bob")
	a.must("take home", a.Rename("/together/d/g", "/mine"))
	s.onDisk("/home/ann/mine", "from bob")
	b.lists("/with ann/d")
	if err := a.Rename("/together", "/renamed"); err == nil {
		s.T.Error("renamed a folder that is shown under a name of its own")
	}
	if err := a.RemoveDir("/together"); err == nil {
		s.T.Error("removed a folder that is shown under a name of its own")
	}
	a.lists("/", "together/", "mine")
	b.lists("/with ann", "d/")
}

// A folder that is shared under the name of one that the account has already
// takes nothing that is meant for the account's own; once the name is free, the
// next session finds the shared one there, and nothing else can take its place.
func ownNames(s *suite) {
	s.Mkdir("/projects/x")
	s.Write("/home/ann/docs/diary", "mine")
	ann := s.Add("ann")
	s.Grant("ann", "/projects/x", policy.Full, "docs")
	a := s.enter(ann)
	a.lists("/", "docs/")
	a.lists("/docs", "diary")
	a.mustPut("/docs/more", "mine too")
	s.onDisk("/home/ann/docs/more", "mine too")
	a.must("rename", a.Rename("/docs", "/mine"))
	a.mustPut("/free", "x")
	next := s.Add("bob")
	s.Grant("bob", "/projects/x", policy.Full, "docs")
	b := s.enter(next)
	b.lists("/", "docs/")
	if err := b.Mkdir("/docs"); err == nil {
		s.T.Error("made a folder where a shared one is")
	}
	s.Mkdir("/home/bob/docs")
	b.mustPut("/docs/plan", "shared")
	s.onDisk("/projects/x/plan", "shared")
}

// What an account may not see does not exist for it: no answer tells the name
// of something that is there from one that is not.
func hidden(s *suite) {
	ann := s.enter(s.Add("ann", rootIsTop))
	s.Add("bob")
	s.Write("/home/bob/secret", "of bob")
	s.Write("/top", "of the tree")
	ann.lists("/", "home/")
	ann.lists("/home", "ann/")
	check := s.unchanged("/home/bob")
	for real, none := range map[string]string{
		"/home/bob": "/home/eve", "/home/bob/secret": "/home/bob/nosuch", "/top": "/tip", "/home/bob/secret/x": "/home/bob/nosuch/x",
	} {
		ask := map[string]func(name string) error{
			"stat":          func(n string) error { _, err := ann.stat(n); return err },
			"get":           func(n string) error { _, err := ann.get(n); return err },
			"list":          func(n string) error { _, err := ann.names(n); return err },
			"remove":        ann.Remove,
			"remove folder": ann.RemoveDir,
			"rename":        func(n string) error { return ann.Rename(n, "/home/ann/stolen") },
			"rename to":     func(n string) error { _ = ann.put("/home/ann/f", "f"); return ann.Rename("/home/ann/f", n) },
			"put":           func(n string) error { return ann.put(n, "x") },
			"mkdir":         ann.Mkdir,
		}
		for what, call := range ask {
			errReal, errNone := call(real), call(none)
			if errReal == nil || errNone == nil {
				s.T.Errorf("%s %s or %s went well: %v, %v", what, real, none, errReal, errNone)
				continue
			}
			ann.sameAnswer(real, errReal, none, errNone)
			if errors.Is(errReal, ErrExists) {
				s.T.Errorf("%s %s tells that it exists: %v", what, real, errReal)
			}
		}
	}
	check()
	s.onDisk("/top", "of the tree")
}

func shells(s *suite) {
	s.Write("/projects/x/deep/f", "granted")
	s.Write("/projects/x/other", "not granted")
	s.Write("/projects/y", "not granted")
	s.Add("ann", rootIsTop)
	s.Grant("ann", "/projects/x/deep", policy.Full, "")
	ann := s.enter(Person{Name: "ann", Password: "the password of ann"})
	ann.lists("/", "home/", "projects/")
	ann.lists("/projects", "x/")
	ann.lists("/projects/x", "deep/")
	ann.lists("/projects/x/deep", "f")
	ann.holds("/projects/x/deep/f", "granted")
	if e, err := ann.stat("/projects/x"); err != nil || !e.Dir {
		s.T.Errorf("stat of a shell: got %+v, %v, want a folder", e, err)
	}
	check := s.unchanged("/projects")
	for what, err := range map[string]error{
		"put": ann.put("/projects/x/new", "x"), "mkdir": ann.Mkdir("/projects/new"),
		"remove": ann.RemoveDir("/projects/x"), "rename": ann.Rename("/projects/x", "/projects/z"),
		"rename home": ann.Rename("/home/ann", "/home/renamed"),
	} {
		ann.refused(what, err, ErrDenied, ErrNotFound, ErrExists)
	}
	check()
}

func widening(s *suite) {
	s.Write("/in/f", "not for reading")
	s.Write("/in/d/g", "not for reading")
	s.Add("ann")
	s.Grant("ann", "/in", policy.List|policy.Create|policy.Delete, "in")
	ann := s.enter(Person{Name: "ann", Password: "the password of ann"})
	check := s.unchanged("/in")
	ann.refused("get", errorOf(ann.get("/in/f")), ErrDenied)
	ann.refused("move a file to where it could be read", ann.Rename("/in/f", "/f"), ErrDenied)
	ann.refused("move a folder to where it could be read", ann.Rename("/in/d", "/d"), ErrDenied)
	check()
	ann.must("move within", ann.Rename("/in/f", "/in/g"))
	ann.mustPut("/own", "own")
	ann.must("move to where less is allowed", ann.Rename("/own", "/in/own"))
	ann.refused("and back", ann.Rename("/in/own", "/own"), ErrDenied)
	s.onDisk("/in/own", "own")
}

func errorOf(_ string, err error) error { return err }

// Removing or renaming a folder asks for the right on everything below it.
func wholeTrees(s *suite) {
	s.Write("/p/d/f", "f")
	s.Add("ann")
	s.Grant("ann", "/p", policy.List|policy.Read|policy.Create, "p")
	s.Grant("ann", "/p/d/mine", policy.Full, "")
	s.Mkdir("/p/d/mine")
	ann := s.enter(Person{Name: "ann", Password: "the password of ann"})
	check := s.unchanged("/p")
	ann.refused("rename", ann.Rename("/p/d", "/p/e"), ErrDenied)
	ann.refused("remove", ann.RemoveDir("/p/d"), ErrDenied, ErrExists)
	ann.refused("remove what is in it", ann.Remove("/p/d/f"), ErrDenied)
	check()
	ann.mustPut("/p/d/mine/f", "own")
	ann.must("remove an own file", ann.Remove("/p/d/mine/f"))
}

func notRecursive(s *suite) {
	s.Write("/flat/f", "direct")
	s.Write("/flat/d/g", "deeper")
	s.Add("ann", func(a *accounts.Account) {
		a.Grants = []policy.Grant{{ID: "flat", Path: path.MustParse("/flat"), Permissions: policy.Full, At: "flat"}}
	})
	ann := s.enter(Person{Name: "ann", Password: "the password of ann"})
	ann.holds("/flat/f", "direct")
	_, err := ann.get("/flat/d/g")
	ann.refused("get from deeper", err, ErrNotFound, ErrDenied)
	ann.refused("put deeper", ann.put("/flat/d/new", "x"), ErrNotFound, ErrDenied)
	ann.mustPut("/flat/new", "direct")
	s.onDisk("/flat/d/g", "deeper")
}

func mayNotComeIn(s *suite) {
	elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	other := []policy.Door{policy.API}
	for name, change := range map[string]func(*accounts.Account){
		"disabled":        func(a *accounts.Account) { a.Status.Disabled = true },
		"expired":         func(a *accounts.Account) { a.Expires = &policy.Expiry{Instant: time.Now().Add(-time.Minute)} },
		"from elsewhere":  func(a *accounts.Account) { a.AllowedIPs = elsewhere },
		"by other doors":  func(a *accounts.Account) { a.Protocols = other },
		"by no door":      func(a *accounts.Account) { a.Protocols = []policy.Door{} },
		"must change":     func(a *accounts.Account) { a.Password = &accounts.Password{MustChange: true} },
		"from here":       func(a *accounts.Account) { a.AllowedIPs = here },
		"not yet expired": func(a *accounts.Account) { a.Expires = &policy.Expiry{Instant: time.Now().Add(time.Hour)} },
	} {
		p := s.Add(strings.ReplaceAll(name, " ", "-"), change)
		if name == "must change" {
			s.Change(p.Name, func(a *accounts.Account) { a.Password.MustChange = true })
		}
		want := name == "from here" || name == "not yet expired"
		for _, l := range []Login{{Person: p}, {Person: p, WithKey: true}} {
			if l.WithKey && !s.door.Keys {
				continue
			}
			c, err := s.dial(l)
			if err == nil {
				_, err = c.List("/")
				_ = c.Close()
			}
			if (err == nil) != want {
				s.T.Errorf("%s (key: %v): got %v, want that it comes in: %v", name, l.WithKey, err, want)
			}
		}
	}
}
