package guard

import (
	"context"
	"errors"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
)

// withdraw takes a file away again that the client was to hear of with its content,
// where the upload broke off before it had any. It stays where somebody else has
// come to know it, or done something to it.
func (f *File) withdraw(ctx context.Context) (gone bool, err error) {
	s, inPlace := f.book.(*stored)
	if !inPlace || !f.how.Tentative || !f.brokeOff() || !f.created.Load() || f.in.Load() > 0 {
		return false, nil
	}
	t, p := f.fs.s.tree, f.c.at.real
	release, err := t.hold(ctx, span{path: p})
	if err != nil {
		return false, nil
	}
	defer release()
	if f.fs.unlocked(ctx, locks.Touch{Path: p, Tree: true, Member: true}) != nil {
		return false, nil
	}
	freed, err := s.remove(ctx, p,
		func() (backend.Info, error) { return f.untouched(ctx, s) },
		func() error { return t.takeAway(ctx, p, s.id) },
		func() bool { return true })
	if err != nil {
		return false, nil
	}
	t.release(ctx, p, freed)
	f.fs.s.made.forget(p)
	f.created.Store(false)
	return true, t.syncFolder(ctx, p.Dir())
}

func (f *File) brokeOff() bool { return f.ctx.Err() != nil || f.aborted.Load() != nil }

// untouched describes what stands where the file was made: errSwapped where that is
// not what was made, as it was then. s.mu is held.
func (f *File) untouched(ctx context.Context, s *stored) (backend.Info, error) {
	now, err := f.fs.s.tree.store.Stat(ctx, f.c.at.real)
	if err != nil {
		return now, err
	}
	if !s.alone || now.ID != s.id || now.Size > 0 || now.Links != 1 || !now.Changed.Equal(f.begun) {
		return now, errSwapped
	}
	return now, nil
}

// takeAway removes the file with this identity at p, and none that another node has put
// there a moment ago.
func (t *Tree) takeAway(ctx context.Context, p path.Path, id backend.FileID) error {
	if !t.files.shared {
		return t.store.Remove(ctx, p)
	}
	aside, err := t.staging.PutAside(ctx, p)
	if err != nil {
		return err
	}
	if info, err := aside.Stat(ctx); err != nil || info.ID != id {
		return errors.Join(err, errSwapped, aside.Restore())
	}
	return aside.Drop()
}
