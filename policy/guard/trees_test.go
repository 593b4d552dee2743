package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
)

// What is moved or copied onto itself, into itself or onto what holds it is
// refused before anything is touched, whatever the names say.
func TestOntoItself(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/d/sub/f", "f")
	w.put("/groups/team/sub/g", "g")
	w.link("d", "/home/ann/link")
	w.link("d/sub", "/home/ann/deep")
	u := w.user("ann", root("/"), granted("/", policy.Full), grantedAt("/groups/team", policy.Full, "team"))
	before := snapshot(t, w.dir)
	for _, p := range [][2]string{
		{"/home/ann/d", "/home/ann/d"},
		{"/home/ann/d", "/home/ann/d/sub"},
		{"/home/ann/d", "/home/ann/d/new"},
		{"/home/ann/d/sub", "/home/ann/d"},
		{"/home/ann/d/sub/f", "/home/ann/d"},
		{"/home/ann/d", "/home/ann/link/new"},
		{"/home/ann/d", "/home/ann/link/sub"},
		{"/home/ann/link/sub", "/home/ann/d"},
		{"/home/ann/link/sub", "/home/ann/d/sub"},
		{"/groups/team/sub", "/team/sub"},
		{"/groups/team/sub", "/team/sub/new"},
		{"/team/sub", "/groups/team/sub"},
	} {
		for _, r := range []guard.Replace{guard.KeepTarget, guard.ReplaceFile, guard.ReplaceAny} {
			w.want(u.Rename(t.Context(), tp(p[0]), tp(p[1]), r), fs.ErrInvalid)
			w.want(u.Copy(t.Context(), tp(p[0]), tp(p[1]), guard.CopyHow{Replace: r}), fs.ErrInvalid)
		}
	}
	// Copying follows links: what it leads to cannot be its own target.
	for _, p := range [][2]string{{"/home/ann/link", "/home/ann/d/new"}, {"/home/ann/deep", "/home/ann/d"}, {"/home/ann/link", "/home/ann/d"}} {
		w.want(u.Copy(t.Context(), tp(p[0]), tp(p[1]), guard.CopyHow{Replace: guard.ReplaceAny}), fs.ErrInvalid)
	}
	if after := snapshot(t, w.dir); after != before {
		t.Fatalf("changed:\n%s\nwas\n%s", after, before)
	}
}

// What stands at a target gives way only as it was asked to, and comes back
// where the operation fails.
func TestReplace(t *testing.T) {
	const file, folder = "file", "folder"
	type result struct{ keep, file, any error }
	for what, want := range map[[2]string]result{
		{file, ""}:       {},
		{folder, ""}:     {},
		{file, file}:     {fs.ErrExist, nil, nil},
		{file, folder}:   {fs.ErrExist, backend.ErrIsDir, nil},
		{folder, file}:   {fs.ErrExist, backend.ErrNotDir, nil},
		{folder, folder}: {fs.ErrExist, backend.ErrIsDir, nil},
	} {
		for r, want := range []error{want.keep, want.file, want.any} {
			for _, copying := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s onto %s/%d/copy %v", what[0], what[1], r, copying), func(t *testing.T) {
					w := newWorld(t)
					u := w.user("ann")
					w.limit("/home/ann", 1000, 100)
					for i, p := range []string{"/home/ann/from", "/home/ann/to"} {
						switch what[i] {
						case file:
							w.must(u.upload(strings.TrimPrefix(p, "/home/ann"), p))
						case folder:
							w.must(u.Mkdir(t.Context(), tp(strings.TrimPrefix(p, "/home/ann")), 0))
							w.must(u.upload(strings.TrimPrefix(p, "/home/ann")+"/x"+fmt.Sprint(i), p))
						}
					}
					before := snapshot(t, w.disk("/home/ann"))
					var err error
					if copying {
						err = u.Copy(t.Context(), tp("/from"), tp("/to"), guard.CopyHow{Replace: guard.Replace(r)})
					} else {
						err = u.Rename(t.Context(), tp("/from"), tp("/to"), guard.Replace(r))
					}
					if !errors.Is(err, want) {
						t.Fatalf("got %v, want %v", err, want)
					}
					w.checkQuota("/home/ann")
					if len(w.staged()) > 0 {
						t.Fatal("left in staging")
					}
					if want != nil {
						if after := snapshot(t, w.disk("/home/ann")); after != before {
							t.Fatalf("changed:\n%s\nwas\n%s", after, before)
						}
						return
					}
					if w.exists("/home/ann/from") != copying || w.exists("/home/ann/to/x1") {
						t.Fatal(snapshot(t, w.disk("/home/ann")))
					}
				})
			}
		}
	}
}

// A copy that fails half way leaves no half, and the target as it was.
func TestCopyFailsWhole(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.put(fmt.Sprintf("/home/ann/from/d/f%02d", i), "0123456789")
	}
	w.put("/home/ann/to/old", "old")
	u := w.user("ann")
	w.limit("/home/ann", 300, 100)
	before := snapshot(t, w.disk("/home/ann"))
	if err := u.Copy(t.Context(), tp("/from"), tp("/to"), guard.CopyHow{Replace: guard.ReplaceAny}); err == nil {
		t.Fatal("copied beyond the limit")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.limit("/home/ann", 10000, 100)
	if err := u.Copy(ctx, tp("/from"), tp("/to"), guard.CopyHow{Replace: guard.ReplaceAny}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if after := snapshot(t, w.disk("/home/ann")); after != before {
		t.Fatalf("changed:\n%s\nwas\n%s", after, before)
	}
	w.checkQuota("/home/ann")
	if len(w.staged()) > 0 {
		t.Fatal("left in staging")
	}
	w.must(u.Copy(t.Context(), tp("/from"), tp("/shallow"), guard.CopyHow{Shallow: true}))
	w.wantNames(u, "/shallow")
}

// Properties go with a file through copies and renames, and change as one.
func TestProperties(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/d/f", "f")
	u := w.user("ann")
	set := func(p string, change map[string][]byte) error { return u.SetProperties(t.Context(), tp(p), change) }
	get := func(p string) string {
		t.Helper()
		props, err := u.Properties(t.Context(), tp(p))
		w.must(err)
		return fmt.Sprintf("%q", props)
	}
	w.must(set("/d/f", map[string][]byte{"a": []byte("1"), "b": []byte("2")}))
	w.must(set("/d/f", map[string][]byte{"a": nil, "c": []byte("3")}))
	w.must(set("/d", map[string][]byte{"folder": []byte("x")}))
	const file, folder = `map["b":"2" "c":"3"]`, `map["folder":"x"]`
	if get("/d/f") != file || get("/d") != folder {
		t.Fatal(get("/d/f"), get("/d"))
	}
	before := get("/d/f")
	w.want(set("/d/f", map[string][]byte{"b": nil, "huge": make([]byte, 1<<20)}), backend.ErrNoSpace)
	if get("/d/f") != before {
		t.Fatal("half of a change was made")
	}
	w.must(u.Copy(t.Context(), tp("/d"), tp("/e"), guard.CopyHow{}))
	w.must(u.Copy(t.Context(), tp("/d/f"), tp("/g"), guard.CopyHow{}))
	w.must(u.Rename(t.Context(), tp("/d"), tp("/h"), guard.KeepTarget))
	for p, want := range map[string]string{"/e": folder, "/e/f": file, "/g": file, "/h": folder, "/h/f": file} {
		if got := get(p); got != want {
			t.Errorf("%s has %s, want %s", p, got, want)
		}
	}
	dir, err := u.List(t.Context(), tp("/h"))
	w.must(err)
	found, err := dir.Next(9)
	w.must(err)
	props, err := dir.Properties(t.Context(), found[0])
	if err != nil || fmt.Sprintf("%q", props) != file {
		t.Error(props, err)
	}
	w.must(dir.Close())
}

// RemoveAll goes on past what cannot be removed, names the first of it, and
// gives back exactly what it freed.
func TestRemoveAllInPart(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/d/a/f", "f")
	w.put("/home/ann/d/b/stays", "stays")
	w.put("/home/ann/d/c/f", "f")
	u := w.user("ann")
	w.limit("/home/ann", 100, 100)
	flags := immutable(t, w.disk("/home/ann/d/b/stays"))
	err := u.RemoveAll(t.Context(), tp("/d"))
	flags()
	var pe *fs.PathError
	if !errors.As(err, &pe) || pe.Path != "/d/b/stays" {
		t.Fatalf("got %v", err)
	}
	if w.exists("/home/ann/d/a") || w.exists("/home/ann/d/c") || !w.exists("/home/ann/d/b/stays") {
		t.Fatal(snapshot(t, w.disk("/home/ann")))
	}
	w.checkQuota("/home/ann")
	w.must(u.RemoveAll(t.Context(), tp("/d")))
	w.checkQuota("/home/ann")
}

// immutableFlag is FS_IMMUTABLE_FL of linux/fs.h.
const immutableFlag = 0x10

// immutable keeps a file from being removed, even by root.
func immutable(t *testing.T, p string) (undo func()) {
	t.Helper()
	f, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	set := func(flags int) error { return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags) }
	old, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = set(old | immutableFlag)
	}
	if err != nil {
		t.Skipf("the file system knows no immutable files: %v", err)
	}
	return func() {
		if err := errors.Join(set(old), f.Close()); err != nil {
			t.Error(err)
		}
	}
}

// The administration's work has every right, is held by no lock, and is named
// in its events.
func TestSystem(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "f")
	u := w.user("ann")
	_, _, err := u.Lock(t.Context(), tp("/f"), guard.LockRequest{})
	w.must(err)
	var got []events.Event
	system := w.tree.System("the actor", func(e events.Event) { got = append(got, e) })
	w.must(system.RemoveAll(t.Context(), tp("/home/ann")))
	if len(got) != 1 || got[0].Actor != "the actor" || got[0].Kind != events.Delete || got[0].Path != "/home/ann" {
		t.Fatalf("%+v", got)
	}
	w.must(w.tree.System("silent", nil).Mkdir(t.Context(), tp("/home/ann"), 0))
}

// What the account may know of a file: its own name for it, whose it is, an
// entity tag that another content never has.
func TestInfo(t *testing.T) {
	w := newWorld(t)
	w.put("/groups/team/f", "f")
	u := w.user("ann", grantedAt("/groups/team", policy.ReadOnly, "team"))
	w.must(u.upload("/own", "abc"))
	own, err := u.Stat(t.Context(), tp("/own"))
	w.must(err)
	shared, err := u.Stat(t.Context(), tp("/team/f"))
	w.must(err)
	top, err := u.Stat(t.Context(), tp("/team"))
	w.must(err)
	if own.Owner() != "ann" || shared.Owner() != "gatehouse" || top.Name() != "team" || own.Sys() != nil {
		t.Error(own.Owner(), shared.Owner(), top.Name())
	}
	if own.Permissions() != policy.Full || shared.Permissions() != policy.ReadOnly {
		t.Error(own.Permissions(), shared.Permissions())
	}
	if own.ID() == shared.ID() || own.ID() == "" {
		t.Error(own.ID())
	}
	tags := map[string]bool{own.ETag(): true}
	for _, content := range []string{"abd", "abe", "abcd"} {
		w.must(u.upload("/own", content))
		now, err := u.Stat(t.Context(), tp("/own"))
		w.must(err)
		if tags[now.ETag()] || !strings.HasPrefix(now.ETag(), `"`) {
			t.Errorf("the entity tag of %q is %s again", content, now.ETag())
		}
		tags[now.ETag()] = true
	}
	w.link("own", "/home/ann/link")
	list, err := u.List(t.Context(), tp("/"))
	w.must(err)
	for infos, err := list.Next(10); err == nil; infos, err = list.Next(10) {
		for _, i := range infos {
			if i.Name() == "link" && i.Mode().Type() != fs.ModeSymlink {
				t.Error("a link is listed as", i.Mode())
			}
		}
	}
	w.must(list.Close())
}
