package guard

import (
	"context"
	"errors"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
)

func (d *duplicate) copyTree(ctx context.Context) error {
	t := d.fs.s.tree
	folder, err := t.staging.Folder(ctx, d.to.real)
	if err != nil {
		return err
	}
	defer folder.Discard()
	m, _ := t.mounts.Of(d.to.real)
	b := &builder{duplicate: d, to: folder.Backend, at: folder.Path, durable: m.Durable()}
	if err := b.folder(ctx, d.from.real, path.Root); err != nil {
		return err
	}
	if !d.shallow {
		err = t.walk(ctx, d.from.real, func(p path.Path, info backend.Info) error { return b.member(ctx, p, info) })
		if err != nil {
			return err
		}
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	return d.place(ctx, tree{folder})
}

// A tree takes a free name only, or goes over what stands there.
type tree struct{ *staging.Folder }

func (t tree) Commit(ctx context.Context, _ bool) error { return t.Folder.Commit(ctx) }

// A builder makes the copy of a tree, in a store that nobody else sees.
type builder struct {
	*duplicate
	to      backend.Backend
	at      path.Path
	durable bool
	folders []path.Path // that were made, where they are to be durable
}

// settle makes durable what the folders hold; the files are.
func (b *builder) settle(ctx context.Context) error {
	for _, p := range b.folders {
		if err := b.to.Sync(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// member copies one thing of the tree. Links are copied only by who may make
// them, and special files are not.
func (b *builder) member(ctx context.Context, p path.Path, info backend.Info) error {
	rel, ok := b.from.real.Rel(p)
	if !ok || rel.IsRoot() {
		return nil
	}
	if b.judged.keptFrom(policy.Target{Path: p, Folder: info.IsDir()}) {
		return nil
	}
	if len(b.move.to.real.Append(rel).String()) > path.MaxLength {
		return path.ErrTooLong
	}
	switch {
	case info.IsDir():
		if err := b.grow(ctx, quota.Amount{}); err != nil {
			return err
		}
		if err := b.to.Mkdir(ctx, b.at.Append(rel)); err != nil {
			return err
		}
		return b.folder(ctx, p, rel)
	case info.IsLink():
		return b.link(ctx, p, rel)
	case info.IsRegular():
		return b.file(ctx, p, rel)
	}
	return b.leaveOut()
}

func (b *builder) leaveOut() error {
	if b.whole {
		return errNotWhole
	}
	return nil
}

// folder gives a folder that was made its owner and properties.
func (b *builder) folder(ctx context.Context, p, rel path.Path) error {
	if b.durable {
		b.folders = append(b.folders, b.at.Append(rel))
	}
	if o := b.fs.s.owner(); o != (owner{}) {
		if err := b.to.SetAttr(ctx, b.at.Append(rel), backend.Attr{UID: o.uid, GID: o.gid}); err != nil {
			return err
		}
	}
	props, err := b.fs.s.tree.store.Properties(ctx, p)
	if err == nil && len(props) > 0 {
		err = b.to.SetProperties(ctx, b.at.Append(rel), props)
	}
	if errors.Is(err, backend.ErrUnsupported) {
		return nil
	}
	return err
}

func (b *builder) link(ctx context.Context, p, rel path.Path) error {
	if !b.judged.policy.MayMakeLinks().Allowed {
		return b.leaveOut()
	}
	target, err := b.fs.s.tree.store.Readlink(ctx, p)
	if err != nil {
		return err
	}
	return b.to.Symlink(ctx, target, b.at.Append(rel))
}

func (b *builder) file(ctx context.Context, p, rel path.Path) (err error) {
	from, err := b.fs.s.tree.store.Open(ctx, p, backend.How{Read: true})
	if vanished(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := b.to.Open(ctx, b.at.Append(rel), b.fs.s.newFile(Open{}))
	if err != nil {
		return err
	}
	defer func() {
		if cerr := to.Close(); err == nil {
			err = cerr
		}
	}()
	if err := b.fill(ctx, to, from); err != nil {
		return err
	}
	if !b.durable {
		return nil
	}
	return to.Sync()
}
