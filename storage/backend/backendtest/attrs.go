package backendtest

import (
	"io/fs"
	"time"

	"gatehouse/storage/backend"
)

var attrCases = []testCase{
	{name: "attr/mode", run: setMode},
	{name: "attr/times", run: setTimes},
	{name: "attr/size", run: setSize},
	{name: "attr/of an open file", run: setOpen},
	{name: "attr/missing", run: setMissing},
	{name: "attr/mode of a new file", run: newMode},
	{name: "attr/special bits never come", run: specialBits},
}

func (s *store) set(name string, a backend.Attr) error {
	return s.SetAttr(s.Context(), s.at(name), a)
}

func setMode(s *store) {
	s.write("/a", "content")
	s.mkdir("/d")
	for _, name := range []string{"/a", "/d"} {
		for _, mode := range []fs.FileMode{0o700, 0o755, 0o644, 0o777} {
			before := s.mustStat(name)
			s.must("chmod", s.set(name, backend.Attr{Mode: &mode}))
			after := s.mustStat(name)
			if after.Mode.Perm() != mode || after.Mode.Type() != before.Mode.Type() {
				s.Errorf("mode of %s: got %v, want %v", name, after.Mode, mode)
			}
			if !after.Modified.Equal(before.Modified) {
				s.Errorf("the mode changed the time of %s", name)
			}
		}
	}
}

func setTimes(s *store) {
	s.write("/a", "content")
	s.mkdir("/d")
	modified := time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)
	accessed := time.Date(1969, 12, 31, 1, 0, 0, 0, time.UTC)
	for _, name := range []string{"/a", "/d"} {
		mode := s.mustStat(name).Mode
		s.must("set times", s.set(name, backend.Attr{Modified: &modified, Accessed: &accessed}))
		later := modified.Add(time.Hour)
		s.must("set one time", s.set(name, backend.Attr{Modified: &later}))
		i := s.mustStat(name)
		if !i.Modified.Equal(later) || !i.Accessed.Equal(accessed) || i.Mode != mode {
			s.Errorf("%s: got %v, %v, %v, want %v, %v, %v", name, i.Modified, i.Accessed, i.Mode, later, accessed, mode)
		}
	}
}

func setSize(s *store) {
	s.write("/a", "0123456789")
	size := int64(4)
	modified := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	s.must("set size and time", s.set("/a", backend.Attr{Size: &size, Modified: &modified}))
	s.holds("/a", "0123")
	if got := s.mustStat("/a").Modified; !got.Equal(modified) {
		s.Errorf("the time is %v, want the one that was set with the size", got)
	}
	s.mkdir("/d")
	s.refused("size of a folder", s.set("/d", backend.Attr{Size: &size}), backend.ErrIsDir, "/d")
	size = -1
	s.refused("negative size", s.set("/a", backend.Attr{Size: &size}), fs.ErrInvalid, "/a")
	s.holds("/a", "0123")
}

// What is done to an open file follows the file, not its name.
func setOpen(s *store) {
	s.write("/a", "0123456789")
	f := s.mustOpen("/a", backend.How{Read: true, Write: true})
	defer f.Close()
	s.must("rename", s.rename("/a", "/b", false))
	s.write("/a", "another")
	other := s.mustStat("/a")
	size, mode, modified := int64(2), fs.FileMode(0o600), time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	s.must("setattr", f.SetAttr(backend.Attr{Size: &size, Mode: &mode, Modified: &modified}))
	i := s.mustStat("/b")
	if i.Size != 2 || i.Mode.Perm() != mode || !i.Modified.Equal(modified) {
		s.Errorf("got %+v, want 2 bytes, %v, %v", i, mode, modified)
	}
	if now := s.mustStat("/a"); now != other && (now.Size != other.Size || now.Mode != other.Mode) {
		s.Errorf("another file changed to %+v", now)
	}
}

func setMissing(s *store) {
	mode := fs.FileMode(0o600)
	s.refused("chmod", s.set("/none", backend.Attr{Mode: &mode}), fs.ErrNotExist, "/none")
	s.refused("truncate", s.set("/none", backend.Attr{Size: new(int64)}), fs.ErrNotExist, "/none")
}

func newMode(s *store) {
	how := backend.How{Write: true, Create: true, Mode: 0o666}
	s.must("close", s.mustOpen("/a", how).Close())
	if got := s.mustStat("/a").Mode.Perm(); got != 0o666 {
		s.Errorf("mode: got %v, want what was asked for", got)
	}
	how.Mode = 0o600
	s.must("close", s.mustOpen("/a", how).Close())
	if got := s.mustStat("/a").Mode.Perm(); got != 0o666 {
		s.Errorf("opening again changed the mode to %v", got)
	}
}

func specialBits(s *store) {
	mode := fs.FileMode(0o755) | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	s.must("close", s.mustOpen("/a", backend.How{Write: true, Create: true, Mode: mode}).Close())
	s.must("chmod", s.set("/a", backend.Attr{Mode: &mode}))
	f := s.mustOpen("/a", backend.How{Write: true})
	s.must("fchmod", f.SetAttr(backend.Attr{Mode: &mode}))
	i, err := f.Stat()
	s.must("stat", err)
	s.must("close", f.Close())
	if i.Mode != 0o755 {
		s.Errorf("mode: got %v, want the permission bits alone", i.Mode)
	}
}
