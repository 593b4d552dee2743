package guard_test

import (
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
