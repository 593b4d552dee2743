package guard

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// syncNew makes durable that something has a name in these folders, where what
// is stored is to outlast a loss of power. Who moves something names the folder
// that it came to first: it is rather in both than in none.
func (t *Tree) syncNew(ctx context.Context, folders ...path.Path) error {
	return t.syncFolders(ctx, mount.Mount.Durable, folders...)
}

// syncFolder makes durable whatever became of the names in a folder, where every
// change is to outlast a loss of power.
func (t *Tree) syncFolder(ctx context.Context, folder path.Path) error {
	return t.syncFolders(ctx, everyChange, folder)
}

func everyChange(m mount.Mount) bool { return m.Sync == mount.SyncAlways }

// syncFolders goes on when the client is gone: what it asked for is done.
func (t *Tree) syncFolders(ctx context.Context, wanted func(mount.Mount) bool, folders ...path.Path) error {
	for _, p := range slices.Compact(folders) {
		m, _ := t.mounts.Of(p)
		if !wanted(m) {
			continue
		}
		if err := t.store.Sync(context.WithoutCancel(ctx), p); err != nil {
			return err
		}
	}
	return nil
}

// syncSelf makes durable what became of a file or folder itself, where every
// change is to outlast a loss of power.
func (t *Tree) syncSelf(ctx context.Context, p path.Path, info backend.Info) error {
	if m, _ := t.mounts.Of(p); !everyChange(m) {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if info.IsDir() {
		return t.store.Sync(ctx, p)
	}
	file, err := t.store.Open(ctx, p, backend.How{Read: true})
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// settle makes durable what was changed through the handle, with the name of a
// file that is new.
func (f *File) settle(ctx context.Context) error {
	if !f.sync || !f.touched.Load() {
		return nil
	}
	return f.flush(ctx)
}

func (f *File) flush(ctx context.Context) error {
	err := f.file.Sync()
	if s, ok := f.book.(*stored); ok {
		err = cmp.Or(err, s.syncName(ctx))
	}
	return err
}

// syncName makes durable the name of a file that was made lately, by whoever
// has it open, in whatever folder it is by now.
func (s *stored) syncName(ctx context.Context) error {
	for {
		before, err := s.newName(ctx)
		if err != nil || before.IsRoot() {
			return err
		}
		synced := s.files.sync(ctx, before.Dir())
		after, err := s.newName(ctx)
		if err != nil {
			return err
		}
		if after == before {
			return s.named(synced)
		}
	}
}

// newName is the name that is not durable yet, the root where there is none.
func (s *stored) newName(ctx context.Context) (path.Path, error) {
	if err := s.lock(ctx); err != nil {
		return path.Root, err
	}
	defer s.mu.Unlock()
	if !s.fresh || s.gone {
		return path.Root, nil
	}
	return s.path, nil
}

// named takes the outcome: a folder that is gone took the file with it.
func (s *stored) named(synced error) error {
	if synced != nil && !errors.Is(synced, fs.ErrNotExist) {
		return synced
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = false
	return nil
}
