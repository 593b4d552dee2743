package guard_test

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
)

// Whoever had a file open before somebody locked it went on writing over it: within
// a second it hears whose it is, and nothing of it changes any more. What is staged
// is refused when it would take its place.
func TestALockWhileAnotherWrites(t *testing.T) {
	writes := map[string]func(f *guard.File) error{
		"a piece":    func(f *guard.File) error { _, err := f.WriteAt([]byte("bad"), 0); return err },
		"truncation": func(f *guard.File) error { size := int64(1); return f.SetAttr(backend.Attr{Size: &size}) },
		"a time":     func(f *guard.File) error { at := time.Unix(1, 0); return f.SetAttr(backend.Attr{Modified: &at}) },
		"staged":     nil,
	}
	for name, write := range writes {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.put("/share/f", "old content")
			holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
			how := guard.Open{Write: true, Create: true}
			if write == nil {
				how.Atomic, how.Truncate = true, true
			}
			f, err := other.Open(t.Context(), tp("/share/f"), how)
			w.must(err)
			_, err = f.WriteAt([]byte("his"), 0)
			w.must(err)
			before := w.content("/share/f")
			_, _, err = holder.Lock(t.Context(), tp("/share"), guard.LockRequest{Deep: true, Timeout: time.Minute})
			w.must(err)
			time.Sleep(time.Second)
			if write != nil {
				w.want(write(f), locks.ErrLocked)
				w.want(write(f), locks.ErrLocked)
				_ = f.Close() // the first error was told
			} else {
				w.want(f.Close(), locks.ErrLocked)
			}
			if got := w.content("/share/f"); got != before {
				t.Errorf("%s: the locked file holds %q, want %q", name, got, before)
			}
		})
	}
}

// Who has locked the file itself goes on, and so does everybody once it is free.
func TestWritersOutliveALockThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/share/f", "old")
		holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
		l, _, err := holder.Lock(t.Context(), tp("/share/f"), guard.LockRequest{Timeout: time.Minute})
		w.must(err)
		mine, err := holder.With([]string{l.Token}).Open(t.Context(), tp("/share/f"), guard.Open{Write: true})
		w.must(err)
		time.Sleep(2 * time.Second)
		_, err = mine.WriteAt([]byte("new"), 0)
		w.must(err)
		w.must(mine.Close())
		time.Sleep(time.Minute)
		theirs, err := other.Open(t.Context(), tp("/share/f"), guard.Open{Write: true})
		w.must(err)
		time.Sleep(2 * time.Second)
		_, err = theirs.WriteAt([]byte("his"), 0)
		w.must(err)
		w.must(theirs.Close())
	})
}

// A file is renamed while it is written to, and locked under its new name: the lock
// holds, and one on another file that has the old name does not.
func TestALockOnWhatWasRenamed(t *testing.T) {
	renames := map[string]struct{ from, to, file, locked string }{
		"the file":           {"/share/d/a", "/share/d/b", "/share/d/a", "/share/d/b"},
		"its folder":         {"/share/d", "/share/e", "/share/d/a", "/share/e/a"},
		"another name of it": {"/share/d/link", "/share/far", "/share/d/link", "/share/far"},
		"the other name":     {"/share/d/link", "/share/far", "/share/d/a", "/share/d/a"},
	}
	for name, tt := range renames {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.put("/share/d/a", "old content")
			w.must(os.Link(w.disk("/share/d/a"), w.disk("/share/d/link")))
			holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
			first, err := other.Open(t.Context(), tp("/share/d/a"), guard.Open{Write: true})
			w.must(err)
			f, err := other.Open(t.Context(), tp(tt.file), guard.Open{Write: true})
			w.must(err)
			w.must(first.Close())
			w.must(other.Rename(t.Context(), tp(tt.from), tp(tt.to), guard.KeepTarget))
			if tt.file == tt.from {
				w.put(tt.from, "another file")
				_, _, err = holder.Lock(t.Context(), tp(tt.from), guard.LockRequest{Timeout: time.Hour})
				w.must(err)
				time.Sleep(2 * time.Second)
				_, err = f.WriteAt([]byte("o"), 0)
				w.must(err)
			}
			_, _, err = holder.Lock(t.Context(), tp(tt.locked), guard.LockRequest{Timeout: time.Hour})
			w.must(err)
			time.Sleep(2 * time.Second)
			_, err = f.WriteAt([]byte("BAD"), 0)
			w.want(err, locks.ErrLocked)
			if got := w.content(tt.locked); got != "old content" {
				t.Errorf("%s: the locked file holds %q", name, got)
			}
			_ = f.Close()
		})
	}
}

// A name is given to a file while it is open, and the one that it was opened by is
// removed. A lock on what comes there is none on the file; one on what it is called
// now is.
func TestALockOnTheNameThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/share/a", "old content")
		holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
		f, err := other.Open(t.Context(), tp("/share/a"), guard.Open{Write: true})
		w.must(err)
		w.must(other.Link(t.Context(), tp("/share/a"), tp("/share/b")))
		w.must(other.Remove(t.Context(), tp("/share/a")))
		_, _, err = holder.Lock(t.Context(), tp("/share/a"), guard.LockRequest{Timeout: time.Hour})
		w.must(err)
		time.Sleep(2 * time.Second)
		_, err = f.WriteAt([]byte("new"), 0)
		w.must(err)
		_, _, err = holder.Lock(t.Context(), tp("/share/b"), guard.LockRequest{Timeout: time.Hour})
		w.must(err)
		time.Sleep(2 * time.Second)
		_, err = f.WriteAt([]byte("BAD"), 0)
		w.want(err, locks.ErrLocked)
		_ = f.Close()
	})
}

// A file is open by two names and one of them comes to stand for another file. A lock
// on that one is none on the file.
func TestALockOnWhatTookAName(t *testing.T) {
	for name, take := range map[string]func(u *user) error{
		"renamed": func(u *user) error {
			return u.Rename(u.w.t.Context(), tp("/share/c"), tp("/share/b"), guard.ReplaceFile)
		},
		"uploaded": func(u *user) error { return u.uploadAtomic("/share/b") },
		"copied": func(u *user) error {
			return u.Copy(u.w.t.Context(), tp("/share/c"), tp("/share/b"), guard.CopyHow{Replace: guard.ReplaceFile})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.put("/share/a", "old content")
			w.put("/share/c", "another file")
			w.must(os.Link(w.disk("/share/a"), w.disk("/share/b")))
			holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
			f, err := other.Open(t.Context(), tp("/share/a"), guard.Open{Write: true})
			w.must(err)
			g, err := other.Open(t.Context(), tp("/share/b"), guard.Open{Write: true})
			w.must(err)
			w.must(take(other))
			_, _, err = holder.Lock(t.Context(), tp("/share/b"), guard.LockRequest{Timeout: time.Hour})
			w.must(err)
			time.Sleep(2 * time.Second)
			if _, err = f.WriteAt([]byte("new"), 0); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.must(errors.Join(f.Close(), g.Close()))
		})
	}
}

// uploadAtomic writes a whole file and puts it in place.
func (u *user) uploadAtomic(p string) error {
	how := newFile
	how.Atomic = true
	f, err := u.Open(u.w.t.Context(), tp(p), how)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("whole"), 0)
	return errors.Join(err, f.Close())
}
