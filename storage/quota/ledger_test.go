package quota_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state/memory"
)

func TestReserve(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/home/bob", 100, 3)
	if u := get(t, l, "/home/bob"); u.Counting || u.Bytes != 100 || u.Files != 3 || u.Folder != p("/home/bob") {
		t.Fatalf("on a folder that holds nothing: %+v", u)
	}
	if err := d.write(t.Context(), l, p("/home/bob/a"), 60); err != nil {
		t.Fatal(err)
	}
	wantUsed(t, l, "/home/bob", quota.Amount{Bytes: 60, Files: 1})
	full := wantExceeded(t, d.write(t.Context(), l, p("/home/bob/b"), 41), "/home/bob")
	if full.Room != (quota.Amount{Bytes: 40, Files: 2}) {
		t.Errorf("room %+v", full.Room)
	}
	if err := d.write(t.Context(), l, p("/home/bob/b"), 40); err != nil {
		t.Errorf("the last bytes: %v", err)
	}
	if err := d.write(t.Context(), l, p("/home/bob/c"), 0); err != nil {
		t.Errorf("the last file: %v", err)
	}
	wantExceeded(t, d.write(t.Context(), l, p("/home/bob/d"), 0), "/home/bob")
	wantExceeded(t, d.write(t.Context(), l, p("/home/bob/a"), 1), "/home/bob")
	if err := d.write(t.Context(), l, p("/home/bobby/x"), 1000); err != nil {
		t.Errorf("another's folder: %v", err)
	}
	if err := d.remove(t.Context(), l, p("/home/bob/a")); err != nil {
		t.Fatal(err)
	}
	if err := d.write(t.Context(), l, p("/home/bob/e"), 60); err != nil {
		t.Errorf("what was freed is not given again: %v", err)
	}
	wantUsed(t, l, "/home/bob", d.total(p("/home/bob")))
}

func TestCancelledAndUnusedGrowthComesBack(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/q", 100, 10)
	for range 3 {
		r, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 100, Files: 10})
		if err != nil {
			t.Fatal(err)
		}
		if r.Granted() != (quota.Amount{Bytes: 100, Files: 10}) {
			t.Errorf("granted %+v", r.Granted())
		}
		r.Cancel()
		r.Commit(quota.Amount{Bytes: 100}) // too late
	}
	wantUsed(t, l, "/q", quota.Amount{})
	r, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 100, Files: -1})
	if err != nil {
		t.Fatal(err)
	}
	r.Commit(quota.Amount{Bytes: 30, Files: 5}) // more files than were granted
	r.Cancel()
	wantUsed(t, l, "/q", quota.Amount{Bytes: 30})
	if _, err := l.Reserve(t.Context(), p("/q/b"), quota.Amount{Bytes: 70}); err != nil {
		t.Errorf("the unused rest: %v", err)
	}
}

func TestReserveBytesFillsUpToTheLastByte(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/q", 1000, -1)
	set(t, l, "/q/in", 90, -1)
	tests := []struct{ least, most, want int64 }{{50, 60, 60}, {10, 100, 30}, {1, 5, -1}, {0, 5, 0}, {0, 0, 0}}
	for _, tt := range tests {
		got, err := d.stream(t.Context(), l, p("/q/in/a"), tt.least, tt.most)
		if tt.want < 0 {
			wantExceeded(t, err, "/q/in")
		} else if err != nil || got != tt.want {
			t.Errorf("between %d and %d: %d, %v, want %d", tt.least, tt.most, got, err, tt.want)
		}
	}
	wantUsed(t, l, "/q", quota.Amount{Bytes: 90})
	wantUsed(t, l, "/q/in", quota.Amount{Bytes: 90})
	if got, err := d.stream(t.Context(), l, p("/q/b"), 1, 2000); err != nil || got != 910 {
		t.Errorf("above: %d, %v", got, err)
	}
}

// Growth that one of several quotas refuses is taken from none.
func TestQuotasAboveEachOther(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/", 1000, -1)
	set(t, l, "/a", 500, -1)
	set(t, l, "/a/b", 700, -1)
	full := wantExceeded(t, d.write(t.Context(), l, p("/a/b/c"), 600), "/a")
	if full.Room != (quota.Amount{Bytes: 500, Files: -1}) {
		t.Errorf("room %+v", full.Room)
	}
	for _, folder := range []string{"/", "/a", "/a/b"} {
		wantUsed(t, l, folder, quota.Amount{})
	}
	if err := d.write(t.Context(), l, p("/x"), 900); err != nil {
		t.Fatal(err)
	}
	wantExceeded(t, d.write(t.Context(), l, p("/a/b/c"), 200), "/")
	if err := d.write(t.Context(), l, p("/a/b/c"), 100); err != nil {
		t.Errorf("what a refusal took was not put back: %v", err)
	}
	room, ok, err := l.Room(t.Context(), p("/a/b/c/d"))
	if err != nil || !ok || room.Folder != path.Root || room.Bytes != 1000 || room.Used.Bytes != 1000 || room.Files != -1 {
		t.Errorf("Room = %+v, %v, %v", room, ok, err)
	}
	list, err := l.List(t.Context())
	if err != nil || !slices.EqualFunc(list, []string{"/", "/a", "/a/b"}, func(u quota.Usage, s string) bool { return u.Folder == p(s) }) {
		t.Errorf("List = %+v, %v", list, err)
	}
}

func TestRoomIsTheSmallestOfEach(t *testing.T) {
	l := open(t, memory.New(), "1", newDisk())
	if _, ok, err := l.Room(t.Context(), p("/a")); ok || err != nil {
		t.Errorf("without any quota: %v, %v", ok, err)
	}
	set(t, l, "/", 100, 7)
	set(t, l, "/a", 50, 9)
	set(t, l, "/a/b", -1, 8)
	u, ok, err := l.Room(t.Context(), p("/a/b/c"))
	if err != nil || !ok || u.Folder != p("/a") || u.Bytes != 50 || u.Files != 7 {
		t.Errorf("Room = %+v, %v, %v", u, ok, err)
	}
}

// A limit below the use refuses growth only, and a higher one allows it at once.
func TestLimitsChange(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/q", 100, -1)
	if err := d.write(t.Context(), l, p("/q/a"), 50); err != nil {
		t.Fatal(err)
	}
	set(t, l, "/q", 20, -1)
	wantExceeded(t, d.write(t.Context(), l, p("/q/a"), 1), "/q")
	wantUsed(t, l, "/q", quota.Amount{Bytes: 50, Files: 1})
	if err := d.remove(t.Context(), l, p("/q/a")); err != nil {
		t.Fatal(err)
	}
	wantExceeded(t, d.write(t.Context(), l, p("/q/b"), 21), "/q")
	if err := d.write(t.Context(), l, p("/q/b"), 20); err != nil {
		t.Error(err)
	}
	set(t, l, "/q", 30, -1)
	if err := d.write(t.Context(), l, p("/q/b"), 10); err != nil {
		t.Error(err)
	}
	set(t, l, "/q", -1, -1)
	if _, ok, err := l.Get(t.Context(), p("/q")); ok || err != nil {
		t.Errorf("a removed quota is there: %v, %v", ok, err)
	}
	if err := d.write(t.Context(), l, p("/q/b"), 1e9); err != nil {
		t.Error(err)
	}
}

func TestSetOnAFilledFolder(t *testing.T) {
	d := newDisk()
	d.put("/q/a", "/q/b/c", "/x")
	l := open(t, memory.New(), "1", d)
	set(t, l, "/q", 25, -1)
	wantUsed(t, l, "/q", quota.Amount{Bytes: 20, Files: 2})
	wantExceeded(t, d.write(t.Context(), l, p("/q/a"), 6), "/q")
	got, err := l.Measure(t.Context(), p("/x"))
	if err != nil || got != (quota.Amount{Bytes: 10, Files: 1}) {
		t.Errorf("Measure = %+v, %v", got, err)
	}
}

// An upload that began before the quota was set is charged all the same.
func TestGrowthReservedBeforeTheQuotaWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := open(t, memory.New(), "1", d)
		before, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 40, Files: 1})
		if err != nil {
			t.Fatal(err)
		}
		set(t, l, "/q", 100, -1)
		d.mu.Lock()
		d.files[p("/q/a")] = 40
		d.mu.Unlock()
		before.Commit(quota.Amount{Bytes: 40, Files: 1})
		wantUsed(t, l, "/q", quota.Amount{Bytes: 40, Files: 1})
		time.Sleep(time.Minute)
		wantUsed(t, l, "/q", quota.Amount{Bytes: 40, Files: 1})
	})
}

// Sixty-four writers fight for the last bytes: exactly the limit is written.
func TestRaceForTheLastByte(t *testing.T) {
	d := newDisk()
	s := &audited{Store: memory.New()}
	l := open(t, s, "1", d)
	const limit = 1<<20 + 345
	set(t, l, "/q", limit, 100)
	var wg sync.WaitGroup
	var files atomic.Int64
	for i := range 64 {
		wg.Go(func() {
			name, err := p("/q").Join(string(rune('A' + i)))
			if err != nil {
				t.Error(err)
				return
			}
			r, err := l.Reserve(t.Context(), name, quota.Amount{Files: 2})
			if err == nil {
				r.Commit(quota.Amount{Files: 2})
				files.Add(2)
			} else if !errors.Is(err, quota.ErrExceeded) {
				t.Error(err)
			}
			for {
				if _, err := d.stream(t.Context(), l, name, 1, 1234); err != nil {
					if !errors.Is(err, quota.ErrExceeded) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	if got := d.total(p("/q")).Bytes; got != limit {
		t.Errorf("%d bytes were written, limit %d", got, limit)
	}
	if files.Load() != 100 {
		t.Errorf("%d files were made, limit 100", files.Load())
	}
	wantUsed(t, l, "/q", quota.Amount{Bytes: limit, Files: 100})
	if s.over.Load() > 0 {
		t.Error("used and leased passed the limit")
	}
	closeLedger(t, l)
	if n := leases(t, s); n != 0 {
		t.Errorf("%d are leased after Close", n)
	}
}

// An upload that streams holds one reservation, however often it takes more.
func TestReservationsAddUpAndShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New(), "1", newDisk())
		set(t, l, "/q", 100, 10)
		reserve := func(bytes, files int64) *quota.Reservation {
			r, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: bytes, Files: files})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r, more := reserve(30, 1), reserve(50, 2)
		r.Add(more)
		more.Commit(quota.Amount{Bytes: 50}) // it holds nothing any more
		if r.Granted() != (quota.Amount{Bytes: 80, Files: 3}) {
			t.Fatalf("granted %+v", r.Granted())
		}
		r.Shrink(quota.Amount{Bytes: 60, Files: 9})
		r.Shrink(quota.Amount{Bytes: 70, Files: 9})
		if r.Granted() != (quota.Amount{Bytes: 60, Files: 3}) {
			t.Fatalf("granted %+v", r.Granted())
		}
		rest := reserve(40, 7)
		rest.Cancel()
		set(t, l, "/", 1000, -1)
		r.Add(reserve(20, 0)) // taken of a quota that r knows nothing of
		r.Commit(quota.Amount{Bytes: 75, Files: 3})
		r.Add(reserve(25, 0)) // too late: it is given back
		wantUsed(t, l, "/q", quota.Amount{Bytes: 75, Files: 3})
		wantUsed(t, l, "/", quota.Amount{Bytes: 75, Files: 3})
		reserve(25, 7).Cancel()
	})
}
