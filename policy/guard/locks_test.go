package guard_test

import (
	"errors"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
)

// A lock keeps everybody off who does not hold its token, by every way in.
func TestLocksHold(t *testing.T) {
	for _, o := range operations() {
		if o.kind == "" || o.kind == events.ListFolder || o.name == "read" || o.kind == events.Link && o.name == "symlink" {
			continue
		}
		t.Run(o.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/share/d/old", "ab")
			w.folder("/share/d/void")
			w.put("/share/d/tree/leaf", "leaf")
			w.site.Symlinks = policy.Allow
			holder := w.stranger("holder", granted("/share", policy.Full))
			other := w.stranger("other", granted("/share", policy.Full))
			l, _, err := holder.Lock(t.Context(), tp("/share/d"), guard.LockRequest{Deep: true})
			w.must(err)
			before := snapshot(t, w.disk("/share"))
			err = o.do(t.Context(), other, "/share/d")
			var locked *locks.LockedError
			if !errors.As(err, &locked) || locked.Lock.Path != tp("/share/d") {
				t.Fatalf("got %v", err)
			}
			if after := snapshot(t, w.disk("/share")); after != before {
				t.Fatal("changed")
			}
			all := other.take()
			if e := all[len(all)-1]; e.Kind != events.Download && (e.Outcome != events.Denied || e.Rule != "lock") {
				t.Fatalf("got %+v", e)
			}
			// The token of another account is worth nothing.
			thief := &user{FS: other.With([]string{l.Token}), w: w}
			w.want(o.do(t.Context(), thief, "/share/d"), locks.ErrLocked)
			if o.kind == events.LockTree {
				return // a second lock conflicts, whatever token one holds
			}
			w.must(o.do(t.Context(), &user{FS: holder.With([]string{l.Token}), w: w}, "/share/d"))
		})
	}
}

// A locked member guards the folders above it, and a folder's own lock the
// names in it.
func TestLocksAboveAndBelow(t *testing.T) {
	w := newWorld(t)
	w.put("/share/d/sub/f", "f")
	w.folder("/share/e")
	holder := w.stranger("holder", granted("/share", policy.Full))
	other := w.stranger("other", granted("/share", policy.Full))
	_, _, err := holder.Lock(t.Context(), tp("/share/d/sub/f"), guard.LockRequest{})
	w.must(err)
	w.want(other.RemoveAll(t.Context(), tp("/share/d")), locks.ErrLocked)
	w.want(other.Rename(t.Context(), tp("/share/d"), tp("/share/x"), guard.KeepTarget), locks.ErrLocked)
	w.want(other.Rename(t.Context(), tp("/share/e"), tp("/share/d"), guard.ReplaceAny), locks.ErrLocked)
	w.want(other.Copy(t.Context(), tp("/share/e"), tp("/share/d"), guard.CopyHow{Replace: guard.ReplaceAny}), locks.ErrLocked)
	w.must(other.upload("/share/d/sub/g", "g"))
	_, _, err = holder.Lock(t.Context(), tp("/share/e"), guard.LockRequest{})
	w.must(err)
	w.want(other.upload("/share/e/new", "x"), locks.ErrLocked)
	w.want(other.Mkdir(t.Context(), tp("/share/e/new"), 0), locks.ErrLocked)
	w.want(other.Rename(t.Context(), tp("/share/d/sub/g"), tp("/share/e/g"), guard.KeepTarget), locks.ErrLocked)
	w.want(other.Copy(t.Context(), tp("/share/d/sub/g"), tp("/share/e/g"), guard.CopyHow{}), locks.ErrLocked)
	w.want(other.Link(t.Context(), tp("/share/d/sub/g"), tp("/share/e/g")), locks.ErrLocked)
	_, err = w.locks.Break(t.Context(), "none")
	w.want(err, locks.ErrNoLock)
	// Locks stay with the name, not with the file (RFC 4918 7.7).
	w.must(w.tree.System("test", nil).Rename(t.Context(), tp("/share/d"), tp("/share/moved"), guard.KeepTarget))
	w.must(other.RemoveAll(t.Context(), tp("/share/moved")))
	if left, err := w.locks.List(t.Context(), tp("/share/d")); err != nil || len(left) > 0 {
		t.Fatalf("%+v, %v", left, err)
	}
}

// Locks are shown with paths that the account sees, and are its own to refresh
// and release.
func TestLockPaths(t *testing.T) {
	w := newWorld(t)
	w.put("/groups/team/d/f", "f")
	u := w.user("ann", grantedAt("/groups/team", policy.Full, "team"))
	v := w.user("bob", grantedAt("/groups/team/d", policy.Full, "deep"))
	l, created, err := u.Lock(t.Context(), tp("/team/d"), guard.LockRequest{Deep: true, Owner: "<x/>"})
	w.must(err)
	if created || l.Path != tp("/team/d") {
		t.Fatalf("%+v", l)
	}
	all, err := v.Locks(t.Context(), tp("/deep/f"))
	w.must(err)
	if len(all) != 1 || all[0].Path != tp("/deep") || all[0].Owner != "<x/>" {
		t.Fatalf("%+v", all)
	}
	all, err = u.LocksBelow(t.Context(), tp("/team"))
	w.must(err)
	if len(all) != 1 || all[0].Path != tp("/team/d") {
		t.Fatalf("%+v", all)
	}
	w.want(v.Unlock(t.Context(), tp("/deep"), l.Token), locks.ErrNoLock)
	_, err = v.RefreshLock(t.Context(), tp("/deep"), l.Token, 0)
	w.want(err, locks.ErrNoLock)
	again, err := u.RefreshLock(t.Context(), tp("/team/d/f"), l.Token, 0)
	w.must(err)
	if again.Path != tp("/team/d") {
		t.Fatalf("%+v", again)
	}
	w.must(u.Unlock(t.Context(), tp("/team/d"), l.Token))
	w.must(v.upload("/deep/f", "free"))
	// The lock of a folder above what the account sees has the root as its path.
	_, _, err = u.Lock(t.Context(), tp("/team"), guard.LockRequest{Deep: true})
	w.must(err)
	all, err = v.Locks(t.Context(), tp("/deep/f"))
	w.must(err)
	if len(all) != 1 || all[0].Path != tp("/") {
		t.Fatalf("%+v", all)
	}
}
