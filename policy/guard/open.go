package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
)

// Open opens a file. A handle is cut (its Context ends) when the policy no
// longer allows what it was opened for. It outlives ctx.
func (f *FS) Open(ctx context.Context, p path.Path, how Open) (*File, error) {
	kind := events.Download
	if how.Write {
		kind = events.Upload
	}
	c, err := f.call(ctx, "open", kind, p)
	if err != nil {
		return nil, err
	}
	file := &File{fs: f, c: c, how: how}
	file.heeded.Store(time.Now().UnixNano())
	file.ctx, file.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	err = f.s.reach(ctx, &c.at, follow, func(r *rules) error { return file.open(ctx, r) })
	if err != nil {
		return nil, c.end(err)
	}
	if err := f.s.keep(file); err != nil {
		file.drop()
		return nil, c.end(err)
	}
	return file, nil
}

// drop closes a handle that nobody gets.
func (f *File) drop() {
	ctx := context.WithoutCancel(f.ctx)
	if f.upload != nil {
		f.upload.discard(ctx)
		return
	}
	if f.book != nil {
		f.book.close(ctx, f.file)
	}
	_ = f.file.Close()
}

func (f *File) open(ctx context.Context, r *rules) error {
	if !f.how.Read && !f.how.Write || !f.how.Write && (f.how.Create || f.how.Truncate || f.how.Exclusive) {
		return fs.ErrInvalid
	}
	f.needs = nil
	if f.how.Read {
		f.needs = append(f.needs, policy.OpRead)
	}
	if !f.how.Write {
		return f.openRead(ctx, r)
	}
	may, err := f.mayWrite(r)
	if err != nil {
		return err
	}
	f.needs = append(f.needs, may)
	if err := f.allowed(r); err != nil {
		return err
	}
	if err := f.mayMove(); err != nil {
		return err
	}
	if f.how.Size > 0 && r.largest > 0 && f.how.Size > r.largest {
		return tooLarge(r.largest)
	}
	if f.how.Atomic || r.uploads == policy.Atomic {
		return f.openStaged(ctx, r, may)
	}
	return f.openInPlace(ctx, r, may)
}

// mayWrite tells with which right the file may be written: create is only for
// what is not there yet.
func (f *File) mayWrite(r *rules) (policy.Operation, error) {
	err := r.judge(&f.c.at, policy.OpWrite, false)
	if err == nil {
		return policy.OpWrite, nil
	}
	if f.how.Create && r.judge(&f.c.at, policy.OpCreate, false) == nil {
		return policy.OpCreate, nil
	}
	return "", err
}

func (f *File) openRead(ctx context.Context, r *rules) error {
	if err := f.allowed(r); err != nil {
		return err
	}
	if err := f.mayMove(); err != nil {
		return err
	}
	file, err := f.fs.s.tree.store.Open(ctx, f.c.at.real, backend.How{Read: true})
	if err != nil {
		return f.openError(r, err)
	}
	f.file = file
	m, _ := f.fs.s.tree.mounts.Of(f.c.at.real)
	f.sync = everyChange(m)
	return f.matches(file)
}

// openError is what the account hears where the store does not open a file.
func (f *File) openError(r *rules, err error) error {
	switch {
	case errors.Is(err, backend.ErrSpecial) && f.how.Create:
		return fs.ErrExist
	case errors.Is(err, backend.ErrSpecial):
		return fs.ErrNotExist
	case errors.Is(err, backend.ErrNotDir):
		return r.conceal(&f.c.at, fs.ErrNotExist)
	case errors.Is(err, backend.ErrIsDir):
		if hidden := r.visible(&f.c.at, true); hidden != nil {
			return hidden
		}
	}
	return err
}

// matches holds an open file against Open.Match; where it does not it is closed.
func (f *File) matches(file backend.File) error {
	if f.how.Match == "" {
		return nil
	}
	info, err := file.Stat()
	if err == nil && etag(info) != f.how.Match {
		err = ErrChanged
	}
	if err != nil {
		_ = file.Close()
	}
	return err
}

// openInPlace opens what is there, or makes it, while nobody else makes, moves
// or removes that name.
func (f *File) openInPlace(ctx context.Context, r *rules, may policy.Operation) error {
	p := f.c.at.real
	release, err := f.fs.s.tree.names.hold(ctx, span{path: p})
	if err != nil {
		return err
	}
	defer release()
	m, _ := f.fs.s.tree.mounts.Of(p)
	f.sync = m.Durable()
	if may == policy.OpWrite && !f.how.Exclusive {
		if f.how.Create && f.how.Truncate {
			// What comes as a whole is new as a rule. Whatever keeps it from being
			// made, what follows finds too where that matters.
			if file, err := f.make(ctx, r, may); err == nil {
				return f.begins(ctx, file)
			}
		}
		err := f.openExisting(ctx, r)
		var hidden *refusal
		if !f.how.Create || !errors.Is(err, fs.ErrNotExist) || errors.As(err, &hidden) {
			return err
		}
	}
	return f.create(ctx, r, may)
}

func (f *File) openExisting(ctx context.Context, r *rules) error {
	t, p := f.fs.s.tree, f.c.at.real
	if err := f.fs.unlocked(ctx, locks.Touch{Path: p}); err != nil {
		return err
	}
	file, err := t.store.Open(ctx, p, backend.How{Read: f.how.Read, Write: true})
	if err != nil {
		return f.openError(r, err)
	}
	if err := f.matches(file); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	book, err := t.files.open(ctx, file, p)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if f.how.Size > 0 {
		err = f.announced(ctx, f.how.Size-info.Size)
	}
	if err == nil && f.how.Truncate {
		err = book.truncate(ctx, file, 0)
		f.touched.Store(true)
	}
	if err != nil {
		book.close(ctx, file)
		return errors.Join(err, file.Close())
	}
	f.file, f.book = file, book
	return nil
}

// announced refuses early what there is no room for by far.
func (f *File) announced(ctx context.Context, grow int64) error {
	r, err := f.fs.s.tree.files.reserve(ctx, f.c.at.real, quota.Amount{Bytes: grow})
	if err != nil {
		return err
	}
	r.Cancel()
	return f.fs.s.tree.storeHolds(ctx, f.c.at.real, grow)
}

// create makes a file that is not there. Who may only create is refused what is.
func (f *File) create(ctx context.Context, r *rules, may policy.Operation) error {
	file, err := f.make(ctx, r, may)
	if err != nil {
		return err
	}
	return f.begins(ctx, file)
}

// make makes the file, or nothing at all.
func (f *File) make(ctx context.Context, r *rules, may policy.Operation) (backend.File, error) {
	t, p := f.fs.s.tree, f.c.at.real
	if f.how.Match != "" {
		return nil, ErrChanged
	}
	if err := r.newName(p); err != nil {
		return nil, err
	}
	if err := f.fs.unlocked(ctx, locks.Touch{Path: p, Member: true}); err != nil {
		return nil, err
	}
	grown, err := t.files.reserve(ctx, p, quota.Amount{Bytes: f.how.Size, Files: 1})
	if err != nil {
		return nil, cmp.Or(f.fs.s.folderThere(ctx, r, &f.c.at), err)
	}
	defer grown.Cancel()
	if err := t.mountHolds(ctx, p, f.how.Size); err != nil {
		return nil, cmp.Or(f.fs.s.folderThere(ctx, r, &f.c.at), err)
	}
	file, err := t.store.Open(ctx, p, f.fs.s.newFile(f.how))
	if err != nil {
		return nil, f.exists(r, may, err)
	}
	grown.Commit(quota.Amount{Files: 1})
	return file, nil
}

// begins enters a file that was just made.
func (f *File) begins(ctx context.Context, file backend.File) error {
	p := f.c.at.real
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	book, err := f.fs.s.tree.files.openNew(ctx, file, info, p)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	info, err = f.shape(file, info)
	f.begun = info.Changed
	f.file, f.book = file, book
	f.fs.s.makes(&f.c.at, false)
	if err != nil {
		f.drop()
		return err
	}
	f.created.Store(true)
	f.touched.Store(true)
	f.fs.s.made.add(p, info.ID)
	return nil
}

// newFile is how a file is made: with the mount's mode, which shape then fits
// to what the client asked for.
func (s *session) newFile(how Open) backend.How {
	o := s.owner()
	return backend.How{
		Read: how.Read, Write: true, Create: true, Exclusive: true,
		UID: o.uid, GID: o.gid,
	}
}

// shape gives a new file the mode that the client asked for, and describes it then.
func (f *File) shape(file backend.File, made backend.Info) (backend.Info, error) {
	if f.how.Mode == 0 {
		return made, nil
	}
	mode := f.how.Mode&fileMask(made.Mode) | ownFile
	if mode == made.Mode.Perm() {
		return made, nil
	}
	if err := file.SetAttr(backend.Attr{Mode: &mode}); err != nil {
		return made, err
	}
	return file.Stat()
}

// fileMask is what the mount leaves of the mode that a client makes a file
// with, as its umask: clients send modes that are no wish of anybody. Who may
// read may execute.
func fileMask(mount fs.FileMode) fs.FileMode { return mount&0o777 | mount&0o444>>2 }

// exists is the error where a file could not be made because one is there.
func (f *File) exists(r *rules, may policy.Operation, err error) error {
	if !errors.Is(err, fs.ErrExist) {
		return f.openError(r, err)
	}
	if f.how.Exclusive {
		return fs.ErrExist
	}
	if may == policy.OpCreate {
		return r.judge(&f.c.at, policy.OpWrite, false)
	}
	return errSwapped
}

// tooLarge refuses an upload beyond the largest that the account may make.
func tooLarge(most int64) error {
	return &refusal{Decision: policy.Decision{Rule: policy.RuleLargestUpload, Because: fmt.Sprintf("larger than the largest upload allowed (%d bytes)", most)}}
}

// clientAttr is what of a client's wish is granted. Modes keep the owner's
// rights, so that the gateway stays able to work with what it stores, and lose
// setuid, setgid and sticky; owners stay.
func clientAttr(a backend.Attr, owner fs.FileMode) backend.Attr {
	a.UID, a.GID = nil, nil
	if a.Mode != nil {
		mode := *a.Mode&0o777 | owner
		a.Mode = &mode
	}
	if a.Modified != nil {
		modified := fraction(*a.Modified, time.Now())
		a.Modified = &modified
	}
	return a
}

// What the owner of a file and of a folder always may.
const (
	ownFile   fs.FileMode = 0o600
	ownFolder fs.FileMode = 0o700
)
