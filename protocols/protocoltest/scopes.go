package protocoltest

import (
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

// scopeCases ask what a credential that is for less than its account may do.
var scopeCases = []testCase{
	{name: "scope/main password beside a second factor", run: enrolled},
	{name: "scope/read-only", run: readOnlyScope},
	{name: "scope/folder", run: folderScope},
}

// With a second factor on, the main password alone opens no door; an app
// password does.
func enrolled(s *suite) {
	a := s.Add("ann")
	l := withApp(s, a)
	s.Enrol("ann")
	if c, err := s.dial(Login{Person: a}); err == nil {
		_, err = c.List("/")
		_ = c.Close()
		if err == nil {
			s.T.Error("the main password alone has opened the door")
		}
	}
	ann := s.enterWith(l)
	ann.mustPut("/f", "content")
	ann.holds("/f", "content")
}

// Nothing is changed with a credential that may only read, whatever the account
// may, and nothing of it stays on disk.
func readOnlyScope(s *suite) {
	a := s.Add("ann")
	a.Password = s.Issue("ann", accounts.Credential{Kind: policy.KindAppPassword, Scope: policy.Scope{ReadOnly: true}})
	s.Write("/home/ann/f", "content")
	s.Write("/home/ann/d/g", "content")
	check := s.unchanged("/home/ann")
	ann := s.enterWith(Login{Person: a})
	ann.holds("/f", "content")
	ann.lists("/", "f", "d/")
	ann.refused("put", ann.put("/new", "x"), ErrDenied)
	ann.refused("replace", ann.put("/f", "x"), ErrDenied)
	ann.refused("mkdir", ann.Mkdir("/e"), ErrDenied)
	ann.refused("remove", ann.Remove("/f"), ErrDenied)
	ann.refused("remove folder", ann.RemoveDir("/d"), ErrDenied)
	ann.refused("rename", ann.Rename("/f", "/h"), ErrDenied)
	if s.door.SetsTimes {
		ann.refused("set the time", ann.SetModified("/f", time.Now().Add(-time.Hour)), ErrDenied)
	}
	check()
}

// A credential for a folder changes no root: the account sees where the folder
// is, and nothing beside it.
func folderScope(s *suite) {
	a := s.Add("ann")
	folder := path.MustParse("/home/ann/d")
	a.Password = s.Issue("ann", accounts.Credential{Kind: policy.KindAppPassword, Scope: policy.Scope{Folder: &folder}})
	s.Write("/home/ann/f", "secret")
	s.Write("/home/ann/d/g", "content")
	check := s.unchanged("/home/ann/f")
	ann := s.enterWith(Login{Person: a})
	ann.holds("/d/g", "content")
	ann.mustPut("/d/new", "content")
	if got, err := ann.get("/f"); err == nil {
		s.T.Errorf("read %q beside the folder", got)
	}
	if err := ann.put("/new", "x"); err == nil {
		s.T.Error("wrote beside the folder")
	}
	if err := ann.Rename("/d/g", "/g"); err == nil {
		s.T.Error("moved out of the folder")
	}
	if err := ann.Remove("/f"); err == nil {
		s.T.Error("removed beside the folder")
	}
	check()
	s.onDisk("/home/ann/d/g", "content")
}
