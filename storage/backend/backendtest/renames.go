package backendtest

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"gatehouse/storage/backend"
)

var renameCases = []testCase{
	{name: "rename/file", run: renameFile},
	{name: "rename/folder with its tree", run: renameFolder},
	{name: "rename/keeps the target", run: renameKeeps},
	{name: "rename/replaces a file", run: renameReplaces},
	{name: "rename/folders replace nothing", run: renameFolders},
	{name: "rename/into itself", run: renameInto},
	{name: "rename/missing", run: renameMissing},
	{name: "rename/onto itself", run: renameSelf},
	{name: "rename/one of many gets the name", run: renameRace, needs: func(c backend.Capabilities) bool { return c.AtomicRename }},
	{name: "rename/the name is never missing", run: renameAtomic, needs: func(c backend.Capabilities) bool { return c.AtomicRename }},
}

func renameFile(s *store) {
	s.mkdir("/d")
	s.write("/a", "content")
	id := s.mustStat("/a").ID
	s.must("rename", s.rename("/a", "/d/b", false))
	s.gone("/a")
	s.holds("/d/b", "content")
	if got := s.mustStat("/d/b").ID; got != id {
		s.Errorf("the file became another one: %v, want %v", got, id)
	}
	s.must("rename with replace onto a free name", s.rename("/d/b", "/c", true))
	s.holds("/c", "content")
}

func renameFolder(s *store) {
	s.mkdir("/d", "/d/sub", "/other")
	s.write("/d/sub/a", "content")
	s.must("rename", s.rename("/d", "/other/e", false))
	s.gone("/d")
	s.holds("/other/e/sub/a", "content")
}

func renameKeeps(s *store) {
	s.mkdir("/d", "/e")
	s.write("/a", "a")
	s.write("/b", "b")
	for _, c := range [][2]string{{"/a", "/b"}, {"/a", "/d"}, {"/d", "/a"}, {"/d", "/e"}} {
		s.refused(fmt.Sprint("rename ", c), s.rename(c[0], c[1], false), fs.ErrExist, c[0], c[1])
	}
	s.holds("/a", "a")
	s.holds("/b", "b")
	s.mustStat("/d")
	s.mustStat("/e")
}

func renameReplaces(s *store) {
	s.write("/a", "new")
	s.write("/b", "old")
	f := s.mustOpen("/b", backend.How{Read: true})
	defer f.Close()
	s.must("rename", s.rename("/a", "/b", true))
	s.gone("/a")
	s.holds("/b", "new")
	if got := s.content(f); got != "old" {
		s.Errorf("the replaced file, still open, holds %q, want what it held", got)
	}
}

func renameFolders(s *store) {
	s.mkdir("/d", "/empty", "/full")
	s.write("/a", "a")
	s.write("/full/x", "x")
	s.refused("a file onto a folder", s.rename("/a", "/empty", true), backend.ErrIsDir, "/a", "/empty")
	for _, to := range []string{"/a", "/empty", "/full"} {
		s.refused("a folder onto "+to, s.rename("/d", to, true), fs.ErrExist, "/d", to)
	}
	s.mustStat("/d")
	s.holds("/a", "a")
	s.holds("/full/x", "x")
}

func renameInto(s *store) {
	s.mkdir("/d", "/d/sub")
	s.write("/d/a", "content")
	for _, replace := range []bool{false, true} {
		s.refused("into itself", s.rename("/d", "/d/sub/d", replace), fs.ErrInvalid, "/d", "/d/sub/d")
		if err := s.rename("/d/sub", "/d", replace); err == nil {
			s.Error("a folder took the place of the one it is in")
		}
		if err := s.rename("/d/a", "/d", replace); err == nil {
			s.Error("a file took the place of the folder it is in")
		}
	}
	s.holds("/d/a", "content")
	s.mustStat("/d/sub")
}

func renameMissing(s *store) {
	s.write("/a", "content")
	for _, replace := range []bool{false, true} {
		s.refused("nothing", s.rename("/none", "/b", replace), fs.ErrNotExist, "/none", "/b")
		s.refused("into nothing", s.rename("/a", "/none/b", replace), fs.ErrNotExist, "/a", "/none/b")
		s.refused("below a file", s.rename("/a/x", "/b", replace), backend.ErrNotDir, "/a/x", "/b")
	}
	s.holds("/a", "content")
}

func renameSelf(s *store) {
	s.write("/a", "content")
	s.refused("onto itself", s.rename("/a", "/a", false), fs.ErrExist, "/a", "/a")
	s.must("onto itself, replacing", s.rename("/a", "/a", true))
	s.holds("/a", "content")
}

func renameRace(s *store) {
	const movers = 12
	for i := range movers {
		s.write(fmt.Sprintf("/from%d", i), fmt.Sprint(i))
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range movers {
		wg.Go(func() {
			switch err := s.rename(fmt.Sprintf("/from%d", i), "/to", false); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, fs.ErrExist):
				s.Errorf("rename: got %v, want success or fs.ErrExist", err)
			}
		})
	}
	wg.Wait()
	if n := won.Load(); n != 1 {
		s.Errorf("%d of %d got the name, want 1", n, movers)
	}
	if got := len(s.names("/")); got != movers {
		s.Errorf("%d files are left, want all %d", got, movers)
	}
}

func renameAtomic(s *store) {
	s.write("/a", "0")
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for i := range 200 {
			s.write("/new", fmt.Sprint(i))
			if err := s.rename("/new", "/a", true); err != nil {
				s.Errorf("rename: %v", err)
				return
			}
		}
	})
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if s.read("/a") == "" {
			s.Error("the file was empty for a moment")
			break
		}
	}
	wg.Wait()
}
