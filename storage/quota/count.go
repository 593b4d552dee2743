package quota

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

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
// makes the figure exact.
const (
	tries     = 4  // walks before a figure that may be too large is taken
	most      = 12 // walks before counting is put off
	shortWait = 20 * time.Millisecond
	firstWait = 5 * time.Second
	longWait  = time.Hour
)

// A view is how a quota stood when a walk began.
type view struct {
	events      uint64
	outstanding bool // something was handed out: it may be on disk, or not
}

// measure counts the folder of a quota and puts the figure in force.
func (l *Ledger) measure(ctx context.Context, p *pool) error {
	if err := lock(ctx, p.counting); err != nil {
		return err
	}
	defer unlock(p.counting)
	wait := shortWait
	for try := 1; try <= most; try++ {
		began := p.begin()
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
		if done {
			return l.settled(ctx, p)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait *= 2
	}
	return fmt.Errorf("count what %s holds: %w", p.folder, ErrBusy)
}

func (p *pool) begin() view {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch.grown = Amount{}
	return view{events: p.watch.events, outstanding: p.bytes.out > 0 || p.files.out > 0}
}

// settle puts what was found in force, if nothing has happened since the walk
// began, or else, where it must, the most that there can be.
func (p *pool) settle(ctx context.Context, began view, found Amount, must bool) (bool, error) {
	if err := lock(ctx, p.op); err != nil {
		return false, err
	}
	defer unlock(p.op)
	for _, f := range p.figures() {
		if err := p.resolve(ctx, f); err != nil {
			return false, err
		}
	}
	return p.enter(ctx, began, found, must)
}

// enter is settle, with p.op held and nothing stuck.
func (p *pool) enter(ctx context.Context, began view, found Amount, must bool) (bool, error) {
	p.mu.Lock()
	quiet := p.watch.events == began.events
	if p.touches > 0 || !quiet && !must {
		p.mu.Unlock()
		return false, nil
	}
	p.due = time.Time{}
	if !quiet || began.outstanding {
		found = found.plus(p.watch.grown)
		p.wait = min(max(p.wait*2, firstWait), longWait)
		p.recount(p.wait)
	} else {
		p.wait = 0
	}
	p.settled = time.Now()
	p.bytes.freed, p.files.freed = 0, 0
	limit := p.limit
	bytes := p.bytes.begin(p.holder, ask{giveBack: true, limit: &limit.Bytes, used: &found.Bytes})
	files := p.files.begin(p.holder, ask{giveBack: true, limit: &limit.Files, used: &found.Files})
	p.mu.Unlock()
	ops := map[*figure]state.Lease{&p.bytes: bytes, &p.files: files}
	return true, p.both(func(f *figure) error {
		_, err := p.do(ctx, f, ops[f])
		return err
	})
}

// settled makes a count last: the quota is enforced from now on, and what dead
// epochs of this node left is no longer needed.
func (l *Ledger) settled(ctx context.Context, p *pool) error {
	if err := l.bury(ctx, p); err != nil {
		return err
	}
	p.mu.Lock()
	counted := p.counted
	p.mu.Unlock()
	if counted {
		return nil
	}
	return l.enforced(ctx, p)
}

// bury gives back the leases of this node's dead epochs.
func (l *Ledger) bury(ctx context.Context, p *pool) error {
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
			if !p.dead(holder) {
				continue
			}
			op := state.Lease{ID: state.NewOperationID(), Name: f.name, Holder: holder, ReleaseAll: true}
			if _, err := p.count(ctx, op); err != nil {
				return err
			}
		}
	}
	for _, name := range l.takeMarks(p.id) {
		if err := p.unmark(ctx, name); err != nil {
			return err
		}
	}
	return nil
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

// dead reports whether a holder is this node in another epoch.
func (p *pool) dead(holder string) bool {
	return holder != p.holder && strings.HasPrefix(holder, p.node+"/")
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
