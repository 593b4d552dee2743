package guard

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
)

// Copy copies a file with its properties, or a tree. It reserves first; a
// failing copy leaves no half and the target as it was.
func (f *FS) Copy(ctx context.Context, from, to path.Path, how CopyHow) error {
	c, err := f.callBoth(ctx, "copy", events.Copy, from, to)
	if err != nil {
		return err
	}
	d := &duplicate{
		move:    move{fs: f, from: &c.at, to: c.to, how: how.Replace},
		shallow: how.Shallow,
		whole:   how.Whole,
	}
	err = f.s.reachBoth(ctx, &c.at, c.to, follow, func(r *rules) error { return d.copy(ctx, r) })
	c.bytes = d.built.Bytes
	return c.end(err)
}

// errNotWhole refuses to lose what a copy leaves out.
var errNotWhole = &UnsupportedError{Text: "the folder holds links or special files, which cannot be copied"}

// A duplicate is a copy on its way: built out of sight, then put in place.
type duplicate struct {
	move
	shallow bool
	whole   bool
	judged  *rules
	book    *pending
	built   quota.Amount // what is built so far
	gives   quota.Amount // what the target will give back
}

func (d *duplicate) copy(ctx context.Context, r *rules) error {
	d.judged, d.built = r, quota.Amount{}
	if err := d.mayCopy(ctx, r); err != nil {
		return err
	}
	d.book = d.fs.s.tree.files.pending(d.to.real)
	defer d.book.close(ctx, nil)
	if err := d.reserve(ctx); err != nil {
		return err
	}
	if d.source.IsDir() {
		return d.copyTree(ctx)
	}
	return d.copyFile(ctx)
}

// reserve takes room for all of the copy, before the first byte.
func (d *duplicate) reserve(ctx context.Context) error {
	t := d.fs.s.tree
	needs := quota.Amount{Bytes: d.source.Size, Files: 1}
	if d.source.IsDir() {
		needs = quota.Amount{}
	}
	if d.source.IsDir() && !d.shallow {
		c, err := t.count(ctx, d.from.real, t.files.find)
		if err != nil {
			return err
		}
		needs = c.total()
	}
	d.gives = quota.Amount{}
	if d.exists {
		c, err := t.count(ctx, d.to.real, t.files.find)
		if err != nil {
			return err
		}
		d.gives = c.alone
	}
	return d.book.hold(ctx, minus(needs, d.gives))
}

// grow takes what the next piece adds, where more came than was reserved.
func (d *duplicate) grow(ctx context.Context, by quota.Amount) error {
	if err := d.still(ctx); err != nil {
		return err
	}
	d.built = plus(d.built, by)
	return d.book.hold(ctx, minus(d.built, d.gives))
}

// still judges anew where the policy has changed since.
func (d *duplicate) still(ctx context.Context) error {
	if err := cmp.Or(ctx.Err(), d.fs.s.tree.mayChange(), d.early.refused()); err != nil {
		return err
	}
	if d.fs.s.closed.Load() {
		return fs.ErrClosed
	}
	r := d.fs.s.rules.Load()
	if r == d.judged {
		return nil
	}
	d.judged = r
	return d.judge(r, r.policy.DecideCopy)
}

func (d *duplicate) copyFile(ctx context.Context) error {
	t := d.fs.s.tree
	from, err := t.store.Open(ctx, d.from.real, backend.How{Read: true})
	if err != nil {
		return err
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil || info.ID != d.source.ID {
		return errors.Join(err, errSwapped)
	}
	staged, err := t.staging.Create(ctx, d.to.real, d.fs.s.newFile(Open{}))
	if err != nil {
		return err
	}
	defer staged.Discard()
	if err := d.fill(ctx, staged.File, from); err != nil {
		return err
	}
	return d.place(ctx, staged)
}

// fill copies content and properties.
func (d *duplicate) fill(ctx context.Context, to, from backend.File) error {
	if err := d.grow(ctx, quota.Amount{Files: 1}); err != nil {
		return err
	}
	if err := d.content(ctx, to, from); err != nil {
		return err
	}
	props, err := from.Properties()
	if err == nil && len(props) > 0 {
		err = to.SetProperties(props)
	}
	if errors.Is(err, backend.ErrUnsupported) {
		return nil
	}
	return err
}

// content copies in bounded pieces, within the kernel where it can.
func (d *duplicate) content(ctx context.Context, to, from backend.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	for off := int64(0); off < info.Size; {
		piece := min(info.Size-off, maxPiece)
		if err := d.grow(ctx, quota.Amount{Bytes: piece}); err != nil {
			return err
		}
		n, err := copyPiece(to, from, off, piece)
		if err != nil {
			return err
		}
		off += n
		if n < piece {
			d.built.Bytes -= piece - n
			return nil // it was cut off meanwhile
		}
	}
	return nil
}

func copyPiece(to, from backend.File, off, n int64) (int64, error) {
	out, in := to.OS(), from.OS()
	if out == nil || in == nil {
		return pump(to, from, off, n)
	}
	if _, err := in.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	if _, err := out.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	done, err := out.ReadFrom(&io.LimitedReader{R: in, N: n})
	return done, spaceError(err)
}

func pump(to, from backend.File, off, n int64) (int64, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var done int64
	for done < n {
		got, rerr := from.ReadAt((*buf)[:min(n-done, bufferSize)], off+done)
		wrote, err := to.WriteAt((*buf)[:got], off+done)
		done += int64(wrote)
		if err != nil {
			return done, err
		}
		if rerr == io.EOF {
			return done, nil
		}
		if rerr != nil {
			return done, rerr
		}
	}
	return done, nil
}

// built is what takes its place when it is whole, as staging has it.
type built interface {
	Commit(ctx context.Context, replace bool) error
	Over(ctx context.Context) (drop func() error, err error)
}

// place judges anew, and puts what was built in the place of what is there.
func (d *duplicate) place(ctx context.Context, b built) error {
	t, to := d.fs.s.tree, d.to.real
	hold := t.hold
	if !d.exists { // nothing goes away
		hold = t.names.hold
	}
	release, err := hold(ctx, span{to, true})
	if err != nil {
		return err
	}
	defer release()
	if err := d.judge(d.fs.s.rules.Load(), d.fs.s.rules.Load().policy.DecideCopy); err != nil {
		return err
	}
	if err := d.fs.first(ctx, d.touches(policy.OpCopy)...); err != nil {
		return err
	}
	if err := d.unchanged(ctx); err != nil {
		return err
	}
	var alone []fileAt
	if d.exists && d.target.IsRegular() {
		alone = append(alone, fileAt{d.target.ID, to})
	}
	still, err := t.freeze(ctx, []path.Path{to}, alone...)
	if err != nil {
		return err
	}
	defer still.thaw()
	replaced := &census{}
	if d.exists {
		if replaced, err = t.count(ctx, to, still.find); err != nil {
			return err
		}
	}
	gives := t.gives(to, replaced, d.exists && still.sure(d.target.ID))
	grow := minus(d.built, gives)
	if err := d.book.hold(ctx, grow); err != nil {
		return err
	}
	err = d.put(ctx, b)
	if err != nil && !errors.Is(err, staging.ErrNotDurable) {
		return err
	}
	t.notes(err)
	if gives != (quota.Amount{}) && !still.gone(d.target.ID) {
		grow, gives = d.built, quota.Amount{}
		_ = d.book.hold(ctx, grow) // what there is no room for the next count finds
	}
	d.fs.s.makes(d.to, d.source.IsDir())
	d.book.commit(grow)
	t.release(ctx, to, positive(minus(quota.Amount{}, grow)))
	if gives != replaced.total() {
		t.doubt(to)
	}
	if still.gone(d.target.ID) {
		still.lose(replaced)
	}
	still.replaced(to)
	return err
}

func (d *duplicate) put(ctx context.Context, b built) error {
	if err := d.fs.again(ctx, d.touches(policy.OpCopy)...); err != nil {
		return err
	}
	if !d.exists || !d.target.IsDir() && !d.source.IsDir() {
		return b.Commit(ctx, d.exists)
	}
	drop, err := b.Over(ctx)
	if err == nil {
		_ = drop() // what is left of it is out of sight, and goes at the next start
	}
	return err
}
