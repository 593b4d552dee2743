package guard_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
)

// newDurableWorld is a world whose mount makes what is stored outlast a loss of power.
func newDurableWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	m := w.mount("/", w.dir)
	m.Sync = mount.SyncClose
	return w.open(m)
}

var atomicFile = guard.Open{Write: true, Create: true, Truncate: true, Atomic: true}

// What is staged for a free name takes it without a look at what is there. Whatever
// came there meanwhile is judged, charged and replaced as if there had been one.
func TestWhatCameWhileAnUploadWasStaged(t *testing.T) {
	for name, c := range map[string]struct {
		how     guard.Open
		came    func(w *world, u *user)
		refused error
		stays   string // what stands there where it is refused
	}{
		"nothing": {how: atomicFile},
		"a file": {
			how:  atomicFile,
			came: func(w *world, u *user) { w.must(u.upload("/f", "theirs, and longer")) },
		},
		"a file, where no further one is allowed": {
			how: atomicFile,
			came: func(w *world, u *user) {
				w.must(u.upload("/f", "theirs"))
				w.limit("/home/ann", 100, 1)
			},
		},
		"a file, for one that replaces none": {
			how:     guard.Open{Write: true, Create: true, Truncate: true, Atomic: true, Exclusive: true},
			came:    func(w *world, u *user) { w.must(u.upload("/f", "theirs")) },
			refused: fs.ErrExist, stays: "theirs",
		},
		"a file that somebody has locked": {
			how: atomicFile,
			came: func(w *world, u *user) {
				w.must(u.upload("/f", "theirs"))
				w.lockFor("bob", "/home/ann/f")
			},
			refused: locks.ErrLocked, stays: "theirs",
		},
		"a lock on the folder": {
			how:     atomicFile,
			came:    func(w *world, _ *user) { w.lockFor("bob", "/home/ann") },
			refused: locks.ErrLocked,
		},
		"a folder": {
			how:     atomicFile,
			came:    func(w *world, _ *user) { w.folder("/home/ann/f") },
			refused: backend.ErrIsDir,
		},
		"a link to elsewhere": {
			how:     atomicFile,
			came:    func(w *world, _ *user) { w.put("/home/ann/g", "linked"); w.link("g", "/home/ann/f") },
			refused: backend.ErrLink, stays: "linked",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newDurableWorld(t)
			u := w.user("ann")
			w.limit("/home/ann", 100, 5)
			f, err := u.Open(t.Context(), tp("/f"), c.how)
			w.must(err)
			_, err = f.WriteAt([]byte("mine"), 0)
			w.must(err)
			if c.came != nil {
				c.came(w, u)
			}
			err = f.Close()
			if !errors.Is(err, c.refused) {
				t.Fatalf("got %v, want %v", err, c.refused)
			}
			if c.refused == nil {
				if got := w.content("/home/ann/f"); got != "mine" || f.Created() != (c.came == nil) {
					t.Errorf("%q stands there, created %v", got, f.Created())
				}
				if info, err := f.Stat(); err != nil || info.Size() != 4 {
					t.Errorf("after Close: %v, %v", info, err)
				}
			} else if c.stays != "" && w.content("/home/ann/f") != c.stays {
				t.Errorf("%q stands there, want %q", w.content("/home/ann/f"), c.stays)
			}
			if left := w.staged(); len(left) > 0 {
				t.Errorf("staged: %v", left)
			}
			if c.refused != backend.ErrLink { // made behind the ledger's back
				w.checkQuota("/home/ann")
			}
		})
	}
}

// Who uploads over a file is asked for no more than that takes, though new files are
// tried first: no room for another file, no right to the folder's members, no new name.
func TestOverwritingIsNotMaking(t *testing.T) {
	for name, prepare := range map[string]func(w *world, u *user){
		"no room for another file": func(w *world, _ *user) { w.limit("/home/ann", 100, 1) },
		"somebody has locked the folder": func(w *world, _ *user) {
			w.lockFor("bob", "/home/ann")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			u := w.user("ann")
			w.put("/home/ann/f", "old content")
			w.must(os.Chmod(w.disk("/home/ann/f"), 0o604))
			prepare(w, u)
			if err := u.upload("/f", "new"); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(w.disk("/home/ann/f"))
			w.must(err)
			if got := w.content("/home/ann/f"); got != "new" || info.Mode().Perm() != 0o604 {
				t.Errorf("%q with the mode %v", got, info.Mode())
			}
			if err := u.upload("/g", "another"); err == nil {
				t.Error("another file could be made")
			}
		})
	}
}

// A file that may only be made is made as before, and no second time.
func TestOnlyMakingIsNotOverwriting(t *testing.T) {
	w := newWorld(t)
	w.folder("/drop")
	u := w.stranger("eve", granted("/drop", policy.Create))
	w.must(u.upload("/drop/f", "content"))
	if err := u.upload("/drop/f", "other"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("once more: %v", err)
	}
	if got := w.content("/drop/f"); got != "content" {
		t.Errorf("%q stands there", got)
	}
}
