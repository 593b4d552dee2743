package guard_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// A quota is of a path. Neither removing the folder nor renaming it gets rid of
// the limit, nor does a tree slip below one.
func TestQuotaIsNotShakenOff(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/top/limited/f", "12345")
	w.put("/home/ann/tree/limited/f", "1234567890123")
	u := w.user("ann")
	w.limit("/home/ann", 1000, 100)
	w.limit("/home/ann/top/limited", 10, 2)
	for _, from := range []string{"/top/limited", "/top"} {
		w.want(u.Rename(t.Context(), tp(from), tp("/away"), guard.KeepTarget), backend.ErrUnsupported)
	}
	for _, how := range []guard.Replace{guard.ReplaceAny, guard.ReplaceFile} {
		if u.Rename(t.Context(), tp("/tree"), tp("/top"), how) == nil || u.Copy(t.Context(), tp("/tree"), tp("/top"), guard.CopyHow{Replace: how}) == nil {
			t.Error("a tree took the place of a limited folder")
		}
	}
	w.want(u.Copy(t.Context(), tp("/tree/limited/f"), tp("/top"), guard.CopyHow{Replace: guard.ReplaceAny}), backend.ErrUnsupported)
	w.checkQuota("/home/ann/top/limited")
	w.must(u.Rename(t.Context(), tp("/top/limited/f"), tp("/f"), guard.KeepTarget)) // what it holds can go
	w.checkQuota("/home/ann/top/limited")
	w.must(u.RemoveDir(t.Context(), tp("/top/limited")))
	w.want(u.Rename(t.Context(), tp("/tree/limited"), tp("/top/limited"), guard.KeepTarget), quota.ErrExceeded)
	w.must(u.RemoveAll(t.Context(), tp("/top")))
	w.want(u.Rename(t.Context(), tp("/tree"), tp("/top"), guard.KeepTarget), backend.ErrUnsupported)
	w.want(u.Copy(t.Context(), tp("/tree"), tp("/top"), guard.CopyHow{}), backend.ErrUnsupported)
	w.must(u.Mkdir(t.Context(), tp("/top"), 0))
	w.must(u.Mkdir(t.Context(), tp("/top/limited"), 0))
	w.want(u.upload("/top/limited/f", "12345678901"), quota.ErrExceeded)
	w.must(u.upload("/top/limited/f", "1234567890"))
	for _, p := range []string{"/home/ann", "/home/ann/top/limited"} {
		w.checkQuota(p)
	}
	w.must(u.Remove(t.Context(), tp("/top/limited/f")))
	w.must(u.RemoveAll(t.Context(), tp("/top")))
	w.must(u.Rename(t.Context(), tp("/f"), tp("/top"), guard.KeepTarget)) // a file where the folder was
	w.must(u.upload("/f", "123"))
	w.must(u.Rename(t.Context(), tp("/f"), tp("/top"), guard.ReplaceFile))
	if _, err := w.quotas.Rescan(t.Context(), tp("/home/ann/top/limited")); err != nil {
		t.Error(err)
	}
	w.checkQuota("/home/ann")
}

// A quota that is set while a tree is moved counts what there is in the end.
func TestQuotaIsSetDuringARename(t *testing.T) {
	for _, limited := range []string{"/home/ann/from/in", "/home/ann/to", "/home/ann/to/in"} {
		synctest.Test(t, func(t *testing.T) {
			w, b := newWatchedWorld(t)
			w.put("/home/ann/from/in/f", "12345")
			u := w.user("ann")
			b.once("rename", "/home/ann/from", func() { w.limit(limited, 100, 10) })
			w.must(u.Rename(t.Context(), tp("/from"), tp("/to"), guard.KeepTarget))
			time.Sleep(time.Minute)
			used, ok, err := w.quotas.Get(t.Context(), tp(limited))
			w.must(err)
			if !ok {
				t.Fatal("no quota was set")
			}
			want := quota.Amount{}
			if w.exists(limited) {
				want = w.measure(limited)
			}
			if used.Used != want {
				t.Errorf("%s: %+v, want %+v", limited, used.Used, want)
			}
		})
	}
}

// What moves onto a path with a quota is charged to it, and what it replaces
// given back.
func TestReplacingALimitedFolder(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	w.put("/home/ann/top/from/a", "12345")
	w.put("/home/ann/top/big/a", "123456789")
	w.put("/home/ann/to/b", "1234567")
	w.limit("/home/ann", 100, 10)
	w.limit("/home/ann/top", 50, 5)
	w.limit("/home/ann/to", 8, 5)
	w.want(u.Rename(t.Context(), tp("/top/big"), tp("/to"), guard.ReplaceAny), quota.ErrExceeded)
	w.must(u.Rename(t.Context(), tp("/top/from"), tp("/to"), guard.ReplaceAny))
	for _, p := range []string{"/home/ann", "/home/ann/top", "/home/ann/to"} {
		w.checkQuota(p)
	}
}
