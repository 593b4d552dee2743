package protocoltest

import (
	"strings"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
)

var lockCases = []testCase{
	{name: "locks/hold at every door", run: locked},
	{name: "locks/hold the folders above", run: lockedAbove},
	{name: "locks/say whose they are", run: lockHolder, needs: func(d Door) bool { return d.NamesHolder }},
}

// lock takes a lock as a WebDAV client of p does, and returns its token.
func (s *suite) lock(p Person, name string, deep bool) string {
	s.T.Helper()
	l, err := s.Locks.Lock(s.T.Context(), locks.Request{
		Path: path.MustParse(name), AccountID: p.ID, Account: p.Name, Door: "webdav", Deep: deep, Timeout: time.Minute,
	})
	s.must(err)
	return l.Token
}

func (s *suite) breakLock(token string) {
	s.T.Helper()
	_, err := s.Locks.Break(s.T.Context(), token)
	s.must(err)
}

// A lock that somebody took over any door holds at every door.
func locked(s *suite) {
	ann := s.enter(s.Add("ann"))
	bob := s.Add("bob")
	s.Write("/home/ann/f", "locked")
	s.Write("/home/ann/own", "own")
	s.Write("/home/ann/d/g", "locked deep")
	s.Mkdir("/home/ann/empty")
	check := s.unchanged("/home/ann")
	tokens := []string{s.lock(bob, "/home/ann/f", false), s.lock(bob, "/home/ann/d", true), s.lock(bob, "/home/ann/empty", false)}
	for what, err := range map[string]error{
		"put": ann.put("/f", "x"), "put nothing": ann.put("/f", ""), "put deep": ann.put("/d/g", "x"), "put new": ann.put("/d/new", "x"),
		"mkdir":  ann.Mkdir("/d/new"),
		"rename": ann.Rename("/f", "/e"), "rename deep": ann.Rename("/d", "/e"), "rename in": ann.Rename("/own", "/d/own"),
	} {
		ann.refused(what, err, ErrLocked)
	}
	for what, err := range map[string]error{ // some clients try again in other words
		"rename onto": ann.Rename("/own", "/f"), "remove": ann.Remove("/f"), "remove deep": ann.Remove("/d/g"), "remove folder": ann.RemoveDir("/d"),
		"remove as a folder": ann.RemoveDir("/f"), "remove empty folder": ann.RemoveDir("/empty"),
	} {
		if err == nil {
			s.T.Errorf("%s went well in spite of the lock", what)
		}
	}
	if s.door.Resumes {
		ann.refused("resume", ann.PutAt("/f", 6, strings.NewReader("x")), ErrLocked)
	}
	if s.door.SetsTimes {
		ann.refused("set a time", ann.SetModified("/f", time.Unix(1, 0)), ErrLocked)
	}
	check()
	ann.holds("/f", "locked")
	for _, token := range tokens {
		s.breakLock(token)
	}
	ann.mustPut("/f", "free again")
	ann.mustPut("/d/new", "free again")
	ann.must("remove the empty folder", ann.RemoveDir("/empty"))
}

// What is locked keeps the folders above it where they are: moved or removed they
// would take it along.
func lockedAbove(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.Write("/home/ann/a/b/c/f", "locked")
	token := s.lock(s.Add("bob"), "/home/ann/a/b/c/f", false)
	check := s.unchanged("/home/ann")
	for _, folder := range []string{"/a", "/a/b", "/a/b/c"} {
		ann.refused("rename "+folder, ann.Rename(folder, "/moved"), ErrLocked)
		if err := ann.RemoveDir(folder); err == nil && !s.door.RemovesTrees { // which answers with what could not be removed
			s.T.Errorf("removed %s, in which something is locked", folder)
		}
	}
	check()
	ann.mustPut("/a/b/c/beside", "free")
	ann.must("mkdir", ann.Mkdir("/a/b/d"))
	s.breakLock(token)
	ann.must("rename", ann.Rename("/a/b", "/moved"))
	ann.holds("/moved/c/f", "locked")
}

// Who is refused hears whose the lock is.
func lockHolder(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.Write("/home/ann/d/f", "locked")
	s.lock(s.Add("bob"), "/home/ann/d/f", false)
	for what, err := range map[string]error{
		"put": ann.put("/d/f", "x"), "rename": ann.Rename("/d/f", "/e"), "rename the folder": ann.Rename("/d", "/e"),
	} {
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), "locked by bob") {
			s.T.Errorf("%s: %v, want it to say that it is locked by bob", what, err)
		}
	}
}
