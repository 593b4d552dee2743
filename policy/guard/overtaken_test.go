package guard_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
)

// Mallory is about to change something and waits for its name. A lock that is
// granted before it is her turn holds: what she asked the locks before does not count.
func TestALockGrantedWhileSomebodyWaits(t *testing.T) {
	to := guard.ReplaceAny
	changes := map[string]func(u *user) error{
		"remove":     func(u *user) error { return u.Remove(u.w.t.Context(), tp("/share/d/f")) },
		"rmdir":      func(u *user) error { return u.RemoveDir(u.w.t.Context(), tp("/share/d/void")) },
		"remove all": func(u *user) error { return u.RemoveAll(u.w.t.Context(), tp("/share/d/tree")) },
		"rename":     func(u *user) error { return u.Rename(u.w.t.Context(), tp("/share/d/f"), tp("/share/g"), to) },
		"replace":    func(u *user) error { return u.Rename(u.w.t.Context(), tp("/share/other"), tp("/share/d/f"), to) },
		"mkdir":      func(u *user) error { return u.Mkdir(u.w.t.Context(), tp("/share/d/new"), 0) },
		"symlink":    func(u *user) error { return u.Symlink(u.w.t.Context(), "f", tp("/share/d/new")) },
		"link":       func(u *user) error { return u.Link(u.w.t.Context(), tp("/share/other"), tp("/share/d/new")) },
		"mode": func(u *user) error {
			mode := fs.FileMode(0o600)
			return u.SetAttr(u.w.t.Context(), tp("/share/d/f"), backend.Attr{Mode: &mode})
		},
		"properties": func(u *user) error {
			return u.SetProperties(u.w.t.Context(), tp("/share/d/f"), map[string][]byte{"{x}color": []byte("red")})
		},
	}
	for name, change := range changes {
		synctest.Test(t, func(t *testing.T) {
			w, disk := newWatchedWorld(t)
			w.site.Symlinks = policy.Allow
			w.put("/share/d/f", "f")
			w.put("/share/other", "other")
			w.folder("/share/d/void")
			w.put("/share/d/tree/leaf", "leaf")
			holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
			busy := w.stranger("busy", granted("/share", policy.Full))
			before := snapshot(t, w.disk("/share"))
			goOn, tried, given, changed := make(chan struct{}), make(chan error, 1), make(chan error, 1), make(chan error, 1)
			disk.once("rmdir", "/share/d", func() { <-goOn })
			go func() { tried <- busy.RemoveDir(t.Context(), tp("/share/d")) }()
			synctest.Wait()
			go func() {
				_, _, err := holder.Lock(t.Context(), tp("/share/d"), guard.LockRequest{Deep: true})
				given <- err
			}()
			synctest.Wait()
			go func() { changed <- change(other) }()
			synctest.Wait()
			close(goOn)
			w.want(<-tried, backend.ErrNotEmpty)
			w.must(<-given)
			if err := <-changed; !errors.Is(err, locks.ErrLocked) {
				t.Errorf("%s: got %v", name, err)
			}
			if after := snapshot(t, w.disk("/share")); after != before {
				t.Errorf("%s: what is locked was changed", name)
			}
		})
	}
}

// A lock is asked for while a file is being removed: it waits, and is on nothing
// that goes away under it.
func TestALockWaitsForWhoIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := newWatchedWorld(t)
		w.put("/share/f", "f")
		holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
		var created bool
		done := make(chan error, 1)
		disk.once("remove", "/share", func() {
			go func() {
				var err error
				_, created, err = holder.Lock(t.Context(), tp("/share/f"), guard.LockRequest{})
				done <- err
			}()
			synctest.Wait()
			select {
			case err := <-done:
				t.Errorf("locked while it was being removed: %v", err)
				done <- err
			default:
			}
		})
		w.must(other.Remove(t.Context(), tp("/share/f")))
		w.must(<-done)
		if !created {
			t.Error("the lock is on a file that is gone")
		}
		w.want(other.Remove(t.Context(), tp("/share/f")), locks.ErrLocked)
	})
}

// A client makes every folder on its way whether it is there or not. What is being
// done in one that is does not keep it waiting.
func TestMakingAFolderThatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := newWatchedWorld(t)
		w.put("/home/ann/d/f", "f")
		u := w.user("ann")
		disk.once("remove", "/home/ann/d", func() { w.want(u.Mkdir(t.Context(), tp("/d"), 0), fs.ErrExist) })
		w.must(u.Remove(t.Context(), tp("/d/f")))
	})
}

// A rename ends with the lock, and that it would also lead to another mount is not
// what it ends with: so it is explained.
func TestExplainRenameOfWhatIsLocked(t *testing.T) {
	w := newWorldWith(t, map[string]string{"/share/far": t.TempDir()})
	w.put("/share/f", "f")
	holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
	_, _, err := holder.Lock(t.Context(), tp("/share/f"), guard.LockRequest{})
	w.must(err)
	w.want(other.Rename(t.Context(), tp("/share/f"), tp("/share/far/f"), guard.KeepTarget), locks.ErrLocked)
	c := guard.Config{Effective: other.effective(), Door: policy.SFTP}
	got, err := w.tree.ExplainMove(t.Context(), c, guard.WholeTree, guard.Move{Op: policy.OpRename, From: tp("/share/f"), To: tp("/share/far/f")})
	w.must(err)
	if got.Lock == nil || got.Obstacle != nil {
		t.Errorf("explained by lock %v and by %v", got.Lock, got.Obstacle)
	}
}
