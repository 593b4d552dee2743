package quota

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
)

// How a folder is counted while it is written to.
//
// A walk takes time, and what it finds belongs to no one moment. So the pool
// counts the events of its quota: growth that is reserved, committed or given
// back, releases, and the Touches that announce them. If there was none between
// the walk's beginning and the moment its result is put in force, the walk saw
// the folder as it is, and the store's figure is set to it. The check and the
// beginning of that store operation are one step under the pool's lock: what is
// committed later is booked on top.
//
// If there were events the walk is made again. A folder that is never quiet gets
// a figure that is never too small instead: what the walk found, and all that
// was committed meanwhile, whether the walk saw it or not; what was released is
// not taken off. It is put in force only while no Touch is open, so that nothing
// is released later that was gone already. The limit holds from then on, and
// counting goes on in the background, less and less often, until a quiet walk
// makes the figure exact. What was moved meanwhile may have kept out of the walk's
// way: then nothing that was booked before is lowered, what the dead had leased
// stays, and a first count is none.
const (
	tries     = 4  // walks before a figure that may be too large is taken
	most      = 12 // walks before counting is put off
	shortWait = 20 * time.Millisecond
	firstWait = 5 * time.Second
	longWait  = time.Hour

	heardOf    = 100 * time.Millisecond // after which other nodes know of a new quota
	secondLook = 30 * time.Second       // when it is counted anew, in case one did not
)

// A view is how a quota stood when a walk began.
type view struct {
	events      uint64
	outstanding bool    // something was handed out: it may be on disk, or not
	others      *others // nil where this node is alone
}

// measure counts the folder of a quota and puts the figure in force.
func (l *Ledger) measure(ctx context.Context, p *pool) error {
	if err := lock(ctx, p.counting); err != nil {
		return err
	}
	defer unlock(p.counting)
	first := !p.isCounted() && !l.alone()
	if first {
		if err := pause.For(ctx, heardOf); err != nil {
			return err
		}
	}
	wait := shortWait
	for try := 1; try <= most; try++ {
		began, err := p.begin(ctx)
		if err != nil {
			return fmt.Errorf("count what %s holds: %w", p.folder, err)
		}
		found, err := l.walk(ctx, p.folder)
		if errors.Is(err, fs.ErrNotExist) {
			found, err = Amount{}, nil
		}
		if err != nil {
			return fmt.Errorf("count what %s holds: %w", p.folder, err)
		}
		done, err := p.settle(ctx, began, found, try >= tries)
		if err != nil {
			return err
		}
		if done != open {
			if first {
				p.lookAgain()
				l.activate(p)
			}
			return l.settled(ctx, p, began, done == sure)
		}
		if err := pause.For(ctx, wait); err != nil {
			return err
		}
		wait *= 2
	}
	return fmt.Errorf("count what %s holds: %w", p.folder, ErrBusy)
}

// begin notes how the quota stands before a walk.
func (p *pool) begin(ctx context.Context) (view, error) {
	began := p.beginAlone()
	if p.share.Load() == nil {
		return began, nil
	}
	var err error
	if began.others, err = p.survey(ctx); err == nil {
		err = p.inter(ctx, began.others.dead)
	}
	return began, err
}

// inter has the store refuse what these holders have sent and not yet arrived: it would
// be booked beside what the walk finds.
func (p *pool) inter(ctx context.Context, holders []string) error {
	for _, holder := range holders {
		for _, f := range p.figures() {
			op := state.Lease{ID: state.NewOperationID(), Name: f.name, Holder: holder, Bury: true}
			if _, err := p.count(ctx, op); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pool) beginAlone() view {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch.grown, p.watch.moves = Amount{}, 0
	return view{events: p.watch.events, outstanding: p.bytes.out > 0 || p.files.out > 0}
}

func (p *pool) isCounted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counted
}

// lookAgain asks for a second count of a new quota.
func (p *pool) lookAgain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.countLater(secondLook)
}

// countLater asks for a count after a while though the figure is not in doubt. p.mu is
// held.
func (p *pool) countLater(after time.Duration) {
	unsure := p.unsure
	p.recount(after)
	p.unsure = unsure
}

// An outcome is what came of a walk.
type outcome int

const (
	open  outcome = iota // nothing is in force
	bound                // a figure is that is not too small
	sure                 // a figure is, and the walk has seen all that dead epochs left
)

// settle puts what was found in force, if nothing has happened since the walk
// began, or else, where it must, the most that there can be.
func (p *pool) settle(ctx context.Context, began view, found Amount, must bool) (outcome, error) {
	if err := lock(ctx, p.op); err != nil {
		return open, err
	}
	defer unlock(p.op)
	for _, f := range p.figures() {
		if err := p.resolve(ctx, f); err != nil {
			return open, err
		}
	}
	return p.enter(ctx, began, found, must)
}

// enter is settle, with p.op held and nothing stuck.
func (p *pool) enter(ctx context.Context, began view, found Amount, must bool) (outcome, error) {
	var now *others
	if began.others != nil {
		var err error
		if now, err = p.around(ctx); err != nil {
			return open, err
		}
	}
	p.mu.Lock()
	quiet, moved := p.quiet(began, now), p.moved(began, now)
	if p.touches > 0 || !quiet && !must || moved && !p.counted {
		p.mu.Unlock()
		return open, nil
	}
	p.due, p.unsure = time.Time{}, false
	if !quiet {
		found = found.plus(p.watch.grown)
		p.wait = min(max(p.wait*2, firstWait), longWait)
		p.recount(p.wait)
	} else {
		p.wait = 0
	}
	p.settled = time.Now()
	p.bytes.freed, p.files.freed = 0, 0
	asks := [2]ask{
		{giveBack: true, limit: &p.limit.Bytes, at: p.at, used: &found.Bytes},
		{giveBack: true, limit: &p.limit.Files, at: p.at, used: &found.Files},
	}
	ops := make(map[*figure]state.Lease)
	for i, f := range p.figures() {
		limit := *asks[i].limit
		asks[i].limit = &limit
		if now != nil {
			f.sum(&asks[i], began.others, now, i, quiet)
		} else if moved {
			*asks[i].used = max(*asks[i].used, f.present())
		}
		ops[f] = f.begin(p.holder, asks[i])
	}
	p.mu.Unlock()
	err := p.both(func(f *figure) error {
		_, err := p.do(ctx, f, ops[f])
		return err
	})
	if err == nil && now != nil && quiet {
		err = p.afterwards(ctx, now)
	}
	if moved {
		return bound, err
	}
	return sure, err
}

// moved reports that something may have been moved since a walk began. p.mu is held.
func (p *pool) moved(began view, now *others) bool {
	if now == nil {
		return p.watch.moves > 0
	}
	before := began.others
	return p.watch.moves > 0 || before.marked || now.marked || before.closed != now.closed
}

// afterwards looks whether another node removed something in the moment between the
// last look at it and the new figure: that was booked, and is part of the figure again.
func (p *pool) afterwards(ctx context.Context, before *others) error {
	o, err := p.around(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.marked || o.closed != before.closed {
		p.uncertain()
	}
	return nil
}

// quiet reports that nothing has happened since a walk began, by this node or, where
// there are some, by others. p.mu is held.
func (p *pool) quiet(began view, now *others) bool {
	quiet := p.watch.events == began.events && !began.outstanding
	return quiet && (now == nil || p.between(began.others, now))
}

// sum adds to what was found what other nodes have committed since. Where something
// was done meanwhile, what is booked is never lowered: a tree that was moved may have
// kept out of the walk's way. The figure is set anew from here on.
func (f *figure) sum(a *ask, began, now *others, i int, quiet bool) {
	since := began.grown[i] + f.booked - began.booked[i]
	a.since = &since
	if booked := f.used + f.pending; !quiet && booked > *a.used+now.grown[i]-since {
		a.used, a.since = &booked, &now.grown[i]
	}
	f.recounts++
}

// settled makes a count last: the quota is enforced from now on, and what dead
// epochs left is no longer needed where the walk was sure to see it.
func (l *Ledger) settled(ctx context.Context, p *pool, began view, sure bool) error {
	if sure {
		if err := l.bury(ctx, p, began); err != nil {
			return err
		}
	}
	if p.isCounted() {
		return nil
	}
	return l.enforced(ctx, p)
}

// bury gives back the leases of epochs that were dead when the walk began.
func (l *Ledger) bury(ctx context.Context, p *pool, began view) error {
	if err := lock(ctx, p.op); err != nil {
		return err
	}
	defer unlock(p.op)
	for _, f := range p.figures() {
		v, err := p.count(ctx, state.Lease{Name: f.name, Holder: p.holder})
		if err != nil {
			return err
		}
		for holder := range v.Holders {
			if !began.ended(p, holder) {
				continue
			}
			op := state.Lease{ID: state.NewOperationID(), Name: f.name, Holder: holder, ReleaseAll: true, Bury: p.share.Load() != nil}
			if _, err := p.count(ctx, op); err != nil {
				return err
			}
		}
	}
	marks := l.takeMarks(p.id)
	if began.others != nil {
		marks = append(marks, began.others.marks...)
	}
	slices.Sort(marks)
	if marks = slices.Compact(marks); len(marks) == 0 {
		return nil
	}
	return p.unmark(ctx, marks...)
}

// ended reports whether a holder of a lease was dead when the walk began.
func (v view) ended(p *pool, holder string) bool {
	if v.others == nil {
		return p.dead(holder)
	}
	return slices.Contains(v.others.dead, holder)
}

// Doubt says that what folders hold may have changed while no ledger looked on,
// as after a restore: the next one counts every folder anew.
func Doubt(ctx context.Context, s state.Store) error {
	err := each(ctx, s, scope, recordPrefix+"/", func(r state.Record) error {
		got, err := decode(r)
		if err != nil {
			return err
		}
		_, err = s.Apply(ctx, state.Batch{
			Scope: openScope, ID: state.NewOperationID(),
			Puts: []state.Put{{Name: got.ID + "/" + doubted, Value: []byte{}}},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("have all quotas counted anew: %w", err)
	}
	return nil
}
