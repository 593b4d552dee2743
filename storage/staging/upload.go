package staging

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// An Upload is a file that is not there yet.
type Upload struct {
	File backend.File
	place
	synced bool          // the content is on disk, and the file still open
	placed *backend.Info // what stood in place after Commit
}

// Create begins an upload that will stand at the tree path target. Of how it
// takes Read and who is to own the file, with which mode.
func (a *Area) Create(ctx context.Context, target path.Path, how backend.How) (*Upload, error) {
	u := &Upload{}
	err := a.begin(ctx, &u.place, target, ".file")
	if err != nil {
		return nil, err
	}
	how.Write, how.Create, how.Exclusive, how.Truncate = true, true, true, false
	err = a.making(ctx, u.mount, func() (err error) {
		u.File, err = u.mount.Backend.Open(ctx, u.at, how)
		return err
	})
	if err != nil {
		u.end()
		return nil, stageError(target, err)
	}
	return u, nil
}

// Commit closes the file, made durable as the mount says, and puts it in place.
// Without replace it is fs.ErrExist where something has come there meanwhile.
// After any error but ErrNotDurable the upload is gone, and what stood there
// stands.
func (u *Upload) Commit(ctx context.Context, replace bool) error {
	if !u.end() {
		return stageError(u.target, ErrClosed)
	}
	return u.done(u.put(ctx, replace))
}

// Claim is Commit without replace, but on a mount that makes things durable, where
// something has come there meanwhile, the upload stays: Commit or Discard follows.
func (u *Upload) Claim(ctx context.Context) error {
	if !u.end() {
		return stageError(u.target, ErrClosed)
	}
	err := u.put(ctx, false)
	if errors.Is(err, fs.ErrExist) && u.synced {
		u.resume()
		return stageError(u.target, err)
	}
	return u.done(err)
}

// Placed describes what Commit or Claim has put in place.
func (u *Upload) Placed() (info backend.Info, ok bool) {
	if u.placed == nil {
		return backend.Info{}, false
	}
	return *u.placed, true
}

// put renames the file into place, with its content on disk where that is asked
// for. Else it is closed before: some file systems write, and fail, only then.
func (u *Upload) put(ctx context.Context, replace bool) error {
	if err := u.settle(); err != nil {
		return err
	}
	if !u.mount.Durable() {
		return u.area.table.Place(ctx, u.at, u.target, replace)
	}
	placed, err := u.area.table.PlaceSync(ctx, u.at, u.target, replace)
	if placed && err != nil {
		return fmt.Errorf("%w: %w", ErrNotDurable, bare(err))
	}
	return err
}

func (u *Upload) settle() error {
	if u.synced {
		return nil
	}
	if !u.mount.Durable() {
		return u.File.Close()
	}
	err := u.File.Sync()
	u.synced = err == nil
	return err
}

// done ends a Commit: the file stands in its place, or is removed.
func (u *Upload) done(err error) error {
	if err != nil && !errors.Is(err, ErrNotDurable) {
		_ = u.File.Close()
		return stageError(u.target, errors.Join(bare(err), bare(u.drop())))
	}
	if info, err := u.File.Stat(); err == nil {
		u.placed = &info
	}
	_ = u.File.Close() // what it held is on disk, or it was closed before
	if err != nil {
		return stageError(u.target, err)
	}
	return nil
}

// Discard closes and removes it. It does nothing after Commit.
func (u *Upload) Discard() {
	if !u.end() {
		return
	}
	// What cannot be removed is cleared away at the next start.
	_ = u.File.Close()
	_ = u.drop()
}

// drop works when the client, and so its context, is gone.
func (u *Upload) drop() error {
	if u.kept {
		return nil
	}
	return u.mount.Backend.Remove(context.Background(), u.at)
}

// A Folder is a folder that is not there yet, for a tree that is to appear as one.
type Folder struct {
	// Backend and Path are where to build it.
	Backend backend.Backend
	Path    path.Path
	place
}

// Folder begins a folder that will stand at the tree path target.
func (a *Area) Folder(ctx context.Context, target path.Path) (*Folder, error) {
	f := &Folder{}
	if err := a.begin(ctx, &f.place, target, ".tree"); err != nil {
		return nil, err
	}
	err := a.making(ctx, f.mount, func() error { return f.mount.Backend.Mkdir(ctx, f.at) })
	if err != nil {
		f.end()
		return nil, stageError(target, err)
	}
	f.Backend, f.Path = f.mount.Backend, f.at
	return f, nil
}

// Commit puts the tree in place, where nothing may be (fs.ErrExist). What is in
// it is as durable as its builder made it. After an error but ErrNotDurable it is gone.
func (f *Folder) Commit(ctx context.Context) error {
	if !f.end() {
		return stageError(f.target, ErrClosed)
	}
	if err := f.area.table.Place(ctx, f.at, f.target, false); err != nil {
		return stageError(f.target, errors.Join(bare(err), bare(f.drop())))
	}
	return f.durable()
}

// Discard removes it with all it holds. It does nothing after Commit.
func (f *Folder) Discard() {
	if f.end() {
		_ = f.drop() // or the next start does
	}
}

func (f *Folder) drop() error {
	if f.kept {
		return nil
	}
	return f.area.removeTree(context.Background(), f.mount.Backend, f.at)
}

// A place is what is staged, and where it is to stand.
type place struct {
	area   *Area
	mount  mount.Mount
	at     path.Path // as the mount's backend knows it
	target path.Path
	ended  atomic.Bool
	kept   bool // until the next start: it says that what lies aside is to come back
}

func (a *Area) begin(ctx context.Context, p *place, target path.Path, kind string) error {
	if err := ctx.Err(); err != nil {
		return stageError(target, err)
	}
	if err := a.table.Admits(target); err != nil {
		return stageError(target, err)
	}
	if a.free.Add(-1) < 0 {
		a.free.Add(1)
		return stageError(target, ErrTooMany)
	}
	p.area, p.target, p.at = a, target, a.next(kind)
	p.mount, _ = a.table.Of(target)
	return nil
}

// end reports whether the place was in use until now.
func (p *place) end() bool {
	if p.ended.Swap(true) {
		return false
	}
	p.area.free.Add(1)
	return true
}

// resume takes end back.
func (p *place) resume() {
	p.area.free.Add(-1)
	p.ended.Store(false)
}

// durable makes the new name last. It is there already: no client that went
// away meanwhile keeps it from lasting.
func (p *place) durable() error {
	if !p.mount.Durable() {
		return nil
	}
	if err := p.area.table.Sync(context.Background(), p.target.Dir()); err != nil {
		return stageError(p.target, fmt.Errorf("%w: %w", ErrNotDurable, bare(err)))
	}
	return nil
}

// stageError names the tree path, not the place in the reserved folder.
func stageError(target path.Path, err error) error {
	return &fs.PathError{Op: "upload", Path: target.String(), Err: bare(err)}
}

func bare(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
