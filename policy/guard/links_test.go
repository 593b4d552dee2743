package guard_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
)

// A link is followed where its own path and where it leads are both allowed;
// in every other case nothing is there, though the listing shows a link.
func TestLinks(t *testing.T) {
	w := newWorld(t)
	outside := t.TempDir()
	w.must(os.WriteFile(filepath.Join(outside, "passwd"), []byte("machine"), 0o644))
	w.put("/home/ann/d/f", "own")
	w.put("/home/bob/f", "bob's")
	w.put("/home/bob/d/f", "bob's")
	links := map[string]struct{ target, reads string }{
		"to-file":        {"d/f", "own"},
		"to-dot":         {"./d/../d/f", "own"},
		"chain":          {"to-file", "own"},
		"up-and-back":    {"../ann/d/f", "own"},
		"absolute":       {filepath.Join(outside, "passwd"), ""},
		"absolute-tree":  {"/home/ann/d/f", ""},
		"absolute-own":   {w.disk("/home/ann/d/f"), ""},
		"other":          {"../bob/f", ""},
		"out":            {"../../../../../../../../../../" + outside + "/passwd", ""},
		"out-by-one":     {"../../../" + filepath.Base(w.dir) + "/home/ann/d/f", ""},
		"broken":         {"nothing", ""},
		"loop":           {"loop", ""},
		"through-a-file": {"d/f/../f", ""},
		"empty-way":      {"d//f", "own"},
	}
	for name, l := range links {
		w.link(l.target, "/home/ann/"+name)
	}
	w.link("loop-b", "/home/ann/loop-a")
	w.link("loop-a", "/home/ann/loop-b")
	w.link("d", "/home/ann/to-dir")
	w.link("../bob/d", "/home/ann/to-other-dir")
	u := w.user("ann")

	names, err := u.names("/")
	w.must(err)
	for name, l := range links {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not listed", name)
		}
		info, err := u.Lstat(t.Context(), tp("/"+name))
		if err != nil || info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("lstat %s: %v %v", name, info.Mode(), err)
		}
		got, err := u.download("/" + name)
		if l.reads == "" {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("read %s: %q, %v", name, got, err)
			}
			if _, err := u.Stat(t.Context(), tp("/"+name)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("stat %s: %v", name, err)
			}
			continue
		}
		if err != nil || got != l.reads {
			t.Errorf("read %s: %q, %v", name, got, err)
		}
		if info, err := u.Stat(t.Context(), tp("/"+name)); err != nil || !info.Mode().IsRegular() || info.Name() != name {
			t.Errorf("stat %s: %v %v", name, info.Name(), err)
		}
	}
	w.wantNames(u, "/to-dir", "f")
	_, err = u.names("/to-other-dir")
	w.want(err, fs.ErrNotExist)
	w.want(u.upload("/to-other-dir/new", "x"), fs.ErrNotExist)
	w.must(u.upload("/to-dir/new", "x"))
	if w.content("/home/ann/d/new") != "x" || w.exists("/home/bob/d/new") {
		t.Fatal("it went elsewhere")
	}
	real, err := u.RealPath(t.Context(), tp("/to-dir/new"))
	w.must(err)
	if real != tp("/d/new") {
		t.Fatalf("real path %s", real)
	}
	// Removing and renaming mean the link, not where it leads.
	w.must(u.Remove(t.Context(), tp("/other")))
	w.must(u.Rename(t.Context(), tp("/out"), tp("/d/out"), guard.KeepTarget))
	w.must(u.RemoveAll(t.Context(), tp("/to-other-dir")))
	if w.content("/home/bob/d/f") != "bob's" || w.content("/home/bob/f") != "bob's" {
		t.Fatal("bob lost something")
	}
}

// Each operation through a link into another account's home is refused, and
// changes nothing there; where a grant allows the real path too, it works.
func TestOperationsThroughLinks(t *testing.T) {
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			w := newWorld(t)
			w.site.Symlinks = policy.Allow
			w.put("/home/bob/old", "ab")
			w.folder("/home/bob/void")
			w.put("/home/bob/tree/leaf", "leaf")
			u := w.user("ann")
			w.link("../bob", "/home/ann/link")
			before := snapshot(t, w.disk("/home/bob"))
			if err := o.do(t.Context(), u, "/link"); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("got %v", err)
			}
			if after := snapshot(t, w.disk("/home/bob")); after != before {
				t.Fatalf("changed:\n%s\nwas\n%s", after, before)
			}
			u.change(func(a *policy.Account) {
				a.Grants = []policy.Grant{{Path: tp("/home/bob"), Permissions: policy.Full, Recursive: true}}
			})
			if err := o.do(t.Context(), u, "/link"); err != nil {
				t.Fatalf("with a grant: %v", err)
			}
		})
	}
}

// A right at the real path is no right at the link's own path.
func TestLinkNeedsItsOwnPath(t *testing.T) {
	w := newWorld(t)
	w.put("/data/f", "f")
	w.folder("/box")
	w.link("../data", "/box/link")
	w.link("../data/f", "/box/file")
	u := w.stranger("eve", granted("/data", policy.Full), granted("/box", policy.ReadOnly))
	_, err := u.download("/box/link/f")
	w.must(err)
	w.want(u.upload("/box/link/f", "x"), fs.ErrPermission)
	w.want(u.upload("/box/link/new", "x"), fs.ErrPermission)
	w.want(u.upload("/box/file", "x"), fs.ErrPermission)
	w.want(u.Remove(t.Context(), tp("/box/link/f")), fs.ErrPermission)
	w.want(u.Rename(t.Context(), tp("/box/link/f"), tp("/data/g"), guard.KeepTarget), fs.ErrPermission)
	w.want(u.Mkdir(t.Context(), tp("/box/link/d"), 0), fs.ErrPermission)
	w.want(u.SetAttr(t.Context(), tp("/box/file"), backend.Attr{Size: new(int64)}), fs.ErrPermission)
	if w.content("/data/f") != "f" {
		t.Fatal("changed")
	}
}

// Links that clients make lead to the same place in the tree, on the machine
// and for who reads them back, and never out of what the account sees.
func TestSymlink(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/d/f", "f")
	w.put("/groups/team/g", "g")
	u := w.user("ann", grantedAt("/groups/team", policy.Full, "team"))
	w.want(u.Symlink(t.Context(), "f", tp("/d/l")), fs.ErrPermission) // the site's default
	w.site.Symlinks = policy.Allow
	u.change(func(*policy.Account) {})
	for _, l := range []struct{ at, target, stored, shown, reads string }{
		{"/d/l1", "f", "f", "f", "f"},
		{"/d/l2", "/d/f", "f", "f", "f"},
		{"/l3", "/d/f", "d/f", "d/f", "f"},
		{"/l4", "d", "d", "d", ""},
		{"/d/l5", "../team/g", "../../../groups/team/g", "../team/g", "g"},
		{"/team/l6", "../d/f", "../../home/ann/d/f", "../d/f", "f"},
		{"/l7", "/../../../team/g", "../../groups/team/g", "team/g", "g"},
		{"/l8", "later", "later", "later", ""},
		{"/d/l9", ".", ".", ".", ""},
	} {
		w.must(u.Symlink(t.Context(), l.target, tp(l.at)))
		disk := u.tree(l.at)
		stored, err := os.Readlink(w.disk(disk))
		w.must(err)
		if stored != l.stored {
			t.Errorf("%s -> %s is stored as %s, want %s", l.at, l.target, stored, l.stored)
		}
		shown, err := u.Readlink(t.Context(), tp(l.at))
		if err != nil || shown != l.shown {
			t.Errorf("%s reads as %s, %v, want %s", l.at, shown, err, l.shown)
		}
		if l.reads == "" {
			continue
		}
		if got, err := u.download(l.at); err != nil || got != l.reads {
			t.Errorf("%s: %q, %v", l.at, got, err)
		}
		if w.content(disk) != l.reads {
			t.Errorf("the machine finds something else at %s", l.at)
		}
	}
	w.want(u.Symlink(t.Context(), "", tp("/x")), fs.ErrInvalid)
	w.want(u.Symlink(t.Context(), "d", tp("/d")), fs.ErrExist)
	_, err := u.Readlink(t.Context(), tp("/d/f"))
	w.want(err, fs.ErrInvalid)
	w.link("/etc/passwd", "/home/ann/machine")
	w.link("../bob/secret", "/home/ann/bob")
	for _, p := range []string{"/machine", "/bob"} {
		got, err := u.Readlink(t.Context(), tp(p))
		if !errors.Is(err, fs.ErrNotExist) || got != "" {
			t.Errorf("readlink %s: %q, %v", p, got, err)
		}
	}
	// A link to what the account may not know of is not made.
	v := w.stranger("eve", granted("/groups/team", policy.Full))
	w.want(v.Symlink(t.Context(), "/home/ann/d/f", tp("/groups/team/x")), fs.ErrPermission)
}

// tree is the tree path that a user of the tests means.
func (u *user) tree(p string) string {
	if rest, ok := strings.CutPrefix(p, "/team"); ok {
		return "/groups/team" + rest
	}
	return "/home/ann" + p
}

// Copying a tree takes links along only for who may make them, and never what
// they lead to.
func TestCopyTreeWithLinks(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/d/f", "f")
	w.put("/home/bob/secret", "s")
	w.link("../../bob/secret", "/home/ann/d/out")
	w.link("f", "/home/ann/d/in")
	u := w.user("ann")
	w.must(u.Copy(t.Context(), tp("/d"), tp("/without"), guard.CopyHow{}))
	w.wantNames(u, "/without", "f")
	w.site.Symlinks = policy.Allow
	u.change(func(*policy.Account) {})
	w.must(u.Copy(t.Context(), tp("/d"), tp("/with"), guard.CopyHow{}))
	w.wantNames(u, "/with", "f", "in", "out")
	if to, err := os.Readlink(w.disk("/home/ann/with/in")); err != nil || to != "f" {
		t.Fatal(to, err)
	}
	w.want(u.Copy(t.Context(), tp("/d/out"), tp("/stolen"), guard.CopyHow{}), fs.ErrNotExist)
}

// A hard link asks for as much as it gives, and is one file to the quota.
func TestHardLinks(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "12345")
	w.limit("/home/ann", 100, 10)
	u := w.user("ann", granted("/out", policy.Full))
	w.folder("/out")
	w.must(u.Link(t.Context(), tp("/f"), tp("/g")))
	w.checkQuota("/home/ann")
	w.want(u.Link(t.Context(), tp("/f"), tp("/g")), fs.ErrExist)
	w.must(u.upload("/g", "1234567"))
	w.checkQuota("/home/ann")
	w.must(u.Remove(t.Context(), tp("/f")))
	w.checkQuota("/home/ann")
	w.must(u.Link(t.Context(), tp("/g"), tp("/h")))
	w.must(u.Rename(t.Context(), tp("/g"), tp("/h"), guard.ReplaceFile))
	w.checkQuota("/home/ann")
	w.must(u.Link(t.Context(), tp("/h"), tp("/i")))
	v := w.user("ann", root("/"), granted("/out", policy.Full))
	w.want(v.Link(t.Context(), tp("/home/ann/h"), tp("/out/h")), backend.ErrUnsupported)
	w.want(v.Rename(t.Context(), tp("/home/ann/h"), tp("/out/h"), guard.KeepTarget), backend.ErrUnsupported)
	w.must(u.RemoveAll(t.Context(), tp("/i")))
	w.must(u.RemoveAll(t.Context(), tp("/h")))
	w.checkQuota("/home/ann")
	// No right at the new name that the old one does not give.
	w.put("/half/f", "f")
	e := w.stranger("eve", granted("/half", policy.Read|policy.Write), granted("/out", policy.Full))
	w.want(e.Link(t.Context(), tp("/half/f"), tp("/out/f")), fs.ErrPermission)
}

// A handle stays on the file that was judged, whatever becomes of its name.
func TestHandleOutlivesName(t *testing.T) {
	w := newWorld(t)
	w.put("/home/bob/f", "bob's")
	u := w.user("ann")
	w.must(u.upload("/f", "mine"))
	f, err := u.Open(t.Context(), tp("/f"), guard.Open{Read: true, Write: true})
	w.must(err)
	w.must(os.Remove(w.disk("/home/ann/f")))
	w.link("../bob/f", "/home/ann/f")
	if _, err := f.WriteAt([]byte("MINE"), 0); err != nil {
		t.Fatal(err)
	}
	w.must(f.SetAttr(backend.Attr{Size: new(int64)}))
	w.must(f.Close())
	if got := w.content("/home/bob/f"); got != "bob's" {
		t.Fatalf("bob's file is now %q", got)
	}
}

// A staged upload does not follow a link that came to its name meanwhile.
func TestStagedUploadMeetsLink(t *testing.T) {
	w := newWorld(t)
	w.put("/home/bob/f", "bob's")
	w.put("/home/bob/d/f", "bob's")
	u := w.user("ann", uploads(policy.Atomic))
	w.folder("/home/ann/d")
	for _, p := range []string{"/f", "/d/f"} {
		f, err := u.Open(t.Context(), tp(p), newFile)
		w.must(err)
		_, err = f.WriteAt([]byte("ann's"), 0)
		w.must(err)
		if p == "/f" {
			w.link("../bob/f", "/home/ann/f")
		} else {
			w.must(os.Rename(w.disk("/home/ann/d"), w.disk("/home/ann/d2")))
			w.link("../bob/d", "/home/ann/d")
		}
		if err := f.Close(); err == nil {
			t.Fatalf("%s was put in place", p)
		}
	}
	if got := fmt.Sprint(w.content("/home/bob/f"), w.content("/home/bob/d/f")); got != "bob'sbob's" {
		t.Fatal(got)
	}
	if got := w.staged(); len(got) > 0 {
		t.Fatalf("left in staging: %q", got)
	}
}
