package guard

import (
	"context"
	"errors"
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
			t.notes(err)
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

// notes takes what became of a name that was made durable elsewhere: where it was
// not, nothing there is known to be.
func (t *Tree) notes(err error) {
	if err != nil {
		t.files.durable.clear()
	}
}

// settle makes durable what the handle has changed or found, with the names of the
// file: what a gateway that was killed had written may be nowhere but in memory.
func (f *File) settle(ctx context.Context) error {
	if !f.sync {
		return nil
	}
	if s, ok := f.book.(*stored); !f.touched.Load() && (!ok || s.lasts(ctx)) {
		return nil
	}
	return f.flush(ctx)
}

func (f *File) flush(ctx context.Context) error {
	if s, ok := f.book.(*stored); ok {
		return s.flush(ctx, f.file)
	}
	return f.file.Sync()
}

// flush makes the file durable, with its names. Those of one that cannot be are
// synced again by whoever comes next.
func (s *stored) flush(ctx context.Context, f backend.File) error {
	if err := f.Sync(); err != nil {
		s.files.durable.clear()
		return err
	}
	return s.syncNames(ctx)
}
