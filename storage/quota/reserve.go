package quota

import (
	"context"
	"errors"
	"slices"
	"sync"

	"gatehouse/policy/path"
)

// Reserve takes growth at p from every quota above it, before it is written.
// All of it or, with an *ExceededError, nothing. Negative amounts count as 0.
func (l *Ledger) Reserve(ctx context.Context, p path.Path, grow Amount) (*Reservation, error) {
	grow = Amount{Bytes: max(grow.Bytes, 0), Files: max(grow.Files, 0)}
	r := l.begin(p)
	for _, q := range r.above {
		if err := r.add(ctx, q, grow); err != nil {
			r.Cancel()
			return nil, err
		}
	}
	r.granted = grow
	return r, nil
}

// ReserveBytes takes between min and want bytes: as much as there is room for.
// It is for streams, which fill a folder up to its last byte.
func (l *Ledger) ReserveBytes(ctx context.Context, p path.Path, min, want int64) (*Reservation, error) {
	min = max(min, 0)
	want = max(want, min)
	r := l.begin(p)
	for _, q := range r.above {
		got, err := q.take(ctx, &q.bytes, min, want)
		l.activate(q)
		if min == 0 && errors.Is(err, ErrExceeded) {
			got, err = 0, nil
		}
		if err != nil {
			r.Cancel()
			return nil, err
		}
		r.parts = append(r.parts, part{q, Amount{Bytes: got}})
		want = got
	}
	for i := range r.parts {
		r.parts[i].shrink(Amount{Bytes: want})
	}
	r.granted = Amount{Bytes: want}
	return r, nil
}

// Move reserves, for a rename from one path to another, what the tree at from
// holds in the quotas above to that are not above from. Committing it books it
// there and frees it in those above from that are not above to. Below both there
// must be no quota (see Limits): each would hold another part of the tree.
func (l *Ledger) Move(ctx context.Context, from, to path.Path, held Amount) (*Reservation, error) {
	held = Amount{Bytes: max(held.Bytes, 0), Files: max(held.Files, 0)}
	r := l.begin(to)
	sources, targets := l.moving(from, to)
	for _, q := range targets {
		if err := r.add(ctx, q, held); err != nil {
			r.Cancel()
			return nil, err
		}
	}
	for _, q := range sources {
		l.activate(q)
		if err := q.mark(ctx); err != nil {
			r.Cancel()
			return nil, err
		}
	}
	r.frees = sources
	r.granted = held
	return r, nil
}

// Crosses reports whether a rename from one path to another changes which
// quotas are charged: only then a tree's size has to be known.
func (l *Ledger) Crosses(from, to path.Path) bool {
	sources, targets := l.moving(from, to)
	return len(sources)+len(targets) > 0
}

// moving returns the quotas that a rename frees and those that it charges.
func (l *Ledger) moving(from, to path.Path) (sources, targets []*pool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	before, after := l.folders.above(from), l.folders.above(to)
	for _, q := range before {
		if !slices.Contains(after, q) {
			sources = append(sources, q)
		}
	}
	for _, q := range after {
		if !slices.Contains(before, q) {
			targets = append(targets, q)
		}
	}
	return sources, targets
}

// A Reservation is growth that was taken and is not yet written.
type Reservation struct {
	ledger *Ledger
	path   path.Path

	mu      sync.Mutex // guards what follows
	version uint64     // of the ledger's folders when it was made
	above   []*pool    // the quotas above path then
	parts   []part
	frees   []*pool
	granted Amount
	ended   bool
}

// A part is what a reservation took of one quota.
type part struct {
	pool  *pool
	taken Amount
}

// shrink keeps no more than most.
func (p *part) shrink(most Amount) {
	rest := Amount{Bytes: max(0, p.taken.Bytes-most.Bytes), Files: max(0, p.taken.Files-most.Files)}
	if rest == (Amount{}) {
		return
	}
	p.pool.commit(rest, Amount{})
	p.taken.Bytes -= rest.Bytes
	p.taken.Files -= rest.Files
}

func (l *Ledger) begin(p path.Path) *Reservation {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return &Reservation{ledger: l, path: p, version: l.version, above: l.folders.above(p)}
}

func (r *Reservation) add(ctx context.Context, q *pool, grow Amount) error {
	got, err := q.takeBoth(ctx, grow)
	r.ledger.activate(q)
	if err != nil {
		return err
	}
	r.parts = append(r.parts, part{q, got})
	return nil
}

// Granted is what was reserved and not given back.
func (r *Reservation) Granted() Amount {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.granted
}

// Shrink gives back at once what is granted beyond to.
func (r *Reservation) Shrink(to Amount) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.granted = r.granted.within(Amount{Bytes: max(to.Bytes, 0), Files: max(to.Files, 0)})
	for i := range r.parts {
		r.parts[i].shrink(r.granted)
	}
}

// Add takes over what o holds, which is for the same path; o then holds nothing.
func (r *Reservation) Add(o *Reservation) {
	given := o.yield()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		for _, p := range given.parts {
			p.pool.commit(p.taken, Amount{})
		}
		return
	}
	r.granted = r.granted.plus(given.granted)
	for _, p := range given.parts {
		i := slices.IndexFunc(r.parts, func(q part) bool { return q.pool == p.pool })
		if i < 0 {
			r.parts = append(r.parts, p)
			continue
		}
		r.parts[i].taken = r.parts[i].taken.plus(p.taken)
	}
}

// A given is what a reservation no longer holds.
type given struct {
	parts   []part
	granted Amount
}

// empty takes all that is held out. r.mu is held.
func (r *Reservation) empty() given {
	g := given{parts: r.parts, granted: r.granted}
	r.parts, r.granted = nil, Amount{}
	return g
}

func (r *Reservation) yield() given {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	return r.empty()
}

// Commit books used, which is at most what was granted, and gives back the
// rest. It never fails: what the store does not take now is booked later.
func (r *Reservation) Commit(used Amount) { r.end(used) }

// Cancel gives all of it back. It does nothing after Commit, so it can be deferred.
func (r *Reservation) Cancel() { r.end(Amount{}) }

func (r *Reservation) end(used Amount) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	held := r.empty()
	used = used.within(held.granted)
	for _, p := range held.parts {
		p.pool.commit(p.taken, used.within(p.taken))
		r.ledger.activate(p.pool)
	}
	if used == (Amount{}) {
		return
	}
	for _, q := range r.frees {
		q.release(used)
		r.ledger.activate(q)
	}
	for _, q := range r.ledger.since(r) {
		q.force(r.ledger.ctx, held.missing(q, used))
		r.ledger.activate(q)
	}
}

// missing is what of used was not taken from a quota that came later.
func (g given) missing(q *pool, used Amount) Amount {
	for _, p := range g.parts {
		if p.pool == q {
			taken := used.within(p.taken)
			return Amount{Bytes: used.Bytes - taken.Bytes, Files: used.Files - taken.Files}
		}
	}
	return used
}

// since returns the quotas above the reservation's path that were not there
// when it was made.
func (l *Ledger) since(r *Reservation) []*pool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.version == r.version {
		return nil
	}
	var added []*pool
	for _, q := range l.folders.above(r.path) {
		if !slices.Contains(r.above, q) {
			added = append(added, q)
		}
	}
	return added
}
