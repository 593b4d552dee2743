package guard_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
)

// A copy whose members nobody could name is not made.
func TestCopyDoesNotOutgrowPaths(t *testing.T) {
	w := newWorld(t)
	name := strings.Repeat("n", 250)
	w.folder("/home/ann/s/" + strings.Repeat("/"+name, 15))
	w.folder("/home/ann/" + name)
	u := w.user("ann")
	to := tp("/" + name + "/" + name)
	w.want(u.Copy(t.Context(), tp("/s"), to, guard.CopyHow{}), path.ErrTooLong)
	if w.exists("/home/ann" + to.String()) {
		t.Error("copied")
	}
}

// Errors say what is wrong, in the account's own words, and no more.
func TestListingsOfNoFolder(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "f")
	w.must(unix.Mkfifo(w.disk("/home/ann/fifo"), 0o600))
	w.put("/groups/file", "what nobody granted")
	u := w.user("ann")
	_, err := u.names("/f/x")
	w.want(err, fs.ErrNotExist)
	_, err = u.names("/fifo")
	w.want(err, fs.ErrNotExist)
	_, err = u.names("/f")
	w.want(err, backend.ErrNotDir)
	s := w.stranger("eve", granted("/groups/file/granted", policy.Full))
	_, err = s.names("/groups/file")
	w.want(err, fs.ErrNotExist)
	d, err := s.List(t.Context(), tp("/"))
	w.must(err)
	_, err = d.Next(0)
	w.want(err, fs.ErrInvalid)
	w.must(d.Close())
	_, err = d.Next(1)
	w.want(err, fs.ErrClosed)
	w.want(s.Mkdir(t.Context(), path.Root, 0), fs.ErrExist)
	w.want(u.SetAttr(t.Context(), path.Root, backend.Attr{Size: new(int64)}), backend.ErrIsDir)
	w.site.Symlinks = policy.Allow
	u.change(func(*policy.Account) {})
	w.folder("/home/ann/d")
	w.want(u.Link(t.Context(), tp("/d"), tp("/e")), backend.ErrIsDir)
	_, err = u.download("/f/x")
	w.want(err, fs.ErrNotExist)
	_, err = u.Stat(t.Context(), tp("/f/x"))
	w.want(err, fs.ErrNotExist)
	w.want(u.upload("/fifo", "x"), fs.ErrExist)
	_, err = u.Stat(t.Context(), tp(strings.Repeat("/a", path.MaxLength/2)))
	w.want(err, path.ErrTooLong)
	w.put("/home/ann/d/f", "f")
	err = u.RemoveDir(t.Context(), tp("/d"))
	if !errors.Is(err, backend.ErrNotEmpty) || strings.Contains(err.Error(), "special") {
		t.Errorf("a folder with a file: %v", err)
	}
}

func TestOffsets(t *testing.T) {
	w := newWorld(t)
	w.limit("/home", 100, -1)
	u := w.user("ann")
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	w.must(err)
	_, err = f.WriteAt([]byte("x"), -1)
	w.want(err, fs.ErrInvalid)
	_, err = f.WriteAt([]byte("xy"), 1<<63-2)
	w.want(err, fs.ErrInvalid)
	w.want(f.Truncate(-1), fs.ErrInvalid)
	for range 3 {
		if _, err = f.WriteAt([]byte("x"), 100); err == nil {
			t.Fatal("written beyond the quota")
		}
	}
	_, err = f.WriteAt([]byte("ten bytes."), 0)
	w.must(err)
	_ = f.Close()
	w.checkQuota("/home")
	_, err = f.WriteAt(nil, 0)
	w.want(err, fs.ErrClosed)
}

// A handle whose right is gone tells nothing of the file any more.
func TestCutHandleDoesNotDescribe(t *testing.T) {
	w := newWorld(t)
	w.put("/groups/team/f", "f")
	u := w.user("ann", grantedAt("/groups/team", policy.Full, "team"))
	f, err := u.Open(t.Context(), tp("/team/f"), guard.Open{Read: true})
	w.must(err)
	defer f.Close()
	u.change(revoke)
	_, err = f.Stat()
	w.want(err, fs.ErrPermission)
}

// Who may not read learns from opening neither whether there is a file.
func TestDeniedOpenTellsNothing(t *testing.T) {
	w := newWorld(t)
	w.put("/drop/there", "x")
	u := w.stranger("eve", granted("/drop", policy.Create))
	text := func(p string) string {
		_, err := u.Open(t.Context(), tp(p), guard.Open{Read: true})
		if err == nil {
			t.Fatalf("%s is open", p)
		}
		return strings.ReplaceAll(err.Error(), p, "")
	}
	if there, missing := text("/drop/there"), text("/drop/missing"); there != missing {
		t.Errorf("what is there: %s; what is not: %s", there, missing)
	}
}

// The lock in the way is named as the account sees it.
func TestLockedErrorKeepsPathsSecret(t *testing.T) {
	w := newWorld(t)
	w.put("/groups/team/f", "f")
	w.lockFor("bob", "/groups/team/f")
	u := w.user("ann", grantedAt("/groups/team", policy.Full, "team"))
	err := u.upload("/team/f", "g")
	var locked *locks.LockedError
	if !errors.As(err, &locked) || locked.Lock.Path != tp("/team/f") || strings.Contains(err.Error(), "groups") {
		t.Errorf("got %v", err)
	}
}

func TestSymlinkChecks(t *testing.T) {
	w := newWorldWith(t, map[string]string{"/mnt": t.TempDir()})
	w.site.Symlinks, w.site.Names = policy.Allow, policy.NamesPortable
	w.put("/home/ann/locked/f", "f")
	w.lockFor("bob", "/home/ann/locked")
	u := w.user("ann", grantedAt("/mnt", policy.Full, "mnt"))
	w.want(u.Symlink(t.Context(), "f", tp("/NUL")), policy.ErrName)
	w.want(u.Symlink(t.Context(), "f", tp("/locked/l")), locks.ErrLocked)
	w.want(u.Symlink(t.Context(), "/mnt/x", tp("/l")), backend.ErrUnsupported)
}

// Where a link leads that the account may not know of, or does not see, it is
// not told.
func TestReadlinkOutOfSight(t *testing.T) {
	w := newWorld(t)
	w.put("/home/bob/secret", "s")
	w.folder("/shared")
	w.link("../home/bob/secret", "/shared/bob")
	w.link("/etc/passwd", "/shared/machine")
	w.folder("/home/ann/sub")
	w.put("/home/ann/above", "above")
	w.link("../above", "/home/ann/sub/up")
	eve := w.stranger("eve", granted("/shared", policy.Full))
	ann := w.user("ann", root("/home/ann/sub"))
	for p, u := range map[string]*user{"/shared/bob": eve, "/shared/machine": eve, "/up": ann} {
		got, err := u.Readlink(t.Context(), tp(p))
		if !errors.Is(err, fs.ErrNotExist) || got != "" {
			t.Errorf("%s: %q, %v", p, got, err)
		}
	}
}

// Locks are for who may write still, and through what may write.
func TestLocksAreJudged(t *testing.T) {
	w := newWorld(t)
	w.put("/groups/team/f", "f")
	u := w.user("ann", grantedAt("/groups/team", policy.Full, "team"))
	l, _, err := u.Lock(t.Context(), tp("/team/f"), guard.LockRequest{})
	w.must(err)
	w.want(w.user("ann", grantedAt("/groups/team", policy.Full, "team"), readOnly).Unlock(t.Context(), tp("/team/f"), l.Token), fs.ErrPermission)
	u.change(func(a *policy.Account) { a.Grants[0].Permissions = policy.ReadOnly })
	_, err = u.RefreshLock(t.Context(), tp("/team/f"), l.Token, time.Minute)
	w.want(err, fs.ErrPermission)
}

// A link leads up, but not out of the mount that holds it: on the machine there
// stands something else.
func TestLinksStayInTheirMount(t *testing.T) {
	other := t.TempDir()
	w := newWorldWith(t, map[string]string{"/mnt/two": other})
	w.put("/g", "g")
	w.must(os.Mkdir(other+"/d", 0o750))
	w.must(os.WriteFile(other+"/f", []byte("f"), 0o640))
	for at, target := range map[string]string{"/out": "../../g", "/d/out": "../../../g", "/d/in": "../f"} {
		w.must(os.Symlink(target, other+at))
	}
	u := w.user("root", root("/"), granted("/", policy.Full))
	for _, p := range []string{"/mnt/two/out", "/mnt/two/d/out"} {
		_, err := u.download(p)
		w.want(err, fs.ErrNotExist)
		_, err = u.Readlink(t.Context(), tp(p))
		w.want(err, fs.ErrNotExist)
	}
	if got, err := u.download("/mnt/two/d/in"); err != nil || got != "f" {
		t.Errorf("within the mount: %q, %v", got, err)
	}
}

// A read-only credential removes no folder, and one for a folder none beside it.
func TestCredentialRemovesNoTree(t *testing.T) {
	w := newWorld(t)
	w.folder("/home/ann/d")
	w.folder("/home/ann/mine")
	for _, o := range []option{readOnly, within("/home/ann/mine")} {
		u := w.user("ann", o)
		if u.RemoveAll(t.Context(), tp("/d")) == nil || u.RemoveDir(t.Context(), tp("/d")) == nil || !w.exists("/home/ann/d") {
			t.Error("removed")
		}
	}
}

// A staged upload is refused when it begins, where that is known then, and goes
// where a link leads.
func TestStagedUploadBegins(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/locked", "old")
	w.lockFor("bob", "/home/ann/locked")
	w.must(unix.Mkfifo(w.disk("/home/ann/fifo"), 0o600))
	w.put("/home/ann/f", "old")
	w.link("f", "/home/ann/l")
	w.folder("/home/ann/d")
	u := w.user("ann")
	for p, tt := range map[string]struct {
		how  guard.Open
		want error
	}{
		"/locked":  {guard.Open{Create: true, Truncate: true}, locks.ErrLocked},
		"/missing": {guard.Open{Truncate: true}, fs.ErrNotExist},
		"/new":     {guard.Open{Create: true, Resume: true}, backend.ErrUnsupported},
		"/d":       {guard.Open{Create: true, Truncate: true}, backend.ErrIsDir},
		"/fifo":    {guard.Open{Create: true, Truncate: true}, fs.ErrExist},
	} {
		tt.how.Write, tt.how.Atomic = true, true
		if f, err := u.Open(t.Context(), tp(p), tt.how); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", p, err, tt.want)
			if err == nil {
				_ = f.Close()
			}
		}
	}
	how := newFile
	how.Atomic = true
	f, err := u.Open(t.Context(), tp("/l"), how)
	w.must(err)
	_, err = f.WriteAt([]byte("new"), 0)
	w.must(errors.Join(err, f.Close()))
	if _, err := os.Readlink(w.disk("/home/ann/l")); err != nil || w.content("/home/ann/f") != "new" {
		t.Errorf("the link: %v; the file: %q", err, w.content("/home/ann/f"))
	}
	if n := len(w.staged()); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}
