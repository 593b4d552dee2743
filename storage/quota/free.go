package quota

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// Touch announces a change that may remove or move something at or below these
// paths: it begins before the change and done ends it, after what it freed was
// released. While it lasts a count of the folders above and below is not put in
// force, and after a crash they are counted anew.
func (l *Ledger) Touch(ctx context.Context, paths ...path.Path) (done func(), err error) {
	var pools []*pool
	l.mu.RLock()
	for _, p := range paths {
		for _, q := range append(l.folders.above(p), l.folders.within(p)...) {
			if !slices.Contains(pools, q) {
				pools = append(pools, q)
			}
		}
	}
	l.mu.RUnlock()
	turns := make([]uint64, 0, len(pools))
	done = func() {
		for i, turn := range turns {
			pools[i].untouch(turn, len(paths) > 1)
		}
	}
	for i, q := range pools {
		turns = append(turns, q.touch())
		err := q.holds()
		if err == nil {
			err = q.mark(ctx)
		}
		if err != nil {
			done()
			l.activate(q)
			return func() {}, err
		}
		turns[i] = q.turned(turns[i])
		l.activate(q)
	}
	return done, nil
}

// touch begins a change, in the turn that it returns.
func (p *pool) touch() (turn uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touches++
	p.touched()
	return p.turn
}

// turned is the turn in which a change begins that so far has only been announced.
func (p *pool) turned(announced uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if announced != p.turn {
		p.stale--
	}
	return p.turn
}

// untouch ends a change that began in a turn, and may have moved something.
func (p *pool) untouch(turn uint64, moved bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touches--
	if moved {
		p.watch.moves++
	}
	if turn != p.turn {
		p.stale--
	}
	p.touched()
}

// Release gives back what was freed at p, after it was freed.
func (l *Ledger) Release(ctx context.Context, p path.Path, freed Amount) error {
	freed = Amount{Bytes: max(freed.Bytes, 0), Files: max(freed.Files, 0)}
	if freed == (Amount{}) {
		return nil
	}
	var errs []error
	for _, q := range l.above(p) {
		q.release(freed)
		l.activate(q)
		errs = append(errs, q.mark(ctx))
	}
	return errors.Join(errs...)
}

// doubt is how long after a count a release that no Touch announced may be of
// something that the count did not find any more.
const doubt = 2 * time.Second

func (p *pool) release(freed Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touched()
	if p.touches == 0 && time.Since(p.settled) < doubt {
		p.recount(doubt)
		return
	}
	if p.stale > 0 {
		p.uncertain()
		return
	}
	p.bytes.release(freed.Bytes)
	p.files.release(freed.Files)
}

// mark makes sure that a crash is found out from now on, until the pool is closed:
// a record says so. That this node holds a lease is not enough, for what was
// written may be booked, and the lease be gone, before the change is made.
func (p *pool) mark(ctx context.Context) error {
	if p.marked() {
		return nil
	}
	if err := lock(ctx, p.op); err != nil {
		return err
	}
	defer unlock(p.op)
	if p.marked() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_, err := p.store.Apply(ctx, state.Batch{
		Scope: openScope, ID: state.NewOperationID(),
		Puts: []state.Put{{Name: p.openName(), Value: []byte{}}},
	})
	if err != nil {
		p.mu.Lock()
		p.stray, p.active = true, true
		p.mu.Unlock()
		return fmt.Errorf("note a change below %s: %w: %w", p.folder, ErrAway, err)
	}
	if p.share.Load() != nil {
		// What is freed from now on was there when somebody counted last.
		if err := p.both(func(f *figure) error { return p.look(ctx, f) }); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = true
	return nil
}

func (p *pool) marked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone || p.open
}

func (p *pool) openName() string { return p.id + "/" + p.holder }

// flush books what is to be booked. With idle it gives back all leases that are
// not handed out, and reports whether nothing is left to be done for the pool. While
// this node may have been declared dead nothing is booked: others may have counted it.
func (p *pool) flush(ctx context.Context, idle bool) (rest bool, err error) {
	if p.lapsed() {
		return false, nil
	}
	if err := lock(ctx, p.op); err != nil {
		return false, err
	}
	defer unlock(p.op)
	if err := p.holds(); err != nil {
		return false, err
	}
	if err := p.bound(ctx); err != nil {
		return false, err
	}
	for _, f := range p.figures() {
		if err := p.book(ctx, f, idle); err != nil {
			return false, err
		}
	}
	if !idle {
		return false, nil
	}
	return p.close(ctx)
}

// book books one figure. p.op is held.
func (p *pool) book(ctx context.Context, f *figure, idle bool) error {
	if err := p.resolve(ctx, f); err != nil {
		return err
	}
	if err := p.bookFreed(ctx, f); err != nil {
		return err
	}
	p.mu.Lock()
	if !f.dirty() && (!idle || f.avail == 0) {
		p.mu.Unlock()
		return nil
	}
	op := f.begin(p.holder, ask{giveBack: idle})
	p.mu.Unlock()
	_, err := p.do(ctx, f, op)
	return err
}

// bookFreed books what is freed by itself, where other nodes write. p.op is held,
// and nothing is stuck.
func (p *pool) bookFreed(ctx context.Context, f *figure) error {
	p.mu.Lock()
	if !f.shared() || f.freed == 0 {
		p.mu.Unlock()
		return nil
	}
	op := f.beginFreed(p.holder)
	p.mu.Unlock()
	_, err := p.do(ctx, f, op)
	return err
}

// close takes the pool's mark away where there is no need of it any more. p.op
// is held, so that nobody marks it meanwhile.
func (p *pool) close(ctx context.Context) (rest bool, err error) {
	p.mu.Lock()
	quiet := p.touches == 0 && !p.bytes.dirty() && !p.files.dirty()
	held := p.bytes.held > 0 || p.files.held > 0
	open := p.open || p.stray
	if quiet && open {
		p.open, p.stray = false, true
	}
	if quiet && !held && p.due.IsZero() && !open {
		p.active = false
	}
	rest = !p.active
	due := p.unsure
	p.mu.Unlock()
	if !quiet || !open {
		return rest, nil
	}
	if err := p.closed(ctx, due); err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stray = false
	return false, nil
}

// closed takes the pool's mark away; other nodes hear that something may have moved
// and, where a count is due, that the figure is in doubt.
func (p *pool) closed(ctx context.Context, due bool) error {
	b := state.Batch{Deletes: []string{p.openName()}}
	if p.share.Load() != nil {
		b.Puts = append(b.Puts, state.Put{Name: p.closedName(), Value: []byte{}, TTL: closedLife})
		if due {
			b.Puts = append(b.Puts, state.Put{Name: p.id + "/" + doubted, Value: []byte{}})
		}
	}
	return p.note(ctx, b)
}

func (p *pool) unmark(ctx context.Context, names ...string) error {
	return p.note(ctx, state.Batch{Deletes: names})
}

func (p *pool) note(ctx context.Context, b state.Batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	b.Scope, b.ID = openScope, state.NewOperationID()
	if _, err := p.store.Apply(ctx, b); err != nil {
		return fmt.Errorf("end the note of a change below %s: %w", p.folder, err)
	}
	return nil
}
