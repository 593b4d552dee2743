package backendtest

import (
	"io/fs"
	"slices"

	"gatehouse/storage/backend"
)

func hasLinks(c backend.Capabilities) bool     { return c.Symlinks }
func hasHardLinks(c backend.Capabilities) bool { return c.HardLinks }

var linkCases = []testCase{
	{name: "link/made and read", run: symlink, needs: hasLinks},
	{name: "link/refused as the last element", run: linkLast, needs: hasLinks},
	{name: "link/refused on the way", run: linkOnTheWay, needs: hasLinks},
	{name: "link/moved and removed itself", run: linkItself, needs: hasLinks},
	{name: "hard link/two names of a file", run: hardLink, needs: hasHardLinks},
	{name: "hard link/of what is no file", run: hardLinkOdd, needs: hasHardLinks},
	{name: "hard link/renamed onto the other name", run: hardLinkRename, needs: hasHardLinks},
}

func (s *store) symlink(target, name string) {
	s.Helper()
	s.must("symlink "+name, s.Symlink(s.Context(), target, s.at(name)))
}

func symlink(s *store) {
	for name, target := range map[string]string{"/rel": "a", "/abs": "/etc/passwd", "/up": "../../x", "/odd": "\xff\n"} {
		s.symlink(target, name)
		if got, err := s.Readlink(s.Context(), s.at(name)); err != nil || got != target {
			s.Errorf("readlink %s: got %q, %v, want %q", name, got, err, target)
		}
		if i := s.mustStat(name); !i.IsLink() {
			s.Errorf("stat %s: got %v, want a link", name, i.Mode)
		}
	}
	for _, i := range s.list("/", 100) {
		if !i.IsLink() {
			s.Errorf("listed %s as %v, want a link", i.Name, i.Mode)
		}
	}
	s.refused("symlink where something is", s.Symlink(s.Context(), "b", s.at("/rel")), fs.ErrExist, "/rel")
	s.write("/a", "content")
	_, err := s.Readlink(s.Context(), s.at("/a"))
	s.refused("readlink of a file", err, fs.ErrInvalid, "/a")
	_, err = s.Readlink(s.Context(), s.at("/none"))
	s.refused("readlink of nothing", err, fs.ErrNotExist, "/none")
}

func linkLast(s *store) {
	s.write("/a", "content")
	s.mkdir("/d")
	s.symlink("a", "/file")
	s.symlink("d", "/folder")
	s.symlink("none", "/dangling")
	for _, name := range []string{"/file", "/folder", "/dangling"} {
		for _, how := range []backend.How{
			{Read: true}, {Write: true}, {Read: true, Write: true},
			{Write: true, Create: true}, {Write: true, Create: true, Truncate: true},
		} {
			_, err := s.open(name, how)
			s.refused("open "+name, err, backend.ErrLink, name)
		}
		_, err := s.open(name, backend.How{Write: true, Create: true, Exclusive: true})
		s.refused("create "+name, err, fs.ErrExist, name)
		s.refused("mkdir "+name, s.Mkdir(s.Context(), s.at(name)), fs.ErrExist, name)
		_, err = s.List(s.Context(), s.at(name))
		s.refused("list "+name, err, backend.ErrLink, name)
		mode := fs.FileMode(0o600)
		s.refused("setattr "+name, s.SetAttr(s.Context(), s.at(name), backend.Attr{Mode: &mode}), backend.ErrLink, name)
		s.refused("set size "+name, s.SetAttr(s.Context(), s.at(name), backend.Attr{Size: new(int64)}), backend.ErrLink, name)
		_, err = s.Properties(s.Context(), s.at(name))
		s.refused("properties "+name, err, backend.ErrLink, name)
		s.refused("sync "+name, s.Sync(s.Context(), s.at(name)), backend.ErrLink, name)
	}
	s.gone("/none")
	s.holds("/a", "content")
}

func linkOnTheWay(s *store) {
	s.mkdir("/d", "/d/sub")
	s.write("/d/sub/a", "content")
	s.symlink("d", "/l")
	s.symlink("sub", "/d/m")
	for _, way := range []string{"/l/sub", "/d/m", "/l/m"} {
		name, fresh := way+"/a", way+"/new"
		_, err := s.open(name, backend.How{Read: true})
		s.refused("open", err, backend.ErrLink, name)
		_, err = s.open(fresh, backend.How{Write: true, Create: true})
		s.refused("create", err, backend.ErrLink, fresh)
		_, err = s.stat(name)
		s.refused("stat", err, backend.ErrLink, name)
		s.refused("mkdir", s.Mkdir(s.Context(), s.at(fresh)), backend.ErrLink, fresh)
		s.refused("remove", s.Remove(s.Context(), s.at(name)), backend.ErrLink, name)
		s.refused("rename from", s.rename(name, "/b", true), backend.ErrLink, name, "/b")
		s.refused("rename to", s.rename("/d/sub/a", fresh, true), backend.ErrLink, "/d/sub/a", fresh)
		s.refused("symlink", s.Symlink(s.Context(), "x", s.at(fresh)), backend.ErrLink, fresh)
		s.refused("link to", s.Link(s.Context(), s.at("/d/sub/a"), s.at(fresh)), backend.ErrLink, "/d/sub/a", fresh)
		s.refused("link from", s.Link(s.Context(), s.at(name), s.at("/b")), backend.ErrLink, name, "/b")
		_, err = s.Space(s.Context(), s.at(name))
		s.refused("space", err, backend.ErrLink, name)
	}
	if got := s.names("/d/sub"); !slices.Equal(got, []string{"a"}) {
		s.Errorf("through links came %q, want a alone", got)
	}
}

func linkItself(s *store) {
	s.mkdir("/d")
	s.write("/d/a", "content")
	s.symlink("d", "/l")
	s.must("rename a link", s.rename("/l", "/m", false))
	if got, err := s.Readlink(s.Context(), s.at("/m")); err != nil || got != "d" {
		s.Errorf("readlink: got %q, %v, want d", got, err)
	}
	s.refused("remove a link as a folder", s.RemoveDir(s.Context(), s.at("/m")), backend.ErrNotDir, "/m")
	s.must("remove a link", s.Remove(s.Context(), s.at("/m")))
	s.holds("/d/a", "content")
}

func hardLink(s *store) {
	s.mkdir("/d")
	s.write("/a", "content")
	s.must("link", s.Link(s.Context(), s.at("/a"), s.at("/d/b")))
	a, b := s.mustStat("/a"), s.mustStat("/d/b")
	if a.ID != b.ID || a.Links != 2 {
		s.Errorf("got %+v and %+v, want one file with two links", a, b)
	}
	s.refused("link where something is", s.Link(s.Context(), s.at("/a"), s.at("/d/b")), fs.ErrExist, "/a", "/d/b")
	s.refused("link of nothing", s.Link(s.Context(), s.at("/none"), s.at("/c")), fs.ErrNotExist, "/none", "/c")
	s.must("remove", s.Remove(s.Context(), s.at("/a")))
	s.holds("/d/b", "content")
}

func hardLinkOdd(s *store) {
	s.mkdir("/d")
	s.refused("of a folder", s.Link(s.Context(), s.at("/d"), s.at("/e")), backend.ErrIsDir, "/d", "/e")
	s.symlink("d", "/l")
	s.refused("of a link", s.Link(s.Context(), s.at("/l"), s.at("/e")), backend.ErrLink, "/l", "/e")
	s.gone("/e")
}

// rename(2) of one name of a file onto another name of it does nothing and
// says that it went well: the old name would stay.
func hardLinkRename(s *store) {
	s.write("/a", "content")
	s.must("link", s.Link(s.Context(), s.at("/a"), s.at("/b")))
	s.refused("rename", s.rename("/a", "/b", false), fs.ErrExist, "/a", "/b")
	s.must("rename, replacing", s.rename("/a", "/b", true))
	s.gone("/a")
	s.holds("/b", "content")
}
