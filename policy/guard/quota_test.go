package guard_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/quota"
)

// What is refused for want of room is refused before anything is there: a file
// too many, an upload that was announced, a size that is set.
func TestRefusedEarly(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		t.Run(string(how), func(t *testing.T) {
			w := newWorld(t)
			w.put("/home/ann/old", "12345")
			u := w.user("ann", uploads(how))
			w.limit("/home/ann", 20, 2)
			open := func(p string, size int64) error {
				f, err := u.Open(t.Context(), tp(p), guard.Open{Write: true, Create: true, Truncate: true, Size: size})
				if err == nil {
					err = f.Close()
				}
				return err
			}
			w.want(open("/new", 16), quota.ErrExceeded)
			if w.exists("/home/ann/new") {
				t.Fatal("made")
			}
			w.want(open("/old", 21), quota.ErrExceeded)
			if w.content("/home/ann/old") != "12345" {
				t.Fatal("what was there is lost to an upload that was refused")
			}
			u.take()
			size := int64(21)
			w.want(u.SetAttr(t.Context(), tp("/old"), backend.Attr{Size: &size}), quota.ErrExceeded)
			if e := u.take(); len(e) != 1 || e[0].Outcome != events.Denied || e[0].Rule != "quota" {
				t.Fatalf("got %+v", e)
			}
			w.must(open("/new", 15))
			w.checkQuota("/home/ann")
			w.want(open("/third", 0), quota.ErrExceeded)
			_, _, err := u.Lock(t.Context(), tp("/third"), guard.LockRequest{})
			w.want(err, quota.ErrExceeded)
			if l, err := u.LocksBelow(t.Context(), tp("/")); err != nil || len(l) > 0 {
				t.Fatalf("a lock on nothing stays: %+v, %v", l, err)
			}
			w.want(u.Copy(t.Context(), tp("/old"), tp("/third"), guard.CopyHow{}), quota.ErrExceeded)
			w.checkQuota("/home/ann")
			if len(w.staged()) > 0 {
				t.Fatal("left in staging")
			}
		})
	}
}

// Overwriting takes nothing, growing takes what it grows, shrinking gives back.
func TestGrowth(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	w.limit("/home/ann", 10, 1)
	f, err := u.Open(t.Context(), tp("/f"), guard.Open{Read: true, Write: true, Create: true})
	w.must(err)
	write := func(off int64, n, want int) {
		t.Helper()
		got, err := f.WriteAt(make([]byte, n), off)
		if got != want || (err != nil) != (want < n) || err != nil && !errors.Is(err, quota.ErrExceeded) {
			t.Fatalf("write of %d at %d: %d, %v", n, off, got, err)
		}
		_, err = u.Space(t.Context(), tp("/"))
		w.must(err)
		w.checkQuota("/home/ann")
	}
	write(0, 10, 10)
	write(0, 10, 10)
	write(5, 10, 5)
	write(10, 1, 0)
	write(20, 1, 0) // the hole has no room
	w.must(f.Truncate(3))
	write(5, 10, 5)
	w.must(f.Truncate(0))
	write(9, 5, 1)
	w.want(f.Truncate(11), quota.ErrExceeded)
	w.must(f.Truncate(10))
	w.must(f.Close())
	w.checkQuota("/home/ann")
}

// Two that replace the same file at once can never end over the limit, whoever
// comes last.
func TestConcurrentReplacers(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann", uploads(policy.Atomic))
	w.limit("/home/ann", 100, 2)
	w.must(u.upload("/f", string(make([]byte, 50))))
	for range 20 {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { _ = u.upload("/f", string(make([]byte, 40+20*i))) })
		}
		wg.Wait()
		w.checkQuota("/home/ann")
		if got := w.measure("/home/ann"); got.Bytes > 100 || got.Files != 1 {
			t.Fatalf("%+v on disk", got)
		}
		if len(w.staged()) > 0 {
			t.Fatal("left in staging")
		}
	}
}

// What one writer has reserved ahead and does not use is no lack of room for
// another.
func TestReservedAheadIsGivenBack(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		w := newWorld(t)
		u := w.user("ann", uploads(how))
		w.limit("/home/ann", 1000, 10)
		first, err := u.Open(t.Context(), tp("/first"), newFile)
		w.must(err)
		_, err = first.WriteAt([]byte("1"), 0)
		w.must(err)
		second, err := u.Open(t.Context(), tp("/second"), newFile)
		w.must(err)
		if n, err := second.WriteAt(make([]byte, 999), 0); n != 999 || err != nil {
			t.Fatalf("%s: %d, %v", how, n, err)
		}
		if n, err := first.WriteAt([]byte("2"), 1); n != 0 || !errors.Is(err, quota.ErrExceeded) {
			t.Fatalf("%s: %d, %v", how, n, err)
		}
		w.must(second.Close())
		_ = first.Close()
		w.checkQuota("/home/ann")
	}
}

// A file that is removed or replaced while it is written to is given back at
// once, cannot grow, and is not counted twice.
func TestRemovedWhileOpen(t *testing.T) {
	for name, remove := range map[string]func(w *world, u *user) error{
		"remove":     func(w *world, u *user) error { return u.Remove(w.t.Context(), tp("/d/f")) },
		"remove all": func(w *world, u *user) error { return u.RemoveAll(w.t.Context(), tp("/d")) },
		"rename onto": func(w *world, u *user) error {
			return u.Rename(w.t.Context(), tp("/other"), tp("/d/f"), guard.ReplaceFile)
		},
		"folder renamed onto": func(w *world, u *user) error {
			return u.Rename(w.t.Context(), tp("/e"), tp("/d"), guard.ReplaceAny)
		},
		"folder copied onto": func(w *world, u *user) error {
			return u.Copy(w.t.Context(), tp("/e"), tp("/d"), guard.CopyHow{Replace: guard.ReplaceAny})
		},
		"file copied onto": func(w *world, u *user) error {
			return u.Copy(w.t.Context(), tp("/other"), tp("/d/f"), guard.CopyHow{Replace: guard.ReplaceFile})
		},
		"staged onto": func(w *world, u *user) error {
			f, err := u.Open(w.t.Context(), tp("/d/f"), guard.Open{Write: true, Create: true, Truncate: true, Atomic: true})
			if err != nil {
				return err
			}
			return f.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/home/ann/other", "other")
			w.put("/home/ann/e/x", "x")
			w.folder("/home/ann/d")
			u := w.user("ann")
			w.limit("/home/ann", 1000, 100)
			w.limit("/home/ann/d", 500, 50)
			f, err := u.Open(t.Context(), tp("/d/f"), newFile)
			w.must(err)
			_, err = f.WriteAt(make([]byte, 100), 0)
			w.must(err)
			w.must(remove(w, u))
			w.checkQuota("/home/ann")
			_, err = f.WriteAt([]byte("over"), 0)
			w.must(err)
			_, err = f.WriteAt([]byte("beyond"), 100)
			w.want(err, fs.ErrNotExist)
			w.want(f.Truncate(200), fs.ErrNotExist)
			w.must(f.Truncate(10))
			w.checkQuota("/home/ann")
			_ = f.Close()
			w.checkQuota("/home/ann")
		})
	}
}

// An open file that moves under another quota is charged there from then on.
func TestMovedWhileOpen(t *testing.T) {
	w := newWorld(t)
	w.folder("/home/ann/a/sub")
	w.folder("/home/ann/b")
	u := w.user("ann")
	w.limit("/home/ann/a", 100, 10)
	w.limit("/home/ann/b", 50, 10)
	f, err := u.Open(t.Context(), tp("/a/sub/f"), newFile)
	w.must(err)
	_, err = f.WriteAt(make([]byte, 40), 0)
	w.must(err)
	w.must(u.Rename(t.Context(), tp("/a/sub"), tp("/b/sub"), guard.KeepTarget))
	if n, err := f.WriteAt(make([]byte, 20), 40); n != 10 || !errors.Is(err, quota.ErrExceeded) {
		t.Fatalf("%d, %v", n, err)
	}
	w.want(u.Rename(t.Context(), tp("/b/sub"), tp("/a/sub"), guard.KeepTarget), nil)
	_, err = f.WriteAt(make([]byte, 50), 50)
	w.must(err)
	w.want(u.Rename(t.Context(), tp("/a/sub/f"), tp("/b/f"), guard.KeepTarget), quota.ErrExceeded)
	w.must(f.Close())
	w.checkQuota("/home/ann/a")
	w.checkQuota("/home/ann/b")
}

// A file that stands where a quota is moves onto another: the quota is empty then,
// and the one above both has the one file that is left.
func TestMoveOutOfAQuotaOntoAnotherFile(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	w.must(u.Mkdir(t.Context(), tp("/a"), 0))
	w.limit("/home/ann", 100, 5)
	w.limit("/home/ann/a", 100, 1)
	w.must(u.RemoveAll(t.Context(), tp("/a")))
	w.must(u.upload("/a", "moves"))
	w.must(u.upload("/b", "is replaced"))
	w.must(u.Rename(t.Context(), tp("/a"), tp("/b"), guard.ReplaceFile))
	q, _, err := w.quotas.Get(t.Context(), tp("/home/ann/a"))
	w.must(err)
	if q.Used != (quota.Amount{}) {
		t.Errorf("the quota still counts %+v", q.Used)
	}
	w.checkQuota("/home/ann")
}

// So it is where such a file goes with the folder that it is in.
func TestRemovedTreeWithAFileWhereAQuotaStands(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	w.must(u.Mkdir(t.Context(), tp("/d"), 0))
	w.must(u.Mkdir(t.Context(), tp("/d/a"), 0))
	w.limit("/home/ann", 100, 5)
	w.limit("/home/ann/d/a", 100, 1)
	w.must(u.RemoveAll(t.Context(), tp("/d/a")))
	w.must(u.upload("/d/a", "goes"))
	w.must(u.upload("/d/b", "goes too"))
	w.must(u.RemoveAll(t.Context(), tp("/d")))
	q, _, err := w.quotas.Get(t.Context(), tp("/home/ann/d/a"))
	w.must(err)
	if q.Used != (quota.Amount{}) {
		t.Errorf("the quota still counts %+v", q.Used)
	}
	w.checkQuota("/home/ann")
}

// A write that the disk does not take is not charged, though it was reserved.
func TestShortWrites(t *testing.T) {
	w, disk := newWatchedWorld(t)
	u := w.user("ann")
	w.limit("/home/ann", 1<<20, 10)
	disk.full = true
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	w.must(err)
	_, err = f.WriteAt([]byte("x"), 1000)
	w.want(err, backend.ErrNoSpace)
	w.must(f.Close())
	w.checkQuota("/home/ann")
}

// The free space is the least that any quota leaves, and the same for all.
func TestSpace(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "12345")
	u := w.user("ann")
	s, err := u.Space(t.Context(), tp("/f"))
	w.must(err)
	if s.Quota || s.Bytes <= 0 || s.FreeBytes <= 0 || s.FreeBytes+s.UsedBytes != s.Bytes {
		t.Errorf("the store says %+v", s)
	}
	w.limit("/home", 100, -1)
	w.limit("/home/ann", 50, 7)
	s, err = u.Space(t.Context(), tp("/"))
	w.must(err)
	want := guard.Space{Bytes: 50, UsedBytes: 5, FreeBytes: 45, Files: 7, UsedFiles: 1, FreeFiles: 6, Quota: true}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	w.limit("/home", 20, -1)
	s, err = u.Space(t.Context(), tp("/"))
	w.must(err)
	if s.FreeBytes != 15 {
		t.Errorf("got %+v", s)
	}
	w.limit("/home/ann", 1, 1)
	s, err = u.Space(t.Context(), tp("/"))
	w.must(err)
	if s.FreeBytes != 0 || s.FreeFiles != 0 {
		t.Errorf("over the limit is left %+v", s)
	}
}

// However many work at once, in place and staged, the disk is never over the
// limit, and the ledgers end at what is on it.
func TestManySessionsUnderOneQuota(t *testing.T) {
	w := newWorld(t)
	const limit = 60_000
	var users []*user
	for i := range 6 {
		users = append(users, w.user("ann", uploads([]policy.Uploads{policy.InPlace, policy.Atomic}[i%2])))
	}
	for _, d := range []string{"/a", "/b", "/a/c"} {
		w.folder("/home/ann" + d)
	}
	w.limit("/home/ann", limit, 25)
	w.limit("/home/ann/a", limit/2, 15)
	w.limit("/home/ann/b", limit/2, 15)
	rounds := 250
	if testing.Short() {
		rounds = 60
	}
	var over atomic.Int64
	var wg sync.WaitGroup
	for i, u := range users {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		name := func() string {
			return []string{"/", "/a/", "/b/", "/a/c/"}[rng.IntN(4)] + string(rune('p'+rng.IntN(5)))
		}
		wg.Go(func() {
			for range rounds {
				switch rng.IntN(10) {
				case 0, 1, 2:
					_ = u.upload(name(), string(make([]byte, rng.IntN(9000))))
				case 3, 4:
					f, err := u.Open(t.Context(), tp(name()), guard.Open{Write: true, Create: true})
					if err != nil {
						continue
					}
					for range 4 {
						_, _ = f.WriteAt(make([]byte, rng.IntN(3000)), int64(rng.IntN(6000)))
						_ = f.Truncate(int64(rng.IntN(6000)))
					}
					_ = f.Close()
				case 5:
					_ = u.Rename(t.Context(), tp(name()), tp(name()), guard.Replace(rng.IntN(3)))
				case 6:
					_ = u.Rename(t.Context(), tp("/a/c"), tp("/b/c"), guard.KeepTarget)
					_ = u.Rename(t.Context(), tp("/b/c"), tp("/a/c"), guard.KeepTarget)
				case 7:
					_ = u.Copy(t.Context(), tp(name()), tp(name()), guard.CopyHow{Replace: guard.Replace(rng.IntN(3))})
				case 8:
					_ = u.Remove(t.Context(), tp(name()))
				case 9:
					_ = u.Copy(t.Context(), tp("/a/c"), tp("/b/d"), guard.CopyHow{Replace: guard.ReplaceAny})
					_ = u.RemoveAll(t.Context(), tp("/b/d"))
				}
				over.Store(max(over.Load(), largestSum(w)))
			}
		})
	}
	wg.Wait()
	for _, u := range users {
		for _, e := range u.take() {
			if e.Kind == "" || e.Outcome == "" {
				t.Fatalf("got %+v", e)
			}
		}
	}
	if over.Load() > limit {
		t.Errorf("%d bytes were on disk, %d are allowed", over.Load(), limit)
	}
	for _, p := range []string{"/home/ann", "/home/ann/a", "/home/ann/b"} {
		w.checkQuota(p)
	}
	if left := w.staged(); len(left) > 0 {
		t.Errorf("left in staging: %q", left)
	}
}

// largestSum adds up the files of one folder that nobody moves as a whole.
func largestSum(w *world) int64 {
	var sum int64
	for _, dir := range []string{"/home/ann", "/home/ann/a"} {
		list, err := os.ReadDir(w.disk(dir))
		if err != nil {
			continue
		}
		for _, e := range list {
			if i, err := e.Info(); err == nil && i.Mode().IsRegular() {
				sum += i.Size()
			}
		}
	}
	return sum
}
