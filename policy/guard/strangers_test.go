package guard_test

import (
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
)

// A lock on a name that is taken by what the account may not know of, or by
// what is never shown, is refused at once, and leaves no lock.
func TestLockOnWhatIsNotShown(t *testing.T) {
	w := newWorld(t)
	w.put("/share/sub/secret", "x")
	w.must(unix.Mkfifo(w.disk("/share/fifo"), 0o600))
	u := w.stranger("ann", direct("/share", policy.Full))
	for p, want := range map[string]error{"/share/sub": fs.ErrNotExist, "/share/fifo": fs.ErrExist} {
		_, _, err := u.Lock(t.Context(), tp(p), guard.LockRequest{})
		w.want(err, want)
		left, err := w.locks.List(t.Context(), tp("/"))
		w.must(err)
		if len(left) > 0 {
			t.Fatalf("%s: left %+v", p, left)
		}
	}
}

// Who filled a drop box knows nothing more of it once the grant is gone, not
// even of the files that it made itself.
func TestDropBoxEndsWithItsGrant(t *testing.T) {
	w := newWorld(t)
	w.folder("/drop")
	u := w.user("bob", grantedAt("/drop", policy.UploadOnly, "drop"))
	w.must(u.upload("/drop/mine", "mine"))
	_, err := u.Stat(t.Context(), tp("/drop/mine"))
	w.must(err)
	u.change(func(a *policy.Account) { a.Root, a.Grants = nil, nil; r := tp("/"); a.Root = &r })
	_, err = u.Stat(t.Context(), tp("/drop/mine"))
	w.want(err, fs.ErrNotExist)
	_, err = u.Readlink(t.Context(), tp("/drop/mine"))
	w.want(err, fs.ErrNotExist)
	w.want(u.SetAttr(t.Context(), tp("/drop/mine"), backend.Attr{}), fs.ErrNotExist)
}

// A lock lets who may only create fill the empty file that it made. Once there
// is something in the file, whoever put it there, it is as any other.
func TestLockFillsOnlyWhatIsEmpty(t *testing.T) {
	w := newWorld(t)
	w.folder("/drop")
	u := w.stranger("bob", granted("/drop", policy.UploadOnly), through(policy.WebDAV))
	_, created, err := u.Lock(t.Context(), tp("/drop/f"), guard.LockRequest{})
	w.must(err)
	if !created {
		t.Fatal("not made")
	}
	// The very same file: a removed one's identity may be the next one's.
	w.must(os.WriteFile(w.disk("/drop/f"), []byte("the owner's"), 0o600))
	all, err := u.Locks(t.Context(), tp("/drop/f"))
	w.must(err)
	with := &user{FS: u.With([]string{all[0].Token}), w: w}
	f, err := with.Open(t.Context(), tp("/drop/f"), guard.Open{Write: true, Create: true, Truncate: true, Atomic: true})
	if err == nil {
		f.Abort(nil)
		w.must(f.Close())
	}
	w.want(err, fs.ErrPermission)
	if got := w.content("/drop/f"); got != "the owner's" {
		t.Fatalf("got %q", got)
	}
}

// A second name of a locked file would be a way around its lock.
func TestLockedFileGetsNoOtherName(t *testing.T) {
	w := newWorld(t)
	w.put("/share/f", "f")
	holder := w.stranger("holder", granted("/share", policy.Full))
	other := w.stranger("other", granted("/share", policy.Full))
	l, _, err := holder.Lock(t.Context(), tp("/share/f"), guard.LockRequest{})
	w.must(err)
	w.want(other.Link(t.Context(), tp("/share/f"), tp("/share/g")), locks.ErrLocked)
	w.must(holder.With([]string{l.Token}).Link(t.Context(), tp("/share/f"), tp("/share/g")))
}

// Who copies to remove the source then must not lose what a copy leaves out.
func TestCopyWholeOrNotAtAll(t *testing.T) {
	for name, make := range map[string]func(w *world, p string){
		"link":         func(w *world, p string) { w.link("f", p) },
		"special file": func(w *world, p string) { w.must(unix.Mkfifo(w.disk(p), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/home/ann/d/sub/f", "f")
			make(w, "/home/ann/d/sub/x")
			u := w.user("ann")
			w.want(u.Copy(t.Context(), tp("/d"), tp("/e"), guard.CopyHow{Whole: true}), backend.ErrUnsupported)
			if w.exists("/home/ann/e") {
				t.Fatal("left a part of it")
			}
			w.must(u.Copy(t.Context(), tp("/d"), tp("/e"), guard.CopyHow{}))
		})
	}
}

// Who was granted a folder with delete may remove it as a whole, as the right
// says. Its quota is of the path: made anew it is as small as before. Where it
// appears by a name of its own it stays.
func TestGrantedFolderIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.put("/team/f", "f")
	w.put("/named/f", "f")
	w.limit("/team", 10, 10)
	u := w.user("bob", root("/"), granted("/team", policy.Full), grantedAt("/named", policy.Full, "named"))
	w.must(u.RemoveAll(t.Context(), tp("/team")))
	w.must(u.Mkdir(t.Context(), tp("/team"), 0))
	w.want(u.upload("/team/g", "0123456789ab"), quota.ErrExceeded)
	w.want(u.RemoveAll(t.Context(), tp("/named")), fs.ErrPermission)
	w.want(u.Rename(t.Context(), tp("/named"), tp("/home/bob/named"), guard.KeepTarget), fs.ErrPermission)
	w.must(u.Mkdir(t.Context(), tp("/home/bob/d"), 0))
	w.want(u.Rename(t.Context(), tp("/home/bob/d"), tp("/named"), guard.ReplaceAny), fs.ErrPermission)
	w.want(u.Copy(t.Context(), tp("/home/bob/d"), tp("/named"), guard.CopyHow{Replace: guard.ReplaceAny}), fs.ErrPermission)
}
