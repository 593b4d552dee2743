package quota_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/quota"
	"gatehouse/storage/state/memory"
)

func TestCrossesAndMove(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/", 2000, 20)
	for _, folder := range []string{"/home/a", "/home/b", "/home/b/sub"} {
		set(t, l, folder, 1000, 10)
	}
	crosses := []struct {
		from, to string
		want     bool
	}{
		{"/home/a/x", "/home/a/y", false},
		{"/home/a/x", "/home/b/x", true},
		{"/home/a/x", "/x", true},
		{"/x", "/home/a/x", true},
		{"/x", "/y/z", false},
		{"/home/b/x", "/home/b/sub/x", true},
		{"/home/b/sub/x", "/home/b/x", true},
		{"/home/b/sub", "/home/b/other", false}, // its quota goes along
		{"/home/b/sub", "/home/a/sub", true},
		{"/home/b", "/home/c", false},
		{"/c", "/home/a", true}, // a quota stands where it arrives
	}
	for _, tt := range crosses {
		if got := l.Crosses(p(tt.from), p(tt.to)); got != tt.want {
			t.Errorf("Crosses(%s, %s) = %v", tt.from, tt.to, got)
		}
	}
	for _, name := range []string{"/home/a/dir/one", "/home/a/dir/two"} {
		if err := d.write(t.Context(), l, p(name), 300); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.write(t.Context(), l, p("/home/b/full"), 500); err != nil {
		t.Fatal(err)
	}
	wantExceeded(t, d.move(t.Context(), l, p("/home/a/dir"), p("/home/b/dir")), "/home/b")
	wantUsed(t, l, "/home/a", quota.Amount{Bytes: 600, Files: 2})
	if err := d.remove(t.Context(), l, p("/home/b/full")); err != nil {
		t.Fatal(err)
	}
	if err := d.move(t.Context(), l, p("/home/a/dir"), p("/home/b/sub/dir")); err != nil {
		t.Fatal(err)
	}
	wantUsed(t, l, "/", quota.Amount{Bytes: 600, Files: 2})
	wantUsed(t, l, "/home/a", quota.Amount{})
	wantUsed(t, l, "/home/b", quota.Amount{Bytes: 600, Files: 2})
	wantUsed(t, l, "/home/b/sub", quota.Amount{Bytes: 600, Files: 2})
	if err := d.move(t.Context(), l, p("/home/b/sub"), p("/home/a/moved")); err != nil {
		t.Fatal(err)
	}
	wantUsed(t, l, "/home/a", quota.Amount{Bytes: 600, Files: 2})
	wantUsed(t, l, "/home/b", quota.Amount{})
	wantUsed(t, l, "/home/a/moved", quota.Amount{Bytes: 600, Files: 2})
	if _, ok, err := l.Get(t.Context(), p("/home/b/sub")); ok || err != nil {
		t.Errorf("a quota was left behind: %v, %v", ok, err)
	}
}

func TestRenameAndDrop(t *testing.T) {
	d, s := newDisk(), &audited{Store: memory.New()}
	l := open(t, s, "1", d)
	for _, folder := range []string{"/a", "/a/b/c", "/ab", "/new", "/new/b/c"} {
		set(t, l, folder, 1000, -1)
	}
	if err := d.write(t.Context(), l, p("/a/b/c/file"), 100); err != nil {
		t.Fatal(err)
	}
	upload, err := l.Reserve(t.Context(), p("/a/b/c/file"), quota.Amount{Bytes: 50})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.move(t.Context(), l, p("/a"), p("/new")); err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.files[p("/new/b/c/file")] += 50
	d.mu.Unlock()
	upload.Commit(quota.Amount{Bytes: 50}) // it went along
	check := func(l *quota.Ledger) {
		t.Helper()
		list, err := l.List(t.Context())
		if err != nil || len(list) != 3 {
			t.Fatalf("List = %+v, %v", list, err)
		}
		wantUsed(t, l, "/new", quota.Amount{Bytes: 150, Files: 1})
		wantUsed(t, l, "/new/b/c", quota.Amount{Bytes: 150, Files: 1})
		wantUsed(t, l, "/ab", quota.Amount{})
	}
	check(l)
	closeLedger(t, l)
	again := open(t, s, "2", d)
	check(again)
	if err := again.Drop(t.Context(), p("/new")); err != nil {
		t.Fatal(err)
	}
	if list, err := again.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("after Drop: %+v, %v", list, err)
	}
	if n := leases(t, s); n != 0 {
		t.Errorf("%d are leased of quotas that are gone", n)
	}
}

// What began under a quota that is removed meanwhile goes on, and brings
// nothing of it back.
func TestDropWhileWriting(t *testing.T) {
	d, s := newDisk(), memory.New()
	l := open(t, s, "1", d)
	set(t, l, "/q", 1000, -1)
	r, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	done, err := l.Touch(t.Context(), p("/q/b"))
	if err != nil {
		t.Fatal(err)
	}
	set(t, l, "/q", -1, -1)
	r.Commit(quota.Amount{Bytes: 100})
	done()
	closeLedger(t, l)
	scopes, err := s.Scopes(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range scopes {
		page, err := s.List(t.Context(), scope, "", "", 0)
		if err != nil || len(page.Records) > 0 {
			t.Errorf("left in %s: %+v, %v", scope, page, err)
		}
	}
	if n := leases(t, s); n != 0 {
		t.Errorf("%d are leased", n)
	}
}

// A limit that another node or the administration there sets holds here at
// once, and so does a removal and a rename.
func TestOtherNodesChangesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDisk(), memory.New()
		here := open(t, s, "1", d)
		there, err := quota.New(t.Context(), s, "other", "1", d.walk)
		if err != nil {
			t.Fatal(err)
		}
		defer closeLedger(t, there)
		set(t, there, "/q", 100, -1)
		synctest.Wait()
		wantExceeded(t, d.write(t.Context(), here, p("/q/a"), 101), "/q")
		if err := d.write(t.Context(), here, p("/q/a"), 10); err != nil {
			t.Fatal(err)
		}
		set(t, there, "/q", 50, -1)
		time.Sleep(time.Second)
		wantExceeded(t, d.write(t.Context(), here, p("/q/a"), 41), "/q")
		if err := d.write(t.Context(), here, p("/q/a"), 40); err != nil {
			t.Error(err)
		}
		if err := there.Rename(t.Context(), p("/q"), p("/r")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := d.write(t.Context(), here, p("/q/a"), 1000); err != nil {
			t.Errorf("where no quota is any more: %v", err)
		}
		wantExceeded(t, d.write(t.Context(), here, p("/r/a"), 1), "/r")
		set(t, there, "/r", -1, -1)
		synctest.Wait()
		if err := d.write(t.Context(), here, p("/r/a"), 1000); err != nil {
			t.Errorf("a removed quota: %v", err)
		}
	})
}

// A node that leases the last room and does not use it gives it to one that
// needs it; together they never pass the limit.
func TestNodesShareTheLastRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDisk(), &audited{Store: memory.New()}
		here := open(t, s, "1", d)
		there, err := quota.New(t.Context(), s, "other", "1", d.walk)
		if err != nil {
			t.Fatal(err)
		}
		defer closeLedger(t, there)
		set(t, here, "/q", 1000, -1)
		synctest.Wait()
		if err := d.write(t.Context(), here, p("/q/a"), 10); err != nil {
			t.Fatal(err)
		}
		if err := d.write(t.Context(), there, p("/q/b"), 980); err != nil {
			t.Errorf("what another node only holds: %v", err)
		}
		if err := d.write(t.Context(), here, p("/q/c"), 10); err != nil {
			t.Error(err)
		}
		wantExceeded(t, d.write(t.Context(), there, p("/q/d"), 1), "/q")
		wantExceeded(t, d.write(t.Context(), here, p("/q/d"), 1), "/q")
		if s.over.Load() > 0 {
			t.Error("used and leased passed the limit")
		}
		time.Sleep(10 * time.Second)
		wantUsed(t, here, "/q", quota.Amount{Bytes: 1000, Files: 3})
		wantUsed(t, there, "/q", quota.Amount{Bytes: 1000, Files: 3})
	})
}

// A node hears of its own changes late: what it hears must not undo what it did
// since.
func TestChangesAreHeardLate(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/a", 1000, -1)
	if err := d.write(t.Context(), l, p("/a/file"), 100); err != nil {
		t.Fatal(err)
	}
	from, to := "/a", "/b"
	for range 100 {
		set(t, l, to, 50, -1)
		if err := d.move(t.Context(), l, p(from), p(to)); err != nil {
			t.Fatal(err)
		}
		wantUsed(t, l, to, quota.Amount{Bytes: 100, Files: 1})
		if list, err := l.List(t.Context()); err != nil || len(list) != 1 || list[0].Bytes != 1000 {
			t.Fatalf("List = %+v, %v", list, err)
		}
		from, to = to, from
	}
}
