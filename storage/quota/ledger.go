package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/keyed"
	"gatehouse/storage/pause"
	"gatehouse/storage/state"
)

// A Ledger keeps the quotas of all folders for this node. A path is charged to
// every quota that stands on it or above it, top-down. Safe for concurrent use.
type Ledger struct {
	store       state.Store
	node, epoch string
	walk        Walker

	ctx  context.Context // ends with Close; for what a caller must not cut short
	stop context.CancelFunc
	work sync.WaitGroup
	// counts bounds how many folders are counted at a time in the background.
	counts chan struct{}

	// setting is held, for a folder, while the record of its quota is written, or
	// read to be taken in: what is taken in is then never older than what is known.
	setting keyed.Mutex[path.Path]

	mu      sync.RWMutex // guards what follows
	folders folders
	byID    map[string]*pool
	version uint64              // grows with each change of folders
	marks   map[string][]string // records in openScope of dead epochs, by quota
	active  map[*pool]bool
	closed  bool

	share  atomic.Pointer[Sharing] // nil: no other node is known to write to the store
	only   atomic.Bool             // none can
	buried sync.Map                // holders that Bury was told of
	// yielding has those who reserve ahead give it back.
	yielding atomic.Pointer[func()]
}

// How often things are looked after.
const (
	round = time.Second     // what was written is booked so much later
	quiet = 5 * time.Second // and leases are given back after so long without use
)

// New opens the ledger over the state for this node in this epoch. What a dead
// epoch of the same node still leased is settled by counting those quotas anew
// with walk, in the background; until then its leases stay counted, so that a
// limit is never passed. The ledger works until Close or until ctx ends.
func New(ctx context.Context, s state.Store, node, epoch string, walk Walker) (*Ledger, error) {
	if walk == nil {
		walk = func(context.Context, path.Path) (Amount, error) { return Amount{}, nil }
	}
	l := &Ledger{
		store: s, node: node, epoch: epoch, walk: walk,
		counts: make(chan struct{}, 2),
		byID:   make(map[string]*pool),
		marks:  make(map[string][]string),
		active: make(map[*pool]bool),
	}
	l.ctx, l.stop = context.WithCancel(ctx)
	changes, err := l.open(l.ctx)
	if err != nil {
		l.stop()
		return nil, fmt.Errorf("open the quotas: %w", err)
	}
	l.work.Go(func() { l.follow(changes) })
	l.work.Go(l.rounds)
	return l, nil
}

// open reads all quotas, and begins to follow their changes.
func (l *Ledger) open(ctx context.Context) (<-chan state.Change, error) {
	revision, err := l.store.Revision(ctx, scope)
	if err != nil {
		return nil, err
	}
	if err := l.readMarks(ctx); err != nil {
		return nil, err
	}
	if err := l.readAll(ctx); err != nil {
		return nil, err
	}
	for _, p := range l.byID {
		if err := l.inspect(ctx, p); err != nil {
			return nil, err
		}
	}
	return l.store.Watch(ctx, scope, revision)
}

// inspect finds out whether a quota has to be counted anew, or its limit put in force.
func (l *Ledger) inspect(ctx context.Context, p *pool) error {
	due, lag := !p.counted || len(l.marks[p.id]) > 0, false
	for _, f := range p.figures() {
		v, err := p.count(ctx, state.Lease{Name: f.name, Holder: p.holder})
		if err != nil {
			return err
		}
		f.heard(v)
		f.recounts = v.Recounts
		lag = lag || p.counted && v.Limit != p.limitOf(f)
		for holder := range v.Holders {
			due = due || p.dead(holder)
		}
	}
	p.mu.Lock()
	if due {
		p.recount(0)
	}
	p.active = p.active || lag
	p.mu.Unlock()
	if due || lag {
		l.activate(p)
	}
	return nil
}

// each lists the records of a scope.
func each(ctx context.Context, s state.Store, scope, prefix string, do func(state.Record) error) error {
	for after := ""; ; {
		page, err := s.List(ctx, scope, prefix, after, 0)
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			if err := do(r); err != nil {
				return err
			}
			after = r.Name
		}
		if !page.More {
			return nil
		}
	}
}

func (l *Ledger) above(p path.Path) []*pool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.folders.above(p)
}

// activate has the pool looked after, unless its quota is no more. It is called
// after what makes it active.
func (l *Ledger) activate(p *pool) {
	l.mu.RLock()
	there := l.active[p]
	l.mu.RUnlock()
	if there {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID[p.id] == p {
		l.active[p] = true
	}
}

// activateDue is activate for a pool that has been looked at, where that showed that it
// is to be counted.
func (l *Ledger) activateDue(p *pool) {
	p.mu.Lock()
	due := !p.due.IsZero()
	p.mu.Unlock()
	if due {
		l.activate(p)
	}
}

// rest takes a pool off the list, unless it is active again.
func (l *Ledger) rest(p *pool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active {
		delete(l.active, p)
	}
}

func (l *Ledger) busy() []*pool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	pools := make([]*pool, 0, len(l.active))
	for p := range l.active {
		pools = append(pools, p)
	}
	return pools
}

// rounds looks after the active pools until the ledger is closed.
func (l *Ledger) rounds() {
	for {
		for _, p := range l.busy() {
			l.beginCount(p)
		}
		if pause.For(l.ctx, round) != nil {
			return
		}
		l.each16(l.busy(), func(p *pool) {
			rest, err := p.flush(l.ctx, p.idle())
			if err == nil && rest {
				l.rest(p)
			}
		})
	}
}

// each16 does something for many pools, sixteen at a time: the store commits
// together what comes together.
func (l *Ledger) each16(pools []*pool, do func(*pool)) {
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for _, p := range pools {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			do(p)
		})
	}
	wg.Wait()
}

func (p *pool) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.touches == 0 && time.Since(p.used) >= quiet
}

// beginCount starts a count that is due, where one can be started. Others that
// are due follow it.
func (l *Ledger) beginCount(p *pool) {
	select {
	case l.counts <- struct{}{}:
	default:
		return
	}
	if !p.isDue() {
		<-l.counts
		return
	}
	begun := l.spawn(func() {
		defer func() { <-l.counts }()
		for ; p != nil; p = l.nextDue() {
			if err := l.measure(l.ctx, p); err != nil {
				l.again(p)
			}
		}
	})
	if !begun {
		<-l.counts
	}
}

// isDue reports whether a count is due, which whoever asked then makes.
func (p *pool) isDue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due.IsZero() || time.Now().Before(p.due) {
		return false
	}
	p.due = time.Time{}
	return true
}

func (l *Ledger) nextDue() *pool {
	for _, p := range l.busy() {
		if p.isDue() {
			return p
		}
	}
	return nil
}

// spawn runs work that Close waits for; false once the ledger is closed.
func (l *Ledger) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.work.Go(f)
	return true
}

// again puts off the count of a folder that could not be counted.
func (l *Ledger) again(p *pool) {
	p.mu.Lock()
	p.wait = min(max(p.wait*2, firstWait), longWait)
	p.recount(p.wait)
	p.mu.Unlock()
	l.activate(p)
}

// Close books everything and gives all unused leases back. What is still
// reserved keeps its lease, so that the next start counts those folders; what a run
// leaves that was declared dead others have counted.
func (l *Ledger) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.work.Wait()
	var mu sync.Mutex
	var errs []error
	l.each16(l.busy(), func(p *pool) {
		if _, err := p.flush(ctx, true); err != nil && !errors.Is(err, state.ErrBuried) {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		}
	})
	return errors.Join(errs...)
}
