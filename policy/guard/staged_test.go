package guard_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
)

// While a staged upload runs the old content stays; then the new is there as a
// whole, with what belongs to the name: properties, mode and owner.
func TestStagedUpload(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "old content")
	w.must(os.Chmod(w.disk("/home/ann/f"), 0o604))
	u := w.user("ann", through(policy.WebDAV))
	w.limit("/home/ann", 100, 3)
	w.must(u.SetProperties(t.Context(), tp("/f"), map[string][]byte{"{x}color": []byte("red")}))
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	w.must(err)
	_, err = f.WriteAt([]byte("new"), 0)
	w.must(err)
	if got, err := u.download("/f"); err != nil || got != "old content" {
		t.Fatalf("%q, %v", got, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 3 || info.Name() != "f" {
		t.Fatalf("%v, %v", info, err)
	}
	w.must(f.Close())
	if f.Created() {
		t.Error("it was there before")
	}
	if got, err := u.download("/f"); err != nil || got != "new" {
		t.Fatalf("%q, %v", got, err)
	}
	info, err := u.Stat(t.Context(), tp("/f"))
	w.must(err)
	if info.Mode().Perm() != 0o604 {
		t.Errorf("mode %v", info.Mode())
	}
	props, err := u.Properties(t.Context(), tp("/f"))
	if err != nil || string(props["{x}color"]) != "red" {
		t.Errorf("properties %q, %v", props, err)
	}
	after, err := f.Stat()
	if err != nil || after.ETag() != info.ETag() {
		t.Errorf("the entity tag is %s, and was %s at Close, %v", info.ETag(), after.ETag(), err)
	}
	w.checkQuota("/home/ann")
}

// What changed while an upload was staged is judged when it is put in place.
func TestStagedUploadIsJudgedAgain(t *testing.T) {
	open := func(w *world, u *user, p string, how guard.Open) *guard.File {
		how.Write, how.Create, how.Atomic = true, true, true
		f, err := u.Open(t.Context(), tp(p), how)
		w.must(err)
		_, err = f.WriteAt([]byte("staged"), 0)
		w.must(err)
		return f
	}
	t.Run("exclusive", func(t *testing.T) {
		w := newWorld(t)
		u := w.user("ann")
		f := open(w, u, "/f", guard.Open{Exclusive: true})
		w.put("/home/ann/f", "quicker")
		w.want(f.Close(), fs.ErrExist)
	})
	t.Run("create only", func(t *testing.T) {
		w := newWorld(t)
		w.folder("/drop")
		u := w.stranger("eve", granted("/drop", policy.UploadOnly))
		f := open(w, u, "/drop/f", guard.Open{})
		w.put("/drop/f", "quicker")
		w.want(f.Close(), fs.ErrPermission)
		if w.content("/drop/f") != "quicker" {
			t.Fatal("replaced")
		}
	})
	t.Run("locked", func(t *testing.T) {
		w := newWorld(t)
		w.put("/share/f", "old")
		u := w.stranger("eve", granted("/share", policy.Full))
		v := w.stranger("mal", granted("/share", policy.Full))
		f := open(w, u, "/share/f", guard.Open{Truncate: true})
		_, _, err := v.Lock(t.Context(), tp("/share/f"), guard.LockRequest{})
		w.must(err)
		w.want(f.Close(), locks.ErrLocked)
		if w.content("/share/f") != "old" {
			t.Fatal("replaced")
		}
	})
	t.Run("match", func(t *testing.T) {
		w := newWorld(t)
		w.put("/home/ann/f", "old")
		u := w.user("ann")
		info, err := u.Stat(t.Context(), tp("/f"))
		w.must(err)
		good := open(w, u, "/f", guard.Open{Truncate: true, Match: info.ETag()})
		late := open(w, u, "/f", guard.Open{Truncate: true, Match: info.ETag()})
		w.must(good.Close())
		w.want(late.Close(), guard.ErrChanged)
		for _, p := range []string{"/f", "/missing"} {
			for _, atomic := range []bool{true, false} {
				_, err = u.Open(t.Context(), tp(p), guard.Open{Write: true, Create: true, Truncate: true, Atomic: atomic, Match: info.ETag()})
				w.want(err, guard.ErrChanged)
			}
		}
		if w.content("/home/ann/f") != "staged" {
			t.Fatal("emptied by what was refused")
		}
	})
	t.Run("folder gone", func(t *testing.T) {
		w := newWorld(t)
		w.folder("/home/ann/d")
		u := w.user("ann")
		f := open(w, u, "/d/f", guard.Open{})
		w.must(os.Remove(w.disk("/home/ann/d")))
		w.want(f.Close(), fs.ErrNotExist)
		_, err := u.Open(t.Context(), tp("/d/f"), newFile)
		w.want(err, fs.ErrNotExist)
	})
}

// Where uploads are atomic, going on with a file is refused in words.
func TestResumeIsRefusedWhereAtomic(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "old")
	u := w.user("ann", uploads(policy.Atomic))
	for _, how := range []guard.Open{
		{Write: true, Create: true, Resume: true},
		{Write: true, Create: true},
		{Write: true, Read: true},
	} {
		_, err := u.Open(t.Context(), tp("/f"), how)
		w.want(err, backend.ErrUnsupported)
		if !strings.Contains(err.Error(), "resumed") {
			t.Errorf("the text is %q", err)
		}
	}
	for _, e := range u.take() {
		if e.Outcome != events.Denied || e.Rule != string(policy.RuleUploads) {
			t.Errorf("got %+v", e)
		}
	}
	v := w.user("ann")
	f, err := v.Open(t.Context(), tp("/f"), guard.Open{Write: true, Create: true, Resume: true})
	w.must(err)
	_, err = f.WriteAt([]byte("er"), 3)
	w.must(err)
	w.must(f.Close())
	if w.content("/home/ann/f") != "older" {
		t.Fatal(w.content("/home/ann/f"))
	}
}
