package guard_test

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
)

func (w *world) wantNames(u *user, p string, want ...string) {
	w.t.Helper()
	got, err := u.names(p)
	if err != nil {
		w.t.Fatalf("list %s: %v", p, err)
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("list %s: got %q, want %q", p, got, want)
	}
}

// Folders on the way to a granted one are shells: visible, and showing only
// what leads on. What lies beside does not exist.
func TestShells(t *testing.T) {
	w := newWorld(t)
	w.put("/a/b/granted/f", "f")
	w.put("/a/b/hidden/f", "f")
	w.put("/a/secret", "s")
	w.put("/other/x", "x")
	u := w.stranger("eve", granted("/a/b/granted", policy.ReadOnly))
	w.wantNames(u, "/", "a")
	w.wantNames(u, "/a", "b")
	w.wantNames(u, "/a/b", "granted")
	w.wantNames(u, "/a/b/granted", "f")
	for _, p := range []string{"/a", "/a/b", "/a/b/granted", "/a/b/granted/f"} {
		if _, err := u.Stat(t.Context(), tp(p)); err != nil {
			t.Errorf("stat %s: %v", p, err)
		}
	}
	for _, p := range []string{"/a/secret", "/a/b/hidden", "/a/b/hidden/f", "/a/b/hidden/f/deeper", "/a/secret/x", "/a/secret/x/y", "/other", "/other/x", "/home"} {
		_, err := u.Stat(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
		_, err = u.Lstat(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
		_, err = u.List(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
		_, err = u.download(p)
		w.want(err, fs.ErrNotExist)
		w.want(u.upload(p, "x"), fs.ErrNotExist)
		w.want(u.Mkdir(t.Context(), tp(p), 0), fs.ErrNotExist)
		w.want(u.Remove(t.Context(), tp(p)), fs.ErrNotExist)
		w.want(u.RemoveDir(t.Context(), tp(p)), fs.ErrNotExist)
		w.want(u.RemoveAll(t.Context(), tp(p)), fs.ErrNotExist)
		w.want(u.SetProperties(t.Context(), tp(p), nil), fs.ErrNotExist)
		w.want(u.SetAttr(t.Context(), tp(p), backend.Attr{}), fs.ErrNotExist)
		w.want(u.Rename(t.Context(), tp(p), tp("/a/b/granted/g"), guard.ReplaceAny), fs.ErrNotExist)
		w.want(u.Copy(t.Context(), tp(p), tp("/a/b/granted/g"), guard.CopyHow{}), fs.ErrNotExist)
		_, _, err = u.Lock(t.Context(), tp(p), guard.LockRequest{})
		w.want(err, fs.ErrNotExist)
	}
	// A shell gives no right on itself.
	w.want(u.Mkdir(t.Context(), tp("/a/new"), 0), fs.ErrNotExist)
	w.want(u.RemoveAll(t.Context(), tp("/a")), fs.ErrPermission)
	w.want(u.Rename(t.Context(), tp("/a/b"), tp("/a/b/granted/b"), guard.KeepTarget), fs.ErrInvalid)
}

// A root gives no right by itself, and yet there has to be one to log in to.
func TestRootIsAlwaysThere(t *testing.T) {
	w := newWorld(t)
	w.put("/empty/secret", "s")
	for _, p := range []string{"/empty", "/missing"} {
		u := w.stranger("eve", root(p))
		info, err := u.Stat(t.Context(), tp("/"))
		w.must(err)
		if !info.IsDir() || info.Name() != "/" {
			t.Fatalf("the root is %v %q", info.Mode(), info.Name())
		}
		w.wantNames(u, "/")
		if _, err := u.Space(t.Context(), tp("/")); err != nil {
			t.Fatal(err)
		}
		if _, err := u.RealPath(t.Context(), tp("/")); err != nil {
			t.Fatal(err)
		}
		_, err = u.Stat(t.Context(), tp("/secret"))
		w.want(err, fs.ErrNotExist)
		w.want(u.Mkdir(t.Context(), tp("/x"), 0), fs.ErrNotExist)
	}
}

// A drop box shows no names, refuses those that exist, and lets the session
// look at and set the times of what it made itself.
func TestDropBox(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		t.Run(string(how), func(t *testing.T) {
			w := newWorld(t)
			w.put("/drop/there", "old")
			u := w.stranger("eve", grantedAt("/drop", policy.UploadOnly, "box"), uploads(how))
			_, err := u.List(t.Context(), tp("/box"))
			w.want(err, fs.ErrPermission)
			w.must(u.upload("/box/mine", "new"))
			if _, err := u.Stat(t.Context(), tp("/box/mine")); err != nil {
				t.Fatal(err)
			}
			mode := fs.FileMode(0o644)
			w.must(u.SetAttr(t.Context(), tp("/box/mine"), backend.Attr{Mode: &mode}))
			w.want(u.SetAttr(t.Context(), tp("/box/mine"), backend.Attr{Size: new(int64)}), fs.ErrPermission)
			w.want(u.SetAttr(t.Context(), tp("/box/there"), backend.Attr{Mode: &mode}), fs.ErrPermission)
			w.want(u.upload("/box/mine", "again"), fs.ErrPermission)
			w.want(u.upload("/box/there", "new"), fs.ErrPermission)
			w.want(u.Remove(t.Context(), tp("/box/mine")), fs.ErrPermission)
			w.want(u.Rename(t.Context(), tp("/box/mine"), tp("/box/m"), guard.KeepTarget), fs.ErrPermission)
			_, err = u.download("/box/mine")
			w.want(err, fs.ErrPermission)
			if got := w.content("/drop/mine") + w.content("/drop/there"); got != "newold" {
				t.Fatal(got)
			}
			// Another session has made nothing.
			other := w.stranger("mal", grantedAt("/drop", policy.UploadOnly, "box"))
			w.want(other.SetAttr(t.Context(), tp("/box/mine"), backend.Attr{Mode: &mode}), fs.ErrPermission)
			// WebDAV clients lock a name first: the empty file may be filled, once.
			dav := w.stranger("dav", grantedAt("/drop", policy.UploadOnly, "box"), through(policy.WebDAV))
			l, created, err := dav.Lock(t.Context(), tp("/box/locked"), guard.LockRequest{})
			w.must(err)
			if !created || l.Path != tp("/drop/locked") {
				t.Fatalf("got %+v", l)
			}
			locked := &user{FS: dav.With([]string{l.Token}), w: w}
			w.must(locked.upload("/box/locked", "filled"))
			w.want(locked.upload("/box/locked", "again"), fs.ErrPermission)
		})
	}
}

// A grant with a name appears in the root; the shared folder itself is nobody's
// to move or remove by it.
func TestSharedFolders(t *testing.T) {
	w := newWorld(t)
	w.put("/groups/team/plan", "p")
	w.put("/home/ann/own", "o")
	u := w.user("ann", grantedAt("/groups/team", policy.Full, "team"), grantedAt("/groups/gone", policy.Full, "gone"))
	w.wantNames(u, "/", "own", "team")
	w.wantNames(u, "/team", "plan")
	w.must(u.upload("/team/new", "n"))
	if w.content("/groups/team/new") != "n" {
		t.Fatal("it went elsewhere")
	}
	w.want(u.RemoveAll(t.Context(), tp("/team")), fs.ErrPermission)
	w.want(u.RemoveDir(t.Context(), tp("/team")), fs.ErrPermission)
	w.want(u.Rename(t.Context(), tp("/team"), tp("/mine"), guard.KeepTarget), fs.ErrPermission)
	w.want(u.Rename(t.Context(), tp("/own"), tp("/team"), guard.ReplaceAny), fs.ErrPermission)
	w.want(u.Copy(t.Context(), tp("/own"), tp("/team"), guard.CopyHow{Replace: guard.ReplaceAny}), fs.ErrPermission)
	w.must(u.Rename(t.Context(), tp("/own"), tp("/team/own"), guard.KeepTarget))
	w.must(u.Copy(t.Context(), tp("/team"), tp("/copy"), guard.CopyHow{}))
	w.wantNames(u, "/copy", "new", "own", "plan")
	real, err := u.RealPath(t.Context(), tp("/team/plan"))
	w.must(err)
	if real != tp("/team/plan") {
		t.Fatal(real)
	}
}

// An account can neither remove nor rename its home and root, or what holds them.
func TestHomeStays(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "f")
	u := w.user("ann", root("/"), granted("/", policy.Full))
	for _, p := range []string{"/home/ann", "/home", "/"} {
		w.want(u.RemoveAll(t.Context(), tp(p)), fs.ErrPermission)
		w.want(u.RemoveDir(t.Context(), tp(p)), fs.ErrPermission)
	}
	w.want(u.Rename(t.Context(), tp("/home/ann"), tp("/x"), guard.KeepTarget), fs.ErrPermission)
	w.want(u.Rename(t.Context(), tp("/home"), tp("/x"), guard.KeepTarget), fs.ErrPermission)
	w.folder("/other")
	w.want(u.Rename(t.Context(), tp("/other"), tp("/home"), guard.ReplaceAny), fs.ErrPermission)
	w.want(u.Copy(t.Context(), tp("/other"), tp("/home/ann"), guard.CopyHow{Replace: guard.ReplaceAny}), fs.ErrPermission)
	if w.content("/home/ann/f") != "f" {
		t.Fatal("gone")
	}
	own := w.user("bob")
	w.want(own.RemoveAll(t.Context(), tp("/")), fs.ErrPermission)
	w.want(own.Rename(t.Context(), tp("/"), tp("/x"), guard.KeepTarget), fs.ErrInvalid)
	// The administration's own work is not held by that.
	system := w.tree.System("test", nil)
	w.must(system.Rename(t.Context(), tp("/home/ann"), tp("/kept"), guard.KeepTarget))
	w.must(system.RemoveAll(t.Context(), tp("/kept")))
}

// A grant that is not recursive covers a folder and its direct files: the
// folders below do not exist.
func TestDirectGrant(t *testing.T) {
	w := newWorld(t)
	w.put("/share/f", "f")
	w.put("/share/sub/g", "g")
	u := w.stranger("eve", direct("/share", policy.Full), granted("/out", policy.Full))
	w.folder("/out")
	w.wantNames(u, "/share", "f")
	for _, p := range []string{"/share/sub", "/share/sub/g"} {
		_, err := u.Stat(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
		_, err = u.download(p)
		w.want(err, fs.ErrNotExist)
	}
	w.want(u.upload("/share/sub", "x"), fs.ErrNotExist)
	w.want(u.Mkdir(t.Context(), tp("/share/new"), 0), fs.ErrNotExist)
	w.want(u.RemoveAll(t.Context(), tp("/share")), fs.ErrPermission)
	w.want(u.Copy(t.Context(), tp("/share"), tp("/out/copy"), guard.CopyHow{}), fs.ErrPermission)
	w.must(u.upload("/share/f", "new"))
	w.must(u.Remove(t.Context(), tp("/share/f")))
}

// Moving never widens: what could not be read cannot be read after a move.
func TestMovingNeverWidens(t *testing.T) {
	w := newWorld(t)
	w.put("/in/f", "secret")
	w.put("/in/d/f", "secret")
	u := w.stranger("eve", granted("/in", policy.Create|policy.Delete|policy.List), granted("/out", policy.Full))
	w.folder("/out")
	w.want(u.Rename(t.Context(), tp("/in/f"), tp("/out/f"), guard.KeepTarget), fs.ErrPermission)
	w.want(u.Rename(t.Context(), tp("/in/d"), tp("/out/d"), guard.KeepTarget), fs.ErrPermission)
	if !w.exists("/in/f") || !w.exists("/in/d/f") {
		t.Fatal("moved")
	}
	u.change(func(a *policy.Account) { a.Grants[0].Permissions |= policy.Read })
	w.want(u.Rename(t.Context(), tp("/in/f"), tp("/out/f"), guard.KeepTarget), fs.ErrPermission) // share
	u.change(func(a *policy.Account) { a.Grants[0].Permissions |= policy.Share })
	w.must(u.Rename(t.Context(), tp("/in/f"), tp("/out/f"), guard.KeepTarget))
	// A folder of which part is out of reach is not copied either.
	v := w.stranger("mal", direct("/in", policy.Full), granted("/out", policy.Full))
	w.want(v.Copy(t.Context(), tp("/in"), tp("/out/copy"), guard.CopyHow{}), fs.ErrPermission)
}

// A credential that is read-only, or for one folder, takes away from what the
// account may do, and cannot be worked around.
func TestCredentialScope(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/in/f", "f")
	w.put("/home/ann/out/f", "f")
	reader := w.user("ann", readOnly)
	for _, o := range operations() {
		err := o.do(t.Context(), reader, "/in")
		if changes := o.kind != "" && o.kind != "file.list" && o.kind != "file.download"; changes {
			if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s by a read-only credential: %v", o.name, err)
			}
		}
	}
	if w.content("/home/ann/in/f") != "f" || w.exists("/home/ann/in/new") {
		t.Fatal("changed")
	}
	scoped := w.user("ann", within("/home/ann/in"))
	w.wantNames(scoped, "/", "in")
	w.wantNames(scoped, "/in", "f")
	for _, p := range []string{"/out", "/out/f"} {
		_, err := scoped.Stat(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
	}
	w.want(scoped.upload("/new", "x"), fs.ErrNotExist)
	w.want(scoped.Rename(t.Context(), tp("/in/f"), tp("/out/g"), guard.KeepTarget), fs.ErrNotExist)
	w.want(scoped.Copy(t.Context(), tp("/in/f"), tp("/g"), guard.CopyHow{}), fs.ErrNotExist)
	w.want(scoped.Copy(t.Context(), tp("/out/f"), tp("/in/g"), guard.CopyHow{}), fs.ErrNotExist)
	w.want(scoped.RemoveAll(t.Context(), tp("/in")), nil)
}

// Special files and the gateway's own folder are never listed or reached.
func TestUnreachable(t *testing.T) {
	w := newWorld(t)
	u := w.user("root", root("/"), granted("/", policy.Full))
	w.folder("/d")
	w.must(unix.Mkfifo(w.disk("/d/fifo"), 0o600))
	w.wantNames(u, "/d")
	for _, p := range []string{"/d/fifo", "/" + mount.Reserved, "/" + mount.Reserved + "/staging"} {
		_, err := u.Stat(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
		_, err = u.download(p)
		w.want(err, fs.ErrNotExist)
		if u.upload(p, "x") == nil || u.Mkdir(t.Context(), tp(p), 0) == nil ||
			u.Remove(t.Context(), tp(p)) == nil || u.RemoveAll(t.Context(), tp(p)) == nil {
			t.Fatalf("%s can be changed", p)
		}
	}
	names, err := u.names("/")
	w.must(err)
	if slices.Contains(names, mount.Reserved) {
		t.Fatal(names)
	}
	err = u.RemoveDir(t.Context(), tp("/d"))
	w.want(err, backend.ErrNotEmpty)
	if !strings.Contains(err.Error(), "special") {
		t.Fatalf("the text does not say why: %v", err)
	}
	w.must(u.RemoveAll(t.Context(), tp("/d")))
	if w.exists("/d") {
		t.Fatal("still there")
	}
}

// Mount points stay, and nothing moves between mounts.
func TestMounts(t *testing.T) {
	other := t.TempDir()
	w := newWorldWith(t, map[string]string{"/mnt/two": other})
	u := w.user("root", root("/"), granted("/", policy.Full))
	w.must(u.upload("/mnt/two/f", "f"))
	if _, err := os.Stat(other + "/f"); err != nil {
		t.Fatal(err)
	}
	w.put("/g", "g")
	w.folder("/d")
	w.want(u.Rename(t.Context(), tp("/g"), tp("/mnt/two/g"), guard.KeepTarget), backend.ErrCrossMount)
	w.want(u.Rename(t.Context(), tp("/mnt"), tp("/m"), guard.KeepTarget), backend.ErrBusy)
	w.want(u.RemoveAll(t.Context(), tp("/mnt")), backend.ErrBusy)
	w.want(u.RemoveAll(t.Context(), tp("/mnt/two")), backend.ErrBusy)
	w.want(u.RemoveDir(t.Context(), tp("/mnt/two")), backend.ErrBusy)
	w.must(u.Copy(t.Context(), tp("/g"), tp("/mnt/two/g"), guard.CopyHow{}))
	w.must(u.Copy(t.Context(), tp("/mnt/two"), tp("/d/copy"), guard.CopyHow{}))
	if w.content("/d/copy/g") != "g" {
		t.Fatal("not copied")
	}
	n, err := w.tree.Walk(t.Context(), tp("/"))
	w.must(err)
	if want := (quota.Amount{Bytes: 5, Files: 5}); n != want {
		t.Fatalf("walk counts %+v, want %+v", n, want)
	}
}

// Names are kept as bytes, portable only where the site asks for it.
func TestNames(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	for _, name := range []string{"\xff\xfe", "Icon\r", "a\nb", strings.Repeat("x", 255), "CON", `a\b`} {
		w.must(u.upload("/"+name, "x"))
		if _, err := u.Stat(t.Context(), tp("/"+name)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	w.site.Names = policy.NamesPortable
	u.change(func(*policy.Account) {})
	w.want(u.upload("/a:b", "x"), policy.ErrName)
	w.want(u.Mkdir(t.Context(), tp("/a:b"), 0), policy.ErrName)
	w.want(u.Rename(t.Context(), tp("/CON"), tp("/a:b"), guard.KeepTarget), policy.ErrName)
	w.want(u.Copy(t.Context(), tp("/CON"), tp("/a:b"), guard.CopyHow{}), policy.ErrName)
	w.want(u.Link(t.Context(), tp("/CON"), tp("/a:b")), policy.ErrName)
	_, _, err := u.Lock(t.Context(), tp("/a:b"), guard.LockRequest{})
	w.want(err, policy.ErrName)
	w.must(u.upload("/CON", "what is there stays usable"))
}

// Errors speak of the account's own paths, never of the tree's or the machine's.
func TestErrorsKeepPathsSecret(t *testing.T) {
	w := newWorld(t)
	w.put("/groups/team/f", "f")
	u := w.user("ann", grantedAt("/groups/team", policy.ReadOnly, "team"))
	w.limit("/groups", 0, 0)
	w.limit("/home/ann", 1, 1)
	errs := map[string]error{}
	_, errs["missing"] = u.Stat(t.Context(), tp("/team/missing"))
	errs["denied"] = u.upload("/team/f", "x")
	errs["full"] = u.upload("/f", "too much")
	errs["not empty"] = u.RemoveDir(t.Context(), tp("/"))
	errs["rename"] = u.Rename(t.Context(), tp("/team/f"), tp("/x"), guard.KeepTarget)
	_, _, errs["lock"] = u.Lock(t.Context(), tp("/team/f"), guard.LockRequest{})
	_, errs["isdir"] = u.Open(t.Context(), tp("/team"), guard.Open{Read: true})
	_, errs["notdir"] = u.List(t.Context(), tp("/team/f"))
	for name, err := range errs {
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, secret := range []string{w.dir, "/home", "/groups"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	var full *quota.ExceededError
	if !errors.As(errs["full"], &full) || full.Folder != tp("/") {
		t.Errorf("got %#v", errs["full"])
	}
}
