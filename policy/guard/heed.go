package guard

import (
	"errors"
	"time"

	"gatehouse/storage/locks"
)

// heedEvery is how soon who writes in place heeds a lock that somebody else took
// after the file was opened. Each piece need not ask for it.
const heedEvery = time.Second

// heed is a *locks.LockedError where somebody else has locked the file meanwhile.
// What is staged is judged when it takes its place. A store that is away ends no
// upload that is under way.
func (f *File) heed() error {
	if f.upload != nil {
		return f.upload.early.refused()
	}
	now, last := time.Now().UnixNano(), f.heeded.Load()
	if now-last < int64(heedEvery) && now >= last || !f.heeded.CompareAndSwap(last, now) {
		return nil
	}
	err := f.free()
	if errors.Is(err, locks.ErrLocked) {
		f.heeded.Store(0) // the next piece asks again
		return err
	}
	return nil
}

// free asks the locks for the file where it stands by now.
func (f *File) free() error {
	s, ok := f.book.(*stored)
	if !ok {
		return f.fs.unlocked(f.ctx, locks.Touch{Path: f.c.at.real})
	}
	names, err := s.standing(f.ctx)
	if err != nil {
		return err
	}
	touches := make([]locks.Touch, len(names))
	for i, p := range names {
		touches[i].Path = p
	}
	return f.fs.unlocked(f.ctx, touches...)
}
