package quota

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/pause"
	"gatehouse/storage/state"
)

// A Sharing is what a ledger is told of the other nodes on its store. The zero
// one knows that there may be some, and no more.
type Sharing struct {
	// Living reports whether a holder, NODE/EPOCH, may still do anything; nil takes
	// everybody for living.
	Living func(holder string) bool
	// Held reports whether what this node leased is surely still its own: else
	// nothing is handed out of it. Nil: always.
	Held func() bool
}

// Share says that other nodes write to the same store. A new quota is counted when
// all of them can know of it, what is freed counts once whoever counts meanwhile,
// and a count is exact only where none of them did anything.
func (l *Ledger) Share(s Sharing) { l.share.Store(&s) }

// Yielding has do called before this node gives back to another one what it leases and
// does not use: it ends what was reserved ahead.
func (l *Ledger) Yielding(do func()) { l.yielding.Store(&do) }

func (l *Ledger) alone() bool { return l.share.Load() == nil }

// Alone says that no other node can write to the same store: whatever others have
// left there, as before the state was moved from theirs, is settled as by Bury.
func (l *Ledger) Alone(ctx context.Context) error {
	l.only.Store(true)
	marked := make(map[string]bool)
	err := each(ctx, l.store, openScope, "", func(r state.Record) error {
		id, holder, ok := strings.Cut(r.Name, "/")
		if !ok || holder == doubted || holder == closedMark || strings.HasPrefix(holder, l.node+"/") {
			return nil
		}
		marked[id] = true
		l.mu.Lock()
		defer l.mu.Unlock()
		l.marks[id] = append(l.marks[id], r.Name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle the quotas of other nodes: %w", err)
	}
	for _, p := range l.within(path.Root) {
		p.mu.Lock()
		left := marked[p.id] || p.bytes.others || p.files.others
		if left {
			p.recount(0)
		}
		p.mu.Unlock()
		if left {
			l.activate(p)
		}
	}
	return nil
}

// errLost keeps a node that may have been declared dead from using what it leased.
var errLost = fmt.Errorf("%w: this node has lost touch with the others", ErrAway)

// holds is errLost where what this node leased may no longer be its own.
func (p *pool) holds() error {
	if s := p.share.Load(); s != nil && s.Held != nil && !s.Held() {
		return errLost
	}
	return nil
}

// lapsed reports that this epoch was declared dead: what it has not booked the
// others have counted.
func (p *pool) lapsed() bool {
	s := p.share.Load()
	return s != nil && s.Living != nil && !s.Living(p.holder)
}

// dead reports whether a holder can do nothing any more: this node in another
// epoch, or another node that was declared dead.
func (p *pool) dead(holder string) bool {
	if holder == p.holder {
		return false
	}
	if strings.HasPrefix(holder, p.node+"/") || p.only.Load() {
		return true
	}
	if _, buried := p.buried.Load(holder); buried {
		return true
	}
	s := p.share.Load()
	return s != nil && s.Living != nil && !s.Living(holder)
}

// Bury settles what a dead epoch of another node left: quotas of which it leased
// something, or removed something, are counted anew, and its leases given back.
// That it is dead is the caller's to know. It can be called again.
func (l *Ledger) Bury(ctx context.Context, node, epoch string) error {
	holder := node + "/" + epoch
	if node == l.node && epoch == l.epoch {
		return errors.New("settle the quotas of a dead node: that is this node in its present epoch")
	}
	l.buried.Store(holder, true)
	marked := make(map[string]string)
	err := each(ctx, l.store, openScope, "", func(r state.Record) error {
		if id, of, _ := strings.Cut(r.Name, "/"); of == holder {
			marked[id] = r.Name
		}
		return nil
	})
	if err == nil {
		err = l.settleAll(ctx, holder, marked)
	}
	if err != nil {
		return fmt.Errorf("settle the quotas of the dead node %s: %w", holder, err)
	}
	return nil
}

func (l *Ledger) settleAll(ctx context.Context, holder string, marked map[string]string) error {
	var mu sync.Mutex
	var errs []error
	l.each16(l.within(path.Root), func(p *pool) {
		mu.Lock()
		_, noted := marked[p.id]
		delete(marked, p.id)
		mu.Unlock()
		err := l.settleFor(ctx, p, holder, noted)
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	})
	for _, name := range marked { // of quotas that are no more
		_, err := l.store.Apply(ctx, state.Batch{Scope: openScope, ID: state.NewOperationID(), Deletes: []string{name}})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// settleFor settles what a dead holder left of one quota. Nothing more of it arrives
// from before the walk on.
func (l *Ledger) settleFor(ctx context.Context, p *pool, holder string, marked bool) error {
	for _, f := range p.figures() {
		v, err := p.count(ctx, state.Lease{ID: state.NewOperationID(), Name: f.name, Holder: holder, Bury: true})
		if err != nil {
			return err
		}
		marked = marked || v.Held > 0
	}
	if !marked || p.ended() {
		return nil
	}
	if err := l.measure(ctx, p); err != nil {
		l.again(p)
		return err
	}
	l.activate(p)
	return nil
}

// others is what there was to be seen of the other nodes at one moment.
type others struct {
	// calm says that none of them held a lease or had noted a change.
	calm   bool
	marked bool     // one of them had noted a change
	dead   []string // holders of leases, and who had noted a change
	marks  []string // notes of dead ones, and that the figure is in doubt
	closed uint64   // revision of the last note that was taken away
	// grown is what all nodes had committed, booked what this one had; bytes, files.
	grown, booked [2]int64
}

func (o *others) bury(holder string) {
	if !slices.Contains(o.dead, holder) {
		o.dead = append(o.dead, holder)
	}
}

// closedName is written when a note of changes is taken away, so that who counts
// hears of changes that began and ended meanwhile.
func (p *pool) closedName() string { return p.id + "/" + closedMark }

// closedLife is longer than any count takes.
const closedLife = 7 * 24 * time.Hour

// around looks what the other nodes do. p.op is held, and nothing is stuck then.
func (p *pool) around(ctx context.Context) (*others, error) {
	if err := p.holds(); err != nil {
		return nil, err
	}
	o := &others{calm: true}
	for i, f := range p.figures() {
		if err := p.resolve(ctx, f); err != nil {
			return nil, err
		}
		v, err := p.hear(ctx, f)
		if err != nil {
			return nil, err
		}
		for holder := range v.Holders {
			switch {
			case holder == p.holder:
			case !p.dead(holder):
				o.calm = false
			default:
				o.bury(holder)
			}
		}
		p.mu.Lock()
		o.grown[i], o.booked[i] = v.Grown, f.booked
		p.mu.Unlock()
	}
	err := each(ctx, p.store, openScope, p.id+"/", func(r state.Record) error {
		_, holder, _ := strings.Cut(r.Name, "/")
		switch {
		case holder == p.holder:
		case r.Name == p.closedName():
			o.closed = r.Revision
		case holder == doubted:
			o.marks = append(o.marks, r.Name)
		case p.dead(holder):
			o.marks = append(o.marks, r.Name)
			o.bury(holder)
		default:
			o.calm, o.marked = false, true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look who changes something below %s: %w: %w", p.folder, ErrAway, err)
	}
	// Who stood still meanwhile may have met the run that has followed it, which is not
	// one of the dead.
	if err := p.holds(); err != nil {
		return nil, err
	}
	return o, nil
}

// survey is around before a walk: where others are in the way, they are asked to
// give back what they do not use.
func (p *pool) survey(ctx context.Context) (*others, error) {
	for try := 0; ; try++ {
		if err := lock(ctx, p.op); err != nil {
			return nil, err
		}
		o, err := p.around(ctx)
		unlock(p.op)
		if err != nil || o.calm || try == 2 {
			return o, err
		}
		if err := p.reclaim(ctx, try); err != nil {
			return nil, err
		}
		if err := pause.For(ctx, shortWait); err != nil {
			return nil, err
		}
	}
}

// between reports that no other node did anything between two moments, and nobody
// booked what this node did not. p.mu is held.
func (p *pool) between(before, now *others) bool {
	same := before.calm && now.calm && before.closed == now.closed
	for i := range p.figures() {
		same = same && now.grown[i]-before.grown[i] == now.booked[i]-before.booked[i]
	}
	return same
}

// spoiled notes that somebody has counted since this node last heard of a figure:
// whether what was freed before was found is not known. p.mu is held.
func (p *pool) spoiled(f *figure) {
	p.settled = time.Now()
	p.turn++
	p.stale = p.touches
	if f.freed > 0 {
		f.freed = 0
		p.uncertain()
	}
}

// uncertain asks for a count, since the figure may be too large. Those who count in
// turns, each because the other did, do it less and less often. p.mu is held.
func (p *pool) uncertain() {

	p.wait = min(max(p.wait*2, doubt), longWait)
	p.recount(p.wait)
}

// Unsure has the quotas on and above these paths, and below them, counted anew: what
// they hold was changed in a way that cannot be told.
func (l *Ledger) Unsure(paths ...path.Path) {
	for _, at := range paths {
		for _, p := range append(l.above(at), l.within(at)...) {
			p.mu.Lock()
			p.touched()
			p.recount(doubt)
			p.mu.Unlock()
			l.activate(p)
			if p.holds() != nil {
				l.leaveWord(p)
			}
		}
	}
}

// leaveWord notes for the next run that a figure is in doubt, where this one may count
// nothing any more.
func (l *Ledger) leaveWord(p *pool) {
	l.spawn(func() {
		_ = p.note(l.ctx, state.Batch{Puts: []state.Put{{Name: p.id + "/" + doubted, Value: []byte{}}}})
	})
}
