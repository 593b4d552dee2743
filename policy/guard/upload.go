package guard

import (
	"context"
	"errors"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
)

// An upload is a file that will take its place when it is whole.
type upload struct {
	staged *staging.Upload
	book   *pending
	may    policy.Operation
	fresh  bool // nothing was there when it began
	early  *early
}

// errAppend is for those who go on with a file where uploads are atomic.
var errAppend = &UnsupportedError{
	Text: "uploads arrive as a whole here: a file cannot be appended to, resumed or changed in part",
	Rule: policy.RuleUploads,
}

// openStaged begins an upload beside the file that it will replace.
func (f *File) openStaged(ctx context.Context, r *rules, may policy.Operation) error {
	t, p := f.fs.s.tree, f.c.at.real
	if f.how.Resume {
		return errAppend
	}
	old, exists, err := f.fs.s.find(ctx, &f.c.at)
	if err == nil {
		err = f.mayPlace(r, may, old, exists)
	}
	if err != nil {
		return err
	}
	if exists && !f.how.Truncate {
		return errAppend
	}
	if !exists {
		err = f.fs.s.folderThere(ctx, r, &f.c.at)
	}
	u := &upload{may: may, fresh: !exists}
	if err == nil {
		u.early, err = f.fs.early(ctx, locks.Touch{Path: p, Member: !exists})
	}
	if err != nil {
		return err
	}
	u.book = t.files.pending(p)
	first := quota.Amount{Bytes: f.how.Size, Files: 1}
	if exists {
		u.book.base, first = old.Size, quota.Amount{Bytes: f.how.Size - old.Size}
	}
	err = u.book.hold(ctx, first)
	if err == nil {
		err = t.mountHolds(ctx, p, f.how.Size) // the old content stays until the new is whole
	}
	if err != nil {
		u.book.close(ctx, nil)
		return err
	}
	if u.staged, err = t.staging.Create(ctx, p, f.fs.s.newFile(f.how)); err != nil {
		u.book.close(ctx, nil)
		return f.openError(r, err)
	}
	f.upload, f.book, f.file = u, u.book, u.staged.File
	info, err := f.file.Stat()
	if err == nil {
		_, err = f.shape(f.file, info)
	}
	if err != nil {
		f.drop()
	}
	return err
}

// mayPlace judges what stands where the upload will.
func (f *File) mayPlace(r *rules, may policy.Operation, old backend.Info, exists bool) error {
	switch {
	case !exists && !f.how.Create:
		return fs.ErrNotExist
	case !exists && f.how.Match != "":
		return ErrChanged
	case !exists:
		return r.newName(f.c.at.real)
	case old.IsLink():
		return backend.ErrLink
	case old.IsSpecial():
		return f.openError(r, backend.ErrSpecial)
	case old.IsDir():
		return f.openError(r, backend.ErrIsDir)
	case f.how.Exclusive:
		return fs.ErrExist
	case may == policy.OpCreate && (old.Size > 0 || !f.fs.s.nulls.has(f.c.at.real, old.ID)):
		return r.judge(&f.c.at, policy.OpWrite, false)
	case f.how.Match != "" && etag(old) != f.how.Match:
		return ErrChanged
	}
	return nil
}

func (u *upload) discard(ctx context.Context) {
	u.staged.Discard()
	u.book.close(ctx, nil)
}

// end puts the upload in place, or drops it.
func (u *upload) end(ctx context.Context, f *File) error {
	err := f.ended()
	if err == nil {
		err = u.place(ctx, f)
	}
	u.discard(ctx)
	if f.aborted.Load() != nil && f.ctx.Err() == nil {
		return nil
	}
	return err
}

// place judges anew, since much may have changed, and replaces what is there.
func (u *upload) place(ctx context.Context, f *File) error {
	s, p := f.fs.s, f.c.at.real
	release, err := s.tree.names.hold(ctx, span{path: p})
	if err != nil {
		return err
	}
	defer release()
	r := s.rules.Load()
	if err := f.allowed(r); err != nil {
		return err
	}
	if m, _ := s.tree.mounts.Of(p); u.fresh && m.Durable() {
		if err := u.claim(ctx, r, f); !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for range maxSwaps {
		if err = u.placeOver(ctx, r, f); !errors.Is(err, errSwapped) {
			return err
		}
	}
	return err
}

// placeOver puts the upload where something may stand: errSwapped where that has
// changed meanwhile, which only another node can do.
func (u *upload) placeOver(ctx context.Context, r *rules, f *File) error {
	s, p := f.fs.s, f.c.at.real
	old, exists, err := s.find(ctx, &f.c.at)
	if err == nil {
		err = f.mayPlace(r, u.may, old, exists)
	}
	if err != nil {
		return err
	}
	if exists {
		return u.replace(ctx, f, old)
	}
	if err := f.fs.unlocked(ctx, locks.Touch{Path: p, Member: true}); err != nil {
		return err
	}
	err = u.put(ctx, f, nil, func() error { return u.staged.Commit(ctx, false) })
	if s.tree.files.shared && errors.Is(err, fs.ErrExist) {
		return backend.ErrInUse // another node was faster by a moment
	}
	return err
}

// claim puts the upload where nothing was when it began, without a look at what is
// there now. fs.ErrExist says that something may be, and that it is still to be
// placed. All that a new file takes of the quotas is held since it began.
func (u *upload) claim(ctx context.Context, r *rules, f *File) error {
	p := f.c.at.real
	if f.mayPlace(r, u.may, backend.Info{}, false) != nil || f.fs.unlocked(ctx, locks.Touch{Path: p, Member: true}) != nil {
		return fs.ErrExist
	}
	return u.put(ctx, f, nil, func() error { return u.staged.Claim(ctx) })
}

// inherit gives the upload what stays with the name: dead properties, mode and
// owner of the file that it replaces.
func (u *upload) inherit(ctx context.Context, f *File, old backend.Info) error {
	props, err := f.fs.s.tree.store.Properties(ctx, f.c.at.real)
	if err == nil && len(props) > 0 {
		var own map[string][]byte
		if own, err = f.file.Properties(); err == nil && len(own) == 0 {
			err = f.file.SetProperties(props)
		}
	}
	if err != nil && !errors.Is(err, backend.ErrUnsupported) {
		return err
	}
	a := backend.Attr{UID: &old.UID, GID: &old.GID}
	if !f.modeSet.Load() {
		mode := old.Mode.Perm()
		a.Mode = &mode
	}
	now, err := f.file.Stat()
	if err != nil {
		return err
	}
	if now.UID == old.UID && now.GID == old.GID {
		a.UID, a.GID = nil, nil
	}
	err = f.file.SetAttr(a)
	if errors.Is(err, fs.ErrPermission) && a.UID != nil {
		a.UID, a.GID = nil, nil // who may not chown keeps its own
		err = f.file.SetAttr(a)
	}
	return err
}

// replace puts the upload in the place of a file that nobody can grow meanwhile.
func (u *upload) replace(ctx context.Context, f *File, now backend.Info) error {
	t, p := f.fs.s.tree, f.c.at.real
	done, err := t.quotas.Touch(ctx, p)
	if err != nil {
		return err
	}
	defer done()
	if !t.files.shared { // else right before the rename
		if err := f.fs.unlocked(ctx, locks.Touch{Path: p}); err != nil {
			return err
		}
	}
	still, err := t.freeze(ctx, nil, fileAt{now.ID, p})
	if err != nil {
		return err
	}
	defer still.thaw()
	if err := u.unchanged(ctx, f, still); err != nil {
		return err
	}
	if err := u.inherit(ctx, f, now); err != nil {
		return err
	}
	replaced, err := t.count(ctx, p, still.find)
	if err != nil {
		return err
	}
	old := &replacement{gives: t.gives(p, replaced, still.sure(now.ID)), gone: func() bool { return still.gone(now.ID) }}
	if err := f.fs.again(ctx, locks.Touch{Path: p}); err != nil {
		return err
	}
	if err := u.put(ctx, f, old, func() error { return u.staged.Commit(ctx, true) }); err != nil {
		return err
	}
	if old.gives != replaced.total() {
		t.doubt(p)
	}
	if still.gone(now.ID) {
		still.lose(replaced)
	}
	still.replaced(p)
	return nil
}

// A replacement is what an upload takes the place of.
type replacement struct {
	gives quota.Amount // what the quotas get back for it
	gone  func() bool  // whether it has no name any more
}

// unchanged holds what is there against Open.Match, now that nobody begins to write
// to it. Who has begun before changes it still.
func (u *upload) unchanged(ctx context.Context, f *File, still *still) error {
	if f.how.Match == "" {
		return nil
	}
	now, err := f.fs.s.tree.store.Stat(ctx, f.c.at.real)
	if err != nil {
		return err
	}
	if s := still.find(now.ID); s == nil || s.busy() || still.contested(now.ID) || etag(now) != f.how.Match {
		return ErrChanged
	}
	return nil
}

// put takes the growth over what is replaced, nil for nothing, then commits. Where that
// was not what has lost its name, it gives nothing.
func (u *upload) put(ctx context.Context, f *File, old *replacement, commit func() error) error {
	t, p := f.fs.s.tree, f.c.at.real
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	grow := quota.Amount{Bytes: info.Size, Files: 1}
	if old != nil {
		grow = minus(grow, old.gives)
	}
	if err := u.book.hold(ctx, grow); err != nil {
		return err
	}
	if err = t.mayChange(); err == nil {
		err = commit()
	}
	if err != nil && !errors.Is(err, staging.ErrNotDurable) {
		return err
	}
	t.notes(err)
	if old != nil && old.gives != (quota.Amount{}) && !old.gone() {
		grow, old.gives = quota.Amount{Bytes: info.Size, Files: 1}, quota.Amount{}
		_ = u.book.hold(ctx, grow) // what there is no room for the next count finds
	}
	u.book.commit(grow)
	t.release(ctx, p, positive(minus(quota.Amount{}, grow)))
	if old == nil {
		f.created.Store(true)
		f.fs.s.made.add(p, info.ID)
	}
	f.fs.s.makes(&f.c.at, false)
	u.placed(ctx, f, info.ID)
	t.arrived(ctx, p)
	return err
}

// placed describes what was put in place.
func (u *upload) placed(ctx context.Context, f *File, id backend.FileID) {
	if now, ok := u.staged.Placed(); ok {
		f.final = &now
		return
	}
	if now, err := f.fs.s.tree.store.Stat(ctx, f.c.at.real); err == nil && now.ID == id {
		f.final = &now
	}
}
