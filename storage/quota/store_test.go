package quota_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// Writing in blocks costs no store operation per block, nor does being refused.
func TestWritingIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // what is booked each second comes between no two figures
		d := newDisk()
		s := &audited{Store: memory.New()}
		l := open(t, s, "1", d)
		set(t, l, "/q", 1<<30, -1)
		before := s.writes.Load()
		for range 1 << 12 {
			if _, err := d.stream(t.Context(), l, p("/q/a"), 1<<15, 1<<15); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.writes.Load() - before; n > 40 {
			t.Errorf("%d writes to the store for 128 MiB", n)
		}
		before = s.writes.Load()
		set(t, l, "/q", 1, -1)
		if n := s.writes.Load() - before; n != 1 {
			t.Errorf("%d writes to the store for one figure of a limit", n)
		}
		before = s.writes.Load()
		for range 100 {
			if _, err := d.stream(t.Context(), l, p("/q/a"), 1, 1); err == nil {
				t.Fatal("over the limit")
			}
		}
		if n := s.writes.Load() - before; n > 0 {
			t.Errorf("%d writes to the store for refusals", n)
		}
	})
}

func TestIdleLeasesAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := &audited{Store: memory.New()}
		l := open(t, s, "1", d)
		set(t, l, "/q", 1<<30, -1)
		if err := d.write(t.Context(), l, p("/q/a"), 100); err != nil {
			t.Fatal(err)
		}
		if err := d.remove(t.Context(), l, p("/q/b")); err != nil {
			t.Fatal(err)
		}
		if leases(t, s) == 0 {
			t.Error("nothing is leased while it is written to")
		}
		time.Sleep(10 * time.Second)
		if n := leases(t, s); n != 0 {
			t.Errorf("%d are leased long after", n)
		}
		if page, err := s.List(t.Context(), "quotas:open", "", "", 0); err != nil || len(page.Records) > 0 {
			t.Errorf("marks are left: %+v, %v", page, err)
		}
		before := s.writes.Load()
		time.Sleep(time.Hour)
		if n := s.writes.Load() - before; n > 0 {
			t.Errorf("%d writes to the store while nothing happens", n)
		}
		wantUsed(t, l, "/q", quota.Amount{Bytes: 100, Files: 1})
	})
}

func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := &audited{Store: memory.New()}
		l := open(t, s, "1", d)
		set(t, l, "/q", 1<<30, -1)
		if err := d.write(t.Context(), l, p("/q/a"), 1000); err != nil {
			t.Fatal(err)
		}
		away := errors.New("away")
		s.fail(func() (error, error) { return away, nil })
		if err := d.write(t.Context(), l, p("/q/a"), 100<<20); !errors.Is(err, away) {
			t.Errorf("growth beyond the lease: %v", err)
		}
		time.Sleep(30 * time.Second)
		s.fail(nil)
		time.Sleep(30 * time.Second)
		wantUsed(t, l, "/q", d.total(p("/q")))
		if err := d.write(t.Context(), l, p("/q/a"), 100<<20); err != nil {
			t.Errorf("once it is back: %v", err)
		}
		wantUsed(t, l, "/q", d.total(p("/q")))
	})
}

// Replies get lost after the operation was done, and operations before: nothing
// is booked twice or not at all.
func TestLostReplies(t *testing.T) {
	d := newDisk()
	var n atomic.Int64
	s := &audited{Store: memory.New()}
	l := open(t, s, "1", d)
	set(t, l, "/q", 50<<20, -1)
	walks := d.walks.Load()
	s.fail(func() (error, error) {
		switch n.Add(1) % 7 {
		case 1, 2, 3, 4:
			return nil, state.ErrUnknown
		case 5:
			return state.ErrUnknown, nil
		}
		return nil, nil
	})
	for range 40 {
		if err := d.write(t.Context(), l, p("/q/a"), 1<<20); err != nil && !errors.Is(err, state.ErrUnknown) {
			t.Fatal(err)
		}
		if d.total(p("/q")).Bytes > 20<<20 {
			if err := d.remove(t.Context(), l, p("/q/a")); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.fail(nil)
	closeLedger(t, l)
	again := open(t, s, "2", d)
	wantUsed(t, again, "/q", d.total(p("/q")))
	if d.walks.Load() > walks {
		t.Error("the folder had to be counted")
	}
	if n := leases(t, s); n != 0 {
		t.Errorf("%d are leased after Close", n)
	}
}

// That something may be removed is noted once, for as long as it lasts; where a
// lease is held there is no need to.
func TestChangesAreNotedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.put("/q/a")
		s := &audited{Store: memory.New()}
		l := open(t, s, "1", d)
		set(t, l, "/q", 1000, -1)
		noted := func() int {
			page, err := s.List(t.Context(), "quotas:open", "", "", 0)
			if err != nil {
				t.Fatal(err)
			}
			return len(page.Records)
		}
		rest := func() {
			t.Helper()
			time.Sleep(time.Minute)
			if n := noted(); n != 0 {
				t.Errorf("%d notes are left", n)
			}
		}
		for range 2 {
			s.marks.Store(0)
			for range 10 {
				if err := d.remove(t.Context(), l, p("/q/none")); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.marks.Load(); n != 1 || noted() != 1 {
				t.Errorf("%d writes, %d notes", n, noted())
			}
			rest()
		}
		done, err := l.Touch(t.Context(), p("/q/a"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if noted() != 1 {
			t.Error("the note of a change that goes on is gone")
		}
		done()
		rest()
		if err := d.write(t.Context(), l, p("/q/a"), 10); err != nil {
			t.Fatal(err)
		}
		s.marks.Store(0)
		if err := d.remove(t.Context(), l, p("/q/a")); err != nil {
			t.Fatal(err)
		}
		if n := s.marks.Load(); n != 1 {
			t.Errorf("%d notes while there is a lease, which may be gone before the change is made", n)
		}
		rest()
		wantUsed(t, l, "/q", quota.Amount{})
	})
}

// A reservation that is held for long keeps its lease.
func TestLongReservationsKeepTheirLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &audited{Store: memory.New()}
		l := open(t, s, "1", newDisk())
		set(t, l, "/q", 1000, 0)
		r, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 700})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := leases(t, s); n != 700 {
			t.Errorf("%d are leased", n)
		}
		r.Commit(quota.Amount{Bytes: 600})
		time.Sleep(time.Minute)
		if n := leases(t, s); n != 0 {
			t.Errorf("%d are leased after its end", n)
		}
		wantUsed(t, l, "/q", quota.Amount{Bytes: 600})
	})
}

// A limit of nothing is a limit: it is no different from others.
func TestLimitOfNothing(t *testing.T) {
	s := &audited{Store: memory.New()}
	l := open(t, s, "1", newDisk())
	set(t, l, "/q", 0, 0)
	before := s.writes.Load()
	_, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 1})
	if full := wantExceeded(t, err, "/q"); full.Room != (quota.Amount{}) {
		t.Errorf("room %+v", full.Room)
	}
	_, err = l.Reserve(t.Context(), p("/q/a"), quota.Amount{Files: 1})
	wantExceeded(t, err, "/q")
	if n := s.writes.Load() - before; n != 0 {
		t.Errorf("%d writes to the store", n)
	}
	if r, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{}); err != nil {
		t.Errorf("nothing is refused: %v", err)
	} else {
		r.Cancel()
	}
}
