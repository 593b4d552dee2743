package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"gatehouse/storage/state"
)

const (
	// pause is how long a store that fails is left alone.
	pause = 500 * time.Millisecond
	// patience is how long one append may take, and how long a failing store is
	// tried when the log is closed.
	patience = 5 * time.Second
	// unknownTries is how often an append of unknown outcome is repeated before
	// those who wait for it hear of it.
	unknownTries = 3
	// mostBytes is about the most that is appended at once.
	mostBytes = 4 << 20
)

// A writer appends what is pending, in order, as one chain.
type writer struct {
	log       *Log
	tail      place  // the last entry of this node
	unsettled *group // its append had an unknown outcome: it goes first, under its id

	fence      func(context.Context) error
	signed     func(Checkpoint)
	signEvents int
	signEvery  time.Duration
	unsigned   int              // entries since the last checkpoint
	due        <-chan time.Time // when those are signed at the latest
	late       bool             // that time has come
}

func newWriter(l *Log, c Config, tail place) *writer {
	w := &writer{log: l, tail: tail, fence: c.Fence, signed: c.Signed, signEvents: c.SignEvents, signEvery: c.SignEvery}
	if w.fence == nil {
		w.fence = func(context.Context) error { return nil }
	}
	if w.signed == nil {
		w.signed = func(Checkpoint) {}
	}
	if w.signEvents <= 0 {
		w.signEvents = signEvents
	}
	if w.signEvery <= 0 {
		w.signEvery = signEvery
	}
	return w
}

// A group is appended at once. Its values are made with it, so that a retry
// appends the very same entries.
type group struct {
	id      state.OperationID
	entries []*entry
	values  [][]byte
	end     link
	own     bool        // it tells of the log itself, and is made anew where it fails
	cp      *Checkpoint // what the group itself says of the chain before it
}

func (w *writer) run(ctx context.Context) {
	var failing <-chan time.Time
	for {
		select {
		case <-w.log.some:
			w.gather()
		case <-w.log.now:
		case <-w.due:
			w.late = true
		case <-failing:
		}
		if stop := w.log.stopping(); stop != nil {
			w.finish(stop)
			return
		}
		failing = nil
		err := w.flush(ctx)
		if err == nil && w.log.Err() != nil {
			err = w.resumed(ctx)
		}
		if err == nil && (w.late || w.unsigned >= w.signEvents) { // or one that failed is due again
			err = w.checkpoint(ctx)
		}
		if err != nil {
			failing = time.After(pause)
		}
	}
}

// gather waits for more, a little.
func (w *writer) gather() {
	select {
	case <-time.After(noteDelay):
	case <-w.log.now:
	}
}

// finish writes what is left for as long as it may, and gives up the rest.
func (w *writer) finish(stop context.Context) {
	ctx, cancel := context.WithTimeout(stop, patience)
	defer cancel()
	err := w.flush(ctx)
	for err != nil && ctx.Err() == nil && !errors.Is(err, state.ErrClosed) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		err = w.flush(ctx)
	}
	if err == nil {
		err = w.checkpoint(ctx)
	}
	left := w.log.take(math.MaxInt, math.MaxInt)
	if w.unsettled != nil {
		left = append(w.unsettled.entries, left...)
	}
	w.log.giveUp(left, err)
}

// flush appends all that is pending. Where the store refuses, those who wait
// hear of it, and what was noted stays.
func (w *writer) flush(ctx context.Context) error {
	for {
		g := w.next()
		if g == nil {
			return nil
		}
		if err := w.write(ctx, g); err != nil {
			return err
		}
		if w.unsigned >= w.signEvents {
			if err := w.checkpoint(ctx); err != nil {
				return err
			}
		}
	}
}

func (w *writer) write(ctx context.Context, g *group) error {
	position, err := w.append(ctx, g)
	if err != nil {
		err = fmt.Errorf("append %d events: %w", len(g.entries), err)
		w.failed(g, err)
		return err
	}
	w.unsettled = nil
	w.tail = place{g.end, position}
	w.log.written(g.entries, position)
	w.count(ctx, g)
	return nil
}

// count notes what is to be signed, and what just was.
func (w *writer) count(ctx context.Context, g *group) {
	if g.cp == nil {
		if w.unsigned == 0 {
			w.due = time.After(w.signEvery)
		}
		w.unsigned += len(g.entries)
		return
	}
	w.unsigned, w.due, w.late = 0, nil, false
	w.signed(*g.cp)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := w.log.keepCheckpoint(ctx, *g.cp); err != nil {
		w.log.log.Error("a checkpoint was not kept", slog.Any("error", err))
	}
}

func (w *writer) next() *group {
	if w.unsettled != nil {
		return w.unsettled
	}
	entries := w.log.take(mostAtOnce, mostBytes)
	if len(entries) == 0 {
		return nil
	}
	return w.group(plainEntry, entries)
}

// group chains entries to the tail.
func (w *writer) group(kind byte, entries []*entry) *group {
	g := &group{id: state.NewOperationID(), entries: entries, end: w.tail.link}
	for _, e := range entries {
		c := w.log.keys.chain(g.end, kind, w.log.node, e.value)
		g.values, g.end = append(g.values, c.encode()), c.link
	}
	return g
}

// checkpoint signs the chain up to its tail, in an entry of its own that follows
// at once.
func (w *writer) checkpoint(ctx context.Context) error {
	if w.unsigned == 0 {
		return nil
	}
	cp, err := w.log.keys.checkpoint(w.log.node, w.tail.position, w.tail.link, time.Now())
	if err != nil {
		return err
	}
	e, err := newEntry(w.log.complete(Event{
		Kind: Signed, Outcome: OK, After: map[string]any{"checkpoint": cp.Text, "sequence": cp.Sequence, "position": cp.Position},
	}))
	if err != nil {
		return err
	}
	return w.tell(ctx, checkpointEntry, e, &cp)
}

// resumed asks a store that has failed, and has nothing pending to show that it
// is back, whether it takes an event that tells since when it failed.
func (w *writer) resumed(ctx context.Context) error {
	e, err := newEntry(w.log.complete(Event{Kind: Resumed, Outcome: OK, After: map[string]any{"failing_since": w.log.failingSince().UTC()}}))
	if err != nil {
		return err
	}
	return w.tell(ctx, plainEntry, e, nil)
}

// tell appends an entry of the log's own.
func (w *writer) tell(ctx context.Context, kind byte, e *entry, cp *Checkpoint) error {
	w.log.taking(1)
	e.own = true
	g := w.group(kind, []*entry{e})
	g.own, g.cp = true, cp
	return w.write(ctx, g)
}

// append returns the position of the group's last entry. One whose outcome was
// unknown is looked for first: its id may have been forgotten since.
func (w *writer) append(ctx context.Context, g *group) (position uint64, err error) {
	if w.unsettled == g {
		found, err := w.find(ctx, g)
		if err != nil || found > 0 {
			return found, err
		}
	}
	for range unknownTries {
		if position, err = w.try(ctx, g); !errors.Is(err, state.ErrUnknown) {
			break
		}
	}
	return position, err
}

// find returns the position of a group's last entry, 0 where it was not made.
func (w *writer) find(ctx context.Context, g *group) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last, err := w.log.lastOf(ctx, w.log.node, w.tail.position)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", state.ErrUnknown, err)
	case last.link == g.end:
		return last.position, nil
	}
	return 0, nil
}

func (w *writer) try(ctx context.Context, g *group) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := w.fence(ctx); err != nil {
		return 0, err
	}
	return w.log.store.Append(ctx, Stream, g.id, g.values...)
}

func (w *writer) failed(g *group, err error) {
	w.unsettled = nil
	switch {
	case errors.Is(err, state.ErrUnknown):
		w.unsettled = g
	case errors.Is(err, state.ErrInvalid): // it never will be taken
		w.log.giveUp(g.entries, err)
	case g.own:
		w.log.taking(-1)
	default:
		w.log.putBack(g.entries)
	}
	if w.unsettled != nil {
		answer(g.entries, err)
	}
	w.log.refused(err)
}

// answer tells those who wait for these entries; they wait no more.
func answer(entries []*entry, err error) {
	for _, e := range entries {
		if e.done != nil {
			e.done <- err
			e.done = nil
		}
	}
}

// stopping returns until when the log may still be written, nil while it is open.
func (l *Log) stopping() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stop
}

// take takes the oldest entries, and first of all one that tells what was lost.
func (l *Log) take(most, bytes int) []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < min(most, len(l.pending)) && bytes > 0 {
		bytes -= len(l.pending[n].value)
		n++
	}
	taken := l.pending[:n:n]
	l.pending = l.pending[n:]
	if l.lost > 0 && l.err == nil && l.stop == nil {
		if e, err := lostEntry(l.complete(Event{}), l.lost); err == nil {
			taken = append([]*entry{e}, taken...)
			l.lost = 0
		}
	}
	l.taken += len(taken)
	return taken
}

func lostEntry(e Event, n int64) (*entry, error) {
	e.Kind, e.Outcome, e.After = Lost, Failed, map[string]any{"lost": n}
	en, err := newEntry(e)
	en.losses = n
	return en, err
}

// taking counts entries that are not taken from the pending ones.
func (l *Log) taking(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken += n
}

// putBack returns entries to the front.
func (l *Log) putBack(entries []*entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(entries[:len(entries):len(entries)], l.pending...)
	l.taken -= len(entries)
}

// written answers entries that are durable.
func (l *Log) written(entries []*entry, position uint64) {
	answer(entries, nil)
	l.mu.Lock()
	t := l.tail
	l.mu.Unlock()
	followed := t == nil || t.extend(entries, position)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.since = nil, time.Time{}
	if !followed || l.tail != t {
		close(l.grown)
		l.grown = make(chan struct{})
	}
	l.left(len(entries))
}

// left makes room for others. The caller holds l.mu.
func (l *Log) left(entries int) {
	l.taken -= entries
	close(l.room)
	l.room = make(chan struct{})
}

// refused answers all who wait: the store takes no events. What was noted stays.
func (l *Log) refused(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = err; l.since.IsZero() {
		l.since = time.Now()
	}
	var noted []*entry
	for _, e := range l.pending {
		if e.done == nil {
			noted = append(noted, e)
		}
	}
	answer(l.pending, err)
	l.pending = noted
}

// giveUp counts entries as lost, and answers those who wait for them.
func (l *Log) giveUp(entries []*entry, err error) {
	if err == nil {
		err = ErrClosed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		if e.done == nil && !e.own {
			l.lost += max(e.losses, 1)
		}
	}
	answer(entries, err)
	l.left(len(entries))
}
