package backendtest

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"gatehouse/storage/backend"
)

var folderCases = []testCase{
	{name: "folder/make and remove", run: makeAndRemove},
	{name: "folder/make twice", run: makeTwice},
	{name: "folder/remove what is not empty", run: removeFull},
	{name: "folder/remove by the wrong call", run: removeWrong},
	{name: "folder/the top stays", run: topStays},
	{name: "folder/list", run: listFolder},
	{name: "folder/list what is none", run: listNone},
	{name: "folder/list in pieces", run: listPieces},
	{name: "folder/entries vanish while listed", run: listVanishing},
	{name: "folder/space", run: space},
	{name: "folder/sync", run: syncFolder},
}

func makeAndRemove(s *store) {
	s.mkdir("/d", "/d/e")
	if i := s.mustStat("/d/e"); !i.IsDir() || i.Name != "e" {
		s.Errorf("stat: got %+v, want the folder e", i)
	}
	s.must("remove", s.RemoveDir(s.Context(), s.at("/d/e")))
	s.gone("/d/e")
	s.refused("remove again", s.RemoveDir(s.Context(), s.at("/d/e")), fs.ErrNotExist, "/d/e")
	s.refused("make below nothing", s.Mkdir(s.Context(), s.at("/none/d")), fs.ErrNotExist, "/none/d")
}

func makeTwice(s *store) {
	s.mkdir("/d")
	s.write("/a", "content")
	for _, name := range []string{"/d", "/a", "/"} {
		s.refused("mkdir", s.Mkdir(s.Context(), s.at(name)), fs.ErrExist, name)
	}
}

func removeFull(s *store) {
	s.mkdir("/d")
	s.write("/d/a", "content")
	s.refused("remove", s.RemoveDir(s.Context(), s.at("/d")), backend.ErrNotEmpty, "/d")
	s.holds("/d/a", "content")
}

func removeWrong(s *store) {
	s.mkdir("/d")
	s.write("/a", "content")
	s.refused("remove a folder as a file", s.Remove(s.Context(), s.at("/d")), backend.ErrIsDir, "/d")
	s.refused("remove a file as a folder", s.RemoveDir(s.Context(), s.at("/a")), backend.ErrNotDir, "/a")
	s.mustStat("/d")
	s.holds("/a", "content")
}

func topStays(s *store) {
	s.refused("remove", s.Remove(s.Context(), s.at("/")), backend.ErrBusy, "/")
	s.refused("remove as a folder", s.RemoveDir(s.Context(), s.at("/")), backend.ErrBusy, "/")
	s.mkdir("/d")
	s.refused("rename", s.rename("/", "/d/top", false), fs.ErrInvalid, "/", "/d/top")
	s.write("/a", "content")
	if err := s.rename("/a", "/", true); err == nil {
		s.Error("a file took the place of the top")
	}
	s.holds("/a", "content")
}

func listFolder(s *store) {
	s.mkdir("/d", "/d/sub")
	s.write("/d/a", "four")
	s.write("/d/sub/deeper", "")
	if got := s.names("/d"); !slices.Equal(got, []string{"a", "sub"}) {
		s.Fatalf("list: got %q, want a and sub", got)
	}
	for _, i := range s.list("/d", 100) {
		want := s.mustStat("/d/" + i.Name)
		if i.ID != want.ID || i.Mode != want.Mode || i.Size != want.Size || !i.Modified.Equal(want.Modified) {
			s.Errorf("listed %+v, want as stat says: %+v", i, want)
		}
	}
	s.mkdir("/empty")
	if got := s.names("/empty"); len(got) != 0 {
		s.Errorf("list of an empty folder: got %q", got)
	}
	d, err := s.List(s.Context(), s.at("/d"))
	s.must("list", err)
	if _, err := d.Next(0); err == nil || err == io.EOF {
		s.Errorf("asked for no entries: got %v, want an error", err)
	}
	s.must("close", d.Close())
}

func listNone(s *store) {
	s.write("/a", "content")
	_, err := s.List(s.Context(), s.at("/none"))
	s.refused("list", err, fs.ErrNotExist, "/none")
	_, err = s.List(s.Context(), s.at("/a"))
	s.refused("list a file", err, backend.ErrNotDir, "/a")
}

func listPieces(s *store) {
	const files = 300
	s.mkdir("/d")
	for i := range files {
		s.write(fmt.Sprintf("/d/%03d", i), "")
	}
	for _, piece := range []int{1, 64, 1000} {
		seen := make(map[string]bool)
		for _, i := range s.list("/d", piece) {
			if seen[i.Name] {
				s.Errorf("in pieces of %d: %s came twice", piece, i.Name)
			}
			seen[i.Name] = true
		}
		if len(seen) != files {
			s.Errorf("in pieces of %d: %d names, want %d", piece, len(seen), files)
		}
	}
}

func listVanishing(s *store) {
	const files = 200
	s.mkdir("/d")
	for i := range files {
		s.write(fmt.Sprintf("/d/%03d", i), "")
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range files / 2 {
			if err := s.Remove(s.Context(), s.at(fmt.Sprintf("/d/%03d", 2*i))); err != nil {
				s.Errorf("remove: %v", err)
			}
		}
	})
	for range 10 {
		seen := make(map[string]bool)
		for _, i := range s.list("/d", 10) {
			seen[i.Name] = true
		}
		for i := range files / 2 {
			if name := fmt.Sprintf("%03d", 2*i+1); !seen[name] {
				s.Fatalf("%s stayed, but was not listed", name)
			}
		}
	}
	wg.Wait()
}

func space(s *store) {
	s.mkdir("/d")
	s.write("/d/a", "content")
	for _, name := range []string{"/", "/d", "/d/a"} {
		got, err := s.Space(s.Context(), s.at(name))
		s.must("space", err)
		if got.Bytes == 0 || got.Bytes >= 0 && got.FreeBytes > got.Bytes {
			s.Errorf("space of %s: got %+v", name, got)
		}
	}
	_, err := s.Space(s.Context(), s.at("/none"))
	s.refused("space of nothing", err, fs.ErrNotExist, "/none")
}

func syncFolder(s *store) {
	s.mkdir("/d")
	s.write("/d/a", "content")
	s.must("sync", s.Sync(s.Context(), s.at("/d")))
	s.must("sync the top", s.Sync(s.Context(), s.at("/")))
	s.refused("sync nothing", s.Sync(s.Context(), s.at("/none")), fs.ErrNotExist, "/none")
}
