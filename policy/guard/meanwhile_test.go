package guard_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
)

// A watched backend tells what it is asked for, right before it does it.
type watched struct {
	backend.Backend
	asked  func(op string, p path.Path)
	broken map[path.Path]error // what Stat says of a path
	kernel *os.File            // not nil: behind every file
	full   bool                // no file takes a byte
	wrote  func()              // called before a write on disk
	looked func()              // called before the properties of an open file are read
}

func (b *watched) tell(op string, p path.Path) {
	if b.asked != nil {
		b.asked(op, p)
	}
}

func (b *watched) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	if how.Create {
		b.tell("create", p)
	} else {
		b.tell("open", p)
	}
	f, err := b.Backend.Open(ctx, p, how)
	if err == nil && b.kernel != nil {
		f = file{f, b.kernel}
	}
	if err == nil && b.full {
		f = fullFile{f}
	}
	if err == nil && (b.wrote != nil || b.looked != nil) {
		f = slowFile{f, b}
	}
	return f, err
}

// A file has another one of the kernel behind it.
type file struct {
	backend.File
	kernel *os.File
}

func (f file) OS() *os.File { return f.kernel }

// A fullFile is on a disk without room.
type fullFile struct{ backend.File }

func (fullFile) WriteAt([]byte, int64) (int, error) { return 0, backend.ErrNoSpace }

// A slowFile lets something happen while it is worked on.
type slowFile struct {
	backend.File
	disk *watched
}

func (f slowFile) WriteAt(b []byte, off int64) (int, error) {
	if f.disk.wrote != nil {
		f.disk.wrote()
	}
	return f.File.WriteAt(b, off)
}

func (b *watched) Mkdir(ctx context.Context, p path.Path) error {
	b.tell("mkdir", p)
	return b.Backend.Mkdir(ctx, p)
}

func (b *watched) Symlink(ctx context.Context, target string, p path.Path) error {
	b.tell("symlink", p)
	return b.Backend.Symlink(ctx, target, p)
}

func (b *watched) Link(ctx context.Context, from, to path.Path) error {
	b.tell("link", from)
	return b.Backend.Link(ctx, from, to)
}

func (b *watched) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	b.tell("rename", from)
	return b.Backend.Rename(ctx, from, to, replace)
}

func (b *watched) Stat(ctx context.Context, p path.Path) (backend.Info, error) {
	b.tell("stat", p)
	if err := b.broken[p]; err != nil {
		return backend.Info{}, err
	}
	return b.Backend.Stat(ctx, p)
}

func (b *watched) Remove(ctx context.Context, p path.Path) error {
	b.tell("remove", p)
	return b.Backend.Remove(ctx, p)
}

func (b *watched) RemoveDir(ctx context.Context, p path.Path) error {
	b.tell("rmdir", p)
	return b.Backend.RemoveDir(ctx, p)
}

func (b *watched) Readlink(ctx context.Context, p path.Path) (string, error) {
	b.tell("readlink", p)
	return b.Backend.Readlink(ctx, p)
}

func (f slowFile) Properties() (map[string][]byte, error) {
	if f.disk.looked != nil {
		f.disk.looked()
	}
	return f.File.Properties()
}

// once does something before the first such operation below a folder.
func (b *watched) once(op, below string, do func()) {
	b.asked = func(got string, p path.Path) {
		if got == op && tp(below).Contains(p) {
			b.asked = nil
			do()
		}
	}
}

// newWatchedWorld is a world whose one mount is watched.
func newWatchedWorld(t testing.TB) (*world, *watched) {
	t.Helper()
	w := newWorld(t)
	before, m := w.mounts, w.mount("/", w.dir)
	b := &watched{Backend: m.Backend}
	m.Backend = b
	var err error
	w.mounts, err = mount.New(m)
	w.must(err)
	t.Cleanup(func() { w.must(before.Close()) })
	w.area, err = staging.New(t.Context(), w.mounts, "node", "2", 1000)
	w.must(err)
	w.tree = guard.NewTree(guard.TreeConfig{Mounts: w.mounts, Staging: w.area, Quotas: w.quotas, Locks: w.locks})
	return w, b
}

const outOfSight = "/" + mount.Reserved

// While a tree is copied out of sight the world changes: what was allowed when
// it began is judged again before anything appears.
func TestCopyIsJudgedAgain(t *testing.T) {
	begin := func(t *testing.T) (*world, *watched, *user) {
		w, b := newWatchedWorld(t)
		w.put("/home/ann/src/a/1", "1")
		w.put("/home/ann/src/b/2", "2")
		w.folder("/home/ann/src/c")
		w.folder("/home/ann/to")
		return w, b, w.user("ann")
	}
	for name, when := range map[string]struct{ op, below string }{"at the first file": {"create", outOfSight}, "at the last folder": {"mkdir", outOfSight}} {
		t.Run("right lost "+name, func(t *testing.T) {
			w, b, u := begin(t)
			w.must(os.RemoveAll(w.disk("/home/ann/src/a")))
			if when.op == "create" {
				w.put("/home/ann/src/f", "f")
			}
			b.once(when.op, when.below, func() { u.change(func(a *policy.Account) { a.Home = tp("/home/other") }) })
			if err := u.Copy(t.Context(), tp("/src"), tp("/to/x"), guard.CopyHow{}); err == nil || w.exists("/home/ann/to/x") {
				t.Errorf("copied: %v", err)
			}
		})
	}
	t.Run("nothing more is read", func(t *testing.T) {
		w, b, u := begin(t)
		w.put("/home/ann/src/a/2", "2")
		w.put("/home/ann/src/a/3", "3")
		reads := 0
		b.asked = func(op string, p path.Path) {
			if op == "open" && tp("/home/ann/src").Contains(p) {
				if reads++; reads == 1 {
					u.change(func(a *policy.Account) { a.Home = tp("/home/other") })
				}
			}
		}
		if err := u.Copy(t.Context(), tp("/src"), tp("/to/x"), guard.CopyHow{}); err == nil || reads != 1 {
			t.Errorf("%d files were read: %v", reads, err)
		}
	})
	t.Run("session closed", func(t *testing.T) {
		w, b, u := begin(t)
		b.once("create", outOfSight, func() { u.FS.Close(nil) })
		w.want(u.Copy(t.Context(), tp("/src"), tp("/to/x"), guard.CopyHow{}), fs.ErrClosed)
		if w.exists("/home/ann/to/x") {
			t.Error("copied")
		}
	})
	t.Run("target locked", func(t *testing.T) {
		w, b, u := begin(t)
		b.once("create", outOfSight, func() { w.lockFor("bob", "/home/ann/to") })
		w.want(u.Copy(t.Context(), tp("/src"), tp("/to/x"), guard.CopyHow{}), locks.ErrLocked)
		if w.exists("/home/ann/to/x") {
			t.Error("copied")
		}
	})
	t.Run("target gone from a locked folder", func(t *testing.T) {
		w, b, u := begin(t)
		w.put("/home/ann/to/x", "x")
		w.lockFor("bob", "/home/ann/to")
		b.once("create", outOfSight, func() { w.must(os.Remove(w.disk("/home/ann/to/x"))) })
		w.want(u.Copy(t.Context(), tp("/src/a/1"), tp("/to/x"), guard.CopyHow{Replace: guard.ReplaceFile}), locks.ErrLocked)
		if w.exists("/home/ann/to/x") {
			t.Error("copied")
		}
	})
}

// lockFor locks a path flatly for somebody else.
func (w *world) lockFor(name, p string) locks.Lock {
	w.t.Helper()
	l, err := w.locks.Lock(w.t.Context(), locks.Request{Path: tp(p), AccountID: "id-" + name, Account: name})
	w.must(err)
	return l
}

// What cannot be copied is refused before the first byte is.
func TestCopyIsRefusedEarly(t *testing.T) {
	w, b := newWatchedWorld(t)
	w.put("/home/ann/src/f", strings.Repeat("x", 1000))
	w.folder("/home/ann/full")
	w.folder("/home/ann/locked")
	w.limit("/home/ann/full", 500, -1)
	w.lockFor("bob", "/home/ann/locked")
	u := w.user("ann")
	b.asked = func(op string, p path.Path) {
		if op == "create" || op == "mkdir" {
			t.Errorf("%s %s", op, p)
		}
	}
	for _, from := range []string{"/src", "/src/f"} {
		if err := u.Copy(t.Context(), tp(from), tp("/full/x"), guard.CopyHow{}); err == nil {
			t.Errorf("%s: copied beyond the quota", from)
		}
		w.want(u.Copy(t.Context(), tp(from), tp("/locked/x"), guard.CopyHow{}), locks.ErrLocked)
	}
}

// What a rename was allowed to replace is gone when it comes to it: making a
// name in a locked folder is something else.
func TestRenameIsJudgedAgain(t *testing.T) {
	w, b := newWatchedWorld(t)
	w.put("/home/ann/from", "from")
	w.put("/home/ann/to/x", "x")
	w.lockFor("bob", "/home/ann/to")
	u := w.user("ann")
	looks := 0
	b.asked = func(op string, p path.Path) {
		if op != "stat" || p != tp("/home/ann/from") {
			return
		}
		if looks++; looks == 2 {
			w.must(os.Remove(w.disk("/home/ann/to/x")))
		}
	}
	w.want(u.Rename(t.Context(), tp("/from"), tp("/to/x"), guard.ReplaceFile), locks.ErrLocked)
	if w.exists("/home/ann/to/x") {
		t.Error("renamed")
	}
}

// A link that becomes a file just before it is read is that file.
func TestLinkBecomesFile(t *testing.T) {
	w, b := newWatchedWorld(t)
	w.put("/home/ann/f", "f")
	w.link("f", "/home/ann/l")
	u := w.user("ann")
	b.once("readlink", "/home/ann/l", func() {
		w.must(os.Remove(w.disk("/home/ann/l")))
		w.put("/home/ann/l", "new")
	})
	if got, err := u.download("/l"); err != nil || got != "new" {
		t.Errorf("%q, %v", got, err)
	}
}

// A file that appears just before the empty one of a lock is made is locked as
// it is.
func TestLockMeetsFile(t *testing.T) {
	w, b := newWatchedWorld(t)
	u := w.user("ann")
	b.once("create", "/home/ann", func() { w.put("/home/ann/new", "somebody's") })
	_, created, err := u.Lock(t.Context(), tp("/new"), guard.LockRequest{})
	if err != nil || created || w.content("/home/ann/new") != "somebody's" {
		t.Errorf("created %v, %v", created, err)
	}
}

// Policy changes, or the session ends, while the store opens the file: nobody
// gets the handle.
func TestOpenIsJudgedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(u *user)
		want error
	}{
		"right lost":     {func(u *user) { u.change(revoke) }, fs.ErrNotExist},
		"session closed": {func(u *user) { u.FS.Close(nil) }, fs.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := newWatchedWorld(t)
			w.put("/groups/team/f", "f")
			u := w.user("ann", grantedAt("/groups/team", policy.Full, "team"))
			b.once("open", "/groups/team", func() { tt.do(u) })
			_, err := u.Open(t.Context(), tp("/team/f"), guard.Open{Read: true})
			w.want(err, tt.want)
		})
	}
}

// What the store says of a path that the account may not know of stays secret:
// it would tell that there is something.
func TestStoreErrorsKeepSecret(t *testing.T) {
	w, b := newWatchedWorld(t)
	u := w.stranger("eve", granted("/shared", policy.Full))
	b.broken = map[path.Path]error{tp("/home/bob/x"): backend.ErrBusy, tp("/shared/x"): backend.ErrBusy}
	_, err := u.Stat(t.Context(), tp("/home/bob/x"))
	w.want(err, fs.ErrNotExist)
	_, err = u.Stat(t.Context(), tp("/shared/x"))
	w.want(err, backend.ErrBusy)
}

// What the kernel says of a full disk, in the middle of a copy, is what the
// store says of it.
func TestDiskFillsUp(t *testing.T) {
	w, b := newWatchedWorld(t)
	w.put("/home/ann/f", "some bytes")
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	b.kernel = full
	w.want(w.user("ann").Copy(t.Context(), tp("/f"), tp("/g"), guard.CopyHow{}), backend.ErrNoSpace)
	if w.exists("/home/ann/g") || len(w.staged()) > 0 {
		t.Error("something is left of it")
	}
}

// A refused write leaves nothing behind in the book: a truncation during the
// next write still waits for it to measure the file.
func TestTruncatedWhileWriting(t *testing.T) {
	w, b := newWatchedWorld(t)
	w.limit("/home/ann", 10, 5)
	b.wrote = func() {}
	u := w.user("ann")
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	w.must(err)
	_, err = f.WriteAt(make([]byte, 10), 0)
	w.must(err)
	for range 2 {
		_, err = f.WriteAt([]byte("x"), 10)
		w.want(err, quota.ErrExceeded)
	}
	b.wrote = func() { w.must(f.Truncate(0)) }
	_, err = f.WriteAt(make([]byte, 8), 0)
	w.must(err)
	_, err = u.Space(t.Context(), tp("/"))
	w.must(err)
	w.checkQuota("/home/ann")
	b.wrote = func() {}
	w.must(f.Close())
	w.checkQuota("/home/ann")
}

// A right that is lost when all of a file is copied, and it is not yet in place,
// is lost.
func TestCopyIsJudgedInTheEnd(t *testing.T) {
	w, b := newWatchedWorld(t)
	w.put("/home/ann/f", "f")
	u := w.user("ann")
	asked := false
	b.looked = func() {
		asked = true
		u.change(func(a *policy.Account) { a.Home = tp("/home/other") })
	}
	if err := u.Copy(t.Context(), tp("/f"), tp("/g"), guard.CopyHow{}); err == nil || !asked || w.exists("/home/ann/g") {
		t.Errorf("copied: %v, %v", err, asked)
	}
}
