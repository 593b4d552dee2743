package quota_test

import (
	"slices"
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
		{"/c", "/home/a", true}, // a quota stands where it arrives
		{"/home/a", "/c", true},
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
}

// A quota is of a path, whatever becomes of the folder: who removes it and makes
// it anew meets the same limit.
func TestQuotaStaysWithItsPath(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/q", 100, 2)
	for range 3 {
		if err := d.write(t.Context(), l, p("/q/a"), 100); err != nil {
			t.Fatal(err)
		}
		wantExceeded(t, d.write(t.Context(), l, p("/q/b"), 1), "/q")
		if err := d.remove(t.Context(), l, p("/q/a")); err != nil {
			t.Fatal(err)
		}
		if u, err := l.Rescan(t.Context(), p("/q")); err != nil || u.Used != (quota.Amount{}) || u.Bytes != 100 {
			t.Fatalf("of a folder that is gone: %+v, %v", u, err)
		}
	}
}

func TestLimitsAndDrop(t *testing.T) {
	d, s := newDisk(), &audited{Store: memory.New()}
	l := open(t, s, "1", d)
	for _, folder := range []string{"/a", "/a/b/c", "/ab"} {
		limit := quota.Limit{Folder: p(folder), Amount: quota.Amount{Bytes: 1000, Files: -1}, Owner: "of " + folder}
		if err := l.Set(t.Context(), limit); err != nil {
			t.Fatal(err)
		}
		if got, ok := l.On(p(folder)); !ok || got != limit {
			t.Errorf("On(%s) = %+v, %v", folder, got, ok)
		}
	}
	if got, ok := l.On(p("/a/b")); ok {
		t.Errorf("On a folder without: %+v", got)
	}
	for folder, want := range map[string][]string{
		"/": {"/a", "/a/b/c", "/ab"}, "/a": {"/a", "/a/b/c"}, "/a/b": {"/a/b/c"}, "/a/b/c": {"/a/b/c"}, "/a/b/c/d": nil, "/b": nil,
	} {
		same := func(u quota.Limit, at string) bool {
			return u.Folder == p(at) && u.Owner == "of "+at && u.Bytes == 1000
		}
		if got := l.Limits(p(folder)); !slices.EqualFunc(got, want, same) {
			t.Errorf("Limits(%s) = %v", folder, got)
		}
	}
	set(t, l, "/a", 1000, -1) // by hand
	if u := get(t, l, "/a"); u.Owner != "" {
		t.Errorf("got %+v", u)
	}
	if err := d.write(t.Context(), l, p("/a/b/c/file"), 100); err != nil {
		t.Fatal(err)
	}
	if err := l.Drop(t.Context(), p("/a")); err != nil {
		t.Fatal(err)
	}
	if list, err := l.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("after Drop: %+v, %v", list, err)
	}
	if err := l.Drop(t.Context(), p("/none")); err != nil {
		t.Errorf("of a folder without quotas: %v", err)
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
// once, and so does a removal.
func TestOtherNodesChangesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDisk(), memory.New()
		here := open(t, s, "1", d)
		there := another(t, s, d)
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
		set(t, there, "/q", -1, -1)
		synctest.Wait()
		if err := d.write(t.Context(), here, p("/q/a"), 1000); err != nil {
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
		there := another(t, s, d)
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
	l := open(t, memory.New(), "1", newDisk())
	for i := range int64(100) {
		set(t, l, "/a", -1, -1)
		set(t, l, "/a", 1000, -1)
		set(t, l, "/a", i+1, -1)
		if list, err := l.List(t.Context()); err != nil || len(list) != 1 || list[0].Bytes != i+1 {
			t.Fatalf("List = %+v, %v", list, err)
		}
	}
}
