package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

// spoolAfter is how long the store has for what should be durable within a second:
// together with noteDelay it leaves some time for the spool.
const spoolAfter = 500 * time.Millisecond

// A relay is a writer with a spool. One append is under way at a time, beside it: what
// the store has not taken in time becomes durable in the spool, behind what is there,
// and goes into the trail from there. Once an entry has its place in the chain it
// keeps it, unless it surely is neither in the store nor in the spool.
type relay struct {
	*writer
	spool  *spool
	began  uint64          // the number that the chain had come to at the start, with the spool
	end    link            // of the chain, with what is under way or in the spool
	flight *group          // is being appended
	landed chan landing    // how that ended
	retry  *group          // was not appended, or nobody knows: it is before all others
	stuck  *group          // may be in the spool or not: it is behind all that is there
	owed   []*entry        // in the spool; who waits for them hears of it with the next landing
	why    error           // the last append failed
	flying context.Context // of the append that is under way
	ground func()          // ends it

	ready     bool // what is pending waits for no more
	gathering <-chan time.Time
	overdue   <-chan time.Time // when the spool takes what the store has not
	resting   <-chan time.Time // until when the store is left alone
}

type landing struct {
	position uint64
	err      error
}

func newRelay(w *writer, s *spool, end link) *relay {
	return &relay{writer: w, spool: s, began: end.Sequence, end: end, landed: make(chan landing, 1)}
}

// run writes until the log is closed.
func (r *relay) run(ctx context.Context) {
	r.flying, r.ground = context.WithCancel(ctx)
	defer r.ground()
	for {
		r.launch()
		select {
		case <-r.log.some:
			if r.gathering == nil {
				r.gathering = time.After(noteDelay)
			}
		case <-r.gathering:
			r.gathering, r.ready = nil, true
		case <-r.log.now:
			r.gathering, r.ready = nil, true
		case <-r.due:
			r.late = true
		case <-r.resting:
			r.resting, r.ready = nil, true
		case <-r.overdue:
			r.keep(ctx)
		case l := <-r.landed:
			r.land(ctx, l)
		}
		if stop := r.log.stopping(); stop != nil {
			r.finish(ctx, stop)
			return
		}
		r.hurry(ctx)
	}
}

// hurry sees to it that what is pending, and cannot be appended now, becomes durable
// in time.
func (r *relay) hurry(ctx context.Context) {
	switch {
	case !r.ready || r.flight == nil && r.resting == nil:
	case r.log.Err() != nil:
		r.keep(ctx)
	case r.overdue == nil:
		r.overdue = time.After(spoolAfter)
	}
}

// launch begins the next append, where none is under way.
func (r *relay) launch() {
	if r.flight != nil || r.resting != nil {
		return
	}
	g, err := r.first()
	if err != nil {
		r.why = err
		r.log.fails(err)
		r.resting = time.After(pause)
		return
	}
	if g == nil {
		return
	}
	r.flight, g.flew = g, true
	if !g.spooled && r.overdue == nil {
		r.overdue = time.After(spoolAfter)
	}
	go func() {
		position, err := r.fly(r.flying, g)
		r.landed <- landing{position, err}
	}()
}

// fly appends a group, and tells those who ask by time of what is very late.
func (r *relay) fly(ctx context.Context, g *group) (uint64, error) {
	if err := r.admitLate(ctx, g); err != nil {
		return 0, err
	}
	position, err := r.append(ctx, g)
	if err == nil {
		r.keepSigned(ctx, g)
	}
	return position, err
}

// admitLate notes that the events of a group are very late.
func (r *relay) admitLate(ctx context.Context, g *group) error {
	after := g.keptFor(time.Now())
	if after < late/2 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.fence(ctx); err != nil {
		return err
	}
	return r.log.admitLate(ctx, after)
}

// first is what is appended next: all in the order of the chain.
func (r *relay) first() (*group, error) {
	if g := r.retry; g != nil {
		r.retry = nil
		return g, nil
	}
	if g, err := r.spool.next(r.flying, r.began, r.tail.Sequence); g != nil || err != nil {
		return g, err
	}
	if g := r.stuck; g != nil {
		r.stuck = nil
		return g, nil
	}
	if r.ready {
		if g := r.pending(); g != nil {
			return g, nil
		}
		r.ready = false
	}
	switch {
	case r.log.Err() != nil:
		return r.resumption()
	case r.late || r.unsigned >= r.signEvents:
		return r.signature()
	}
	return nil, nil
}

// pending gives what is pending its place in the chain, nil where nothing is.
func (r *relay) pending() *group {
	entries := r.log.take(mostAtOnce, mostBytes)
	if len(entries) == 0 {
		return nil
	}
	return r.place(plainEntry, entries)
}

func (r *relay) place(kind byte, entries []*entry) *group {
	g := r.group(r.end, kind, entries)
	r.end = g.end
	return g
}

// resumption and signature are what the log tells of itself.
func (r *relay) resumption() (*group, error) {
	e, err := r.resumedEntry()
	if err != nil {
		return nil, err
	}
	return r.placeOwn(plainEntry, e, nil), nil
}

func (r *relay) signature() (*group, error) {
	if r.unsigned == 0 {
		r.late = false
		return nil, nil
	}
	e, cp, err := r.signedEntry()
	if err != nil {
		return nil, err
	}
	return r.placeOwn(checkpointEntry, e, &cp), nil
}

func (r *relay) placeOwn(kind byte, e *entry, cp *Checkpoint) *group {
	r.log.taking(1)
	e.own = true
	g := r.place(kind, []*entry{e})
	g.own, g.cp = true, cp
	return g
}

// keep makes durable in the spool what the store has not taken in time.
func (r *relay) keep(ctx context.Context) {
	r.overdue = nil
	for g := r.unkept(); g != nil; g = r.unkept() {
		r.log.keeping()
		err := r.spool.add(ctx, g)
		r.log.kept(err, r.spool)
		if err != nil {
			r.unable(g, err)
			return // what is pending is tried again
		}
		if g == r.stuck {
			r.stuck = nil
		}
		r.log.depart(len(g.entries))
		r.owe(g.entries)
	}
	r.ready = false
}

// unkept is what comes into the spool next, behind all that is there.
func (r *relay) unkept() *group {
	for _, g := range [...]*group{r.flight, r.retry, r.stuck} {
		if g != nil && !g.spooled {
			return g
		}
	}
	return r.pending()
}

// owe answers those who wait for entries of the spool: at once where it is known that
// the store is away, else with the next landing, which may come soon.
func (r *relay) owe(entries []*entry) {
	if r.log.Err() != nil {
		answer(entries, nil)
		return
	}
	for _, e := range entries {
		if e.done != nil {
			r.owed = append(r.owed, e)
		}
	}
}

func (r *relay) pay() {
	answer(r.owed, nil)
	r.owed = nil
}

// unable does what is left to do with a group that the spool has not taken.
func (r *relay) unable(g *group, err error) {
	g.unsure = g.unsure || errors.Is(err, state.ErrUnknown)
	switch {
	case g == r.flight: // what becomes of it is told later
	case g == r.retry && (g.unsure || r.unsettled == g), g == r.stuck && g.unsure:
		answer(g.entries, err)
	case g.unsure:
		r.stuck = g
		answer(g.entries, err)
	default:
		r.takeBack(g)
	}
	if r.log.Err() != nil {
		r.log.refused(errors.Join(r.why, err))
	}
}

// takeBack gives up the place of a group that is nowhere, and the last of the chain.
func (r *relay) takeBack(g *group) {
	if r.end = g.after; g == r.retry {
		r.retry = nil
	}
	if g == r.stuck {
		r.stuck = nil
	}
	if g.own {
		r.log.taking(-1)
		return
	}
	r.log.putBack(g.entries)
}

// land takes note of how an append has ended.
func (r *relay) land(ctx context.Context, l landing) {
	g := r.flight
	if r.flight, r.unsettled = nil, nil; !r.ready {
		r.overdue = nil
	}
	if l.err == nil {
		r.arrived(ctx, g, l.position)
		return
	}
	err := fmt.Errorf("append %d events: %w", len(g.values), l.err)
	r.resting = time.After(pause)
	r.why = err
	r.log.fails(err)
	r.pay()
	unknown := errors.Is(err, state.ErrUnknown)
	if unknown {
		r.unsettled = g
	}
	r.retry = g
	switch {
	case g.spooled || g.unsure || unknown:
	case g.own:
		r.takeBack(g)
	case errors.Is(err, state.ErrInvalid): // it never will be taken
		r.retry, r.end = nil, g.after
		r.log.giveUp(g.entries, err)
	}
	r.keep(ctx)
}

func (r *relay) arrived(ctx context.Context, g *group, position uint64) {
	counted := len(g.entries)
	if g.spooled {
		counted = 0 // they have left before
		r.spool.done(ctx, g)
		r.log.sent(r.spool)
	}
	if r.spool.empty() {
		r.spool.discard()
	}
	r.tail = place{g.end, position}
	r.log.written(g.entries, position, counted)
	r.pay()
	r.count(g)
}

// finish writes what is left for as long as it may, and keeps the rest.
func (r *relay) finish(ctx, stop context.Context) {
	within, cancel := context.WithTimeout(stop, patience)
	defer cancel()
	r.ready, r.late, r.resting = true, true, nil
	for late := false; !late && r.log.Err() == nil; {
		if r.launch(); r.flight == nil {
			break
		}
		select {
		case l := <-r.landed:
			r.land(ctx, l)
		case <-r.overdue:
			late = true
		case <-within.Done():
			late = true
		}
		r.ready = true
	}
	r.keep(ctx)
	if r.flight != nil {
		r.ground()
		r.land(ctx, <-r.landed)
	}
	left := r.log.take(1<<62, 1<<62)
	for _, g := range [...]*group{r.retry, r.stuck} {
		if g != nil && !g.spooled {
			left = append(g.entries, left...)
		}
	}
	r.pay()
	r.log.giveUp(left, r.log.Err())
	if err := r.spool.close(); err != nil {
		r.log.log.Warn("the log was closed", "error", err)
	}
}
