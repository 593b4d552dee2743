package guard

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
)

// piece is how many entries a folder reads at once, whoever wants how many: it
// bounds what one that stays open holds.
const piece = 128

// Dir reads a folder in pieces.
type Dir struct {
	c      *call
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex // guards what follows
	store  backend.Dir
	names  []string // looked up one by one, before store is read
	list   []Info   // what Next returned last
	skip   func(name string) bool
	fault  error
	closed bool
}

// List opens a folder; it shows only what the account may see.
func (f *FS) List(ctx context.Context, p path.Path) (*Dir, error) {
	c, err := f.call(ctx, "list", events.ListFolder, p)
	if err != nil {
		return nil, err
	}
	d := &Dir{c: c, skip: func(string) bool { return false }}
	d.ctx, d.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	err = f.s.reach(ctx, &c.at, follow, func(r *rules) error { return d.open(ctx, r) })
	if err == nil {
		err = f.s.keep(d)
	}
	if err != nil {
		d.end()
		return nil, c.end(err)
	}
	return d, nil
}

func (d *Dir) open(ctx context.Context, r *rules) error {
	p, s := &d.c.at, d.c.s
	atRoot := p.asked == r.view.Root && p.seen.IsRoot()
	d.names = nil
	if atRoot {
		d.entries(r)
	}
	whole, err := r.listing(p)
	if err != nil && atRoot {
		return nil // there has to be a root to log in to
	}
	if err != nil {
		return err
	}
	info, err := s.tree.store.Stat(ctx, p.real)
	switch {
	case errors.Is(err, fs.ErrNotExist) && atRoot:
		return nil
	case swapped(err):
		return err
	case errors.Is(err, backend.ErrNotDir):
		return r.conceal(p, fs.ErrNotExist)
	case err != nil:
		return r.conceal(p, err)
	case info.IsLink():
		return backend.ErrLink
	case info.IsSpecial():
		return fs.ErrNotExist
	case !info.IsDir():
		if err := r.visible(p, false); err != nil {
			return err
		}
		return backend.ErrNotDir
	}
	if !whole {
		d.names = append(d.names, slices.DeleteFunc(r.leads(p), d.skip)...)
		return nil
	}
	d.store, err = s.tree.store.List(ctx, p.real)
	return err
}

// entries puts the shared folders first. What came into the root by their names
// since the session began is left out.
func (d *Dir) entries(r *rules) {
	for _, entry := range r.view.Entries {
		d.names = append(d.names, entry.Name)
	}
	d.skip = func(name string) bool {
		_, shared := r.view.Entry(name)
		return shared
	}
}

// listing says how a folder is listed: whole, or only with what leads on to
// something that is granted.
func (r *rules) listing(p *place) (whole bool, err error) {
	whole = true
	for t := range p.targets(true) {
		d := r.decide(policy.OpList, t)
		if d.Allowed {
			continue
		}
		shell := r.decide(policy.OpStat, t)
		if t.Path != r.view.Root && (!shell.Allowed || shell.Rule != policy.RuleShell) {
			return false, r.refuse(d, t)
		}
		whole = false
	}
	return whole, nil
}

// leads returns the names in a folder that lead to something granted.
func (r *rules) leads(p *place) []string {
	names := r.policy.Leads(p.asked)
	if p.real != p.asked {
		names = append(names, r.policy.Leads(p.real)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Next returns up to n entries, io.EOF after the last. What it returned before is
// no longer valid.
func (d *Dir) Next(n int) ([]Info, error) {
	if n <= 0 {
		return nil, d.c.wrap(fs.ErrInvalid)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if err := d.usable(); err != nil {
			return nil, d.c.wrap(err)
		}
		list, err := d.next(n)
		if err == io.EOF {
			return nil, io.EOF
		}
		if err != nil {
			d.fault = err
			return nil, d.c.wrap(err)
		}
		if len(list) > 0 {
			return list, nil
		}
	}
}

func (d *Dir) usable() error {
	if d.closed {
		return fs.ErrClosed
	}
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	return nil
}

func (d *Dir) next(n int) ([]Info, error) {
	r, err := d.c.s.viewed(d.ctx)
	if err != nil {
		return nil, err
	}
	if len(d.names) > 0 {
		name := d.names[0]
		d.names = d.names[1:]
		return d.lookup(r, name)
	}
	if d.store == nil {
		return nil, io.EOF
	}
	found, err := d.store.Next(min(n, piece))
	if err != nil {
		return nil, err
	}
	d.list = slices.Grow(d.list[:0], len(found))
	m := r.members(&d.c.at)
	for i := range found {
		info := &found[i]
		if info.IsSpecial() || d.skip(info.Name) || !m.shows(info.Name, info.IsDir()) {
			continue
		}
		d.list = append(d.list, Info{info: *info, rules: r, among: m})
	}
	return d.list, nil
}

// lookup finds one name as Stat does: a shared folder, or one that leads on.
func (d *Dir) lookup(r *rules, name string) ([]Info, error) {
	seen, err := d.c.at.seen.Join(name)
	if err != nil {
		return nil, nil
	}
	p, err := r.place(seen)
	if err != nil {
		return nil, nil
	}
	var found []Info
	err = d.c.s.reach(d.ctx, &p, follow, func(r *rules) error {
		info, err := d.c.s.describe(d.ctx, r, &p, follow)
		found = []Info{newInfo(r, &p, info)}
		return err
	})
	if err != nil {
		return nil, nil // it is not there, or no longer
	}
	return found, nil
}

// Close ends the reading and reports it.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.c.s.forget(d)
	err := d.end()
	e := d.c.event(errors.Join(d.fault, err))
	if d.ctx.Err() != nil {
		explain(&e, context.Cause(d.ctx))
		e.Outcome = events.WasCut
	}
	d.c.s.report(e)
	if err != nil {
		return d.c.wrap(err)
	}
	return nil
}

func (d *Dir) end() error {
	if d.store == nil {
		return nil
	}
	return d.store.Close()
}

// allowed asks for what the folder was opened for: who was shown all of it
// needs list still.
func (d *Dir) allowed(r *rules) error {
	if d.store != nil {
		return r.judge(&d.c.at, policy.OpList, true)
	}
	if d.c.at.seen.IsRoot() {
		return nil
	}
	_, err := r.listing(&d.c.at)
	return err
}

// Context ends, with the decision as its cause, when the reading is cut.
func (d *Dir) Context() context.Context { return d.ctx }

func (d *Dir) cut(cause error) { d.cancel(cutBy(cause)) }
