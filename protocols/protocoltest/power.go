package protocoltest

import (
	"strings"
	"time"

	"gatehouse/storage/backend/backendtest"
	"gatehouse/storage/mount"
)

var powerCases = []testCase{
	{name: "uploads/power fails", run: powerFails, ground: ground{sync: mount.SyncClose}},
	{name: "uploads/power fails, atomic", run: powerFails, arrange: atomicUploads, ground: ground{sync: mount.SyncClose}},
	{name: "uploads/power fails, always", run: powerFails, ground: ground{sync: mount.SyncAlways}},
}

// powerFails as soon as a client has heard that something is done: it is, also
// on a disk that has kept no more than it was asked to. By the usual way of
// uploading to another name and renaming, too.
func powerFails(s *suite) {
	ann := s.enter(s.Add("ann"))
	s.must(s.power.Settle())
	ann.mustPut("/f", "new")
	s.outlasts("/f", "new")
	ann.mustPut("/f", "replaced")
	s.outlasts("/f", "replaced")
	ann.mustPut("/empty", "")
	s.outlasts("/empty", "")
	ann.must("mkdir", ann.Mkdir("/d"))
	ann.must("mkdir", ann.Mkdir("/d/e"))
	ann.mustPut("/d/e/f", "far below")
	s.outlasts("/d/e/f", "far below")
	ann.mustPut("/.part", "by way of another name")
	ann.must("rename", ann.Rename("/.part", "/g"))
	s.outlasts("/g", "by way of another name")
	ann.must("rename", ann.Rename("/d", "/moved"))
	ann.mustPut("/moved/e/g", "in a folder that was moved")
	s.outlasts("/moved/e/f", "far below")
	s.outlasts("/moved/e/g", "in a folder that was moved")
	if s.door.Resumes && !s.atomic() {
		ann.must("resume", ann.PutAt("/f", 8, strings.NewReader(" and resumed")))
		s.outlasts("/f", "replaced and resumed")
	}
	if s.ground.sync == mount.SyncAlways {
		s.everyChangeOutlasts(ann)
	}
}

func (s *suite) everyChangeOutlasts(ann *visitor) {
	s.T.Helper()
	if s.door.SetsTimes {
		of := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		ann.must("set the time", ann.SetModified("/g", of))
		for kept, found := range s.left() {
			if got := found["/g"].Modified.Truncate(time.Second); !got.Equal(of) {
				s.T.Errorf("the power fails, and the disk has kept %s: /g is of %v, want %v", kept, got, of)
			}
		}
	}
	ann.must("remove", ann.Remove("/g"))
	ann.must("remove", ann.Remove("/moved/e/g"))
	ann.must("remove", ann.Remove("/moved/e/f"))
	ann.must("remove the folder", ann.RemoveDir("/moved/e"))
	for kept, found := range s.left() {
		for _, name := range []string{"/g", "/moved/e/g", "/moved/e"} {
			if is, there := found[name]; there {
				s.T.Errorf("the power fails, and the disk has kept %s: %s is %s, which was removed", kept, name, is)
			}
		}
	}
}

// left is what is found at home when power is back, by name: where the disk has
// kept what it must, and where it has kept every name besides.
func (s *suite) left() map[string]map[string]backendtest.Survivor {
	s.T.Helper()
	names, err := s.power.Names()
	s.must(err)
	left := map[string]map[string]backendtest.Survivor{"what it must": s.power.Least(), "every name": names}
	for kept, found := range left {
		home := map[string]backendtest.Survivor{}
		for p, is := range found {
			if name, ok := strings.CutPrefix(p, "/home/ann"); ok {
				home[name] = is
			}
		}
		left[kept] = home
	}
	return left
}

// outlasts asks that a file is there and whole when power is back.
func (s *suite) outlasts(name, want string) {
	s.T.Helper()
	for kept, found := range s.left() {
		if is, there := found[name]; !there || is.Text != want {
			s.T.Errorf("the power fails, and the disk has kept %s: %s is %s (there: %v), want %s", kept, name, is, there, short(want))
		}
	}
}
