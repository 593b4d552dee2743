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
	after   link
	own     bool        // it tells of the log itself, and is made anew where it fails
	cp      *Checkpoint // what the group itself says of the chain before it

	flew    bool // it may have been appended
	unsure  bool // it may be in the spool
	spooled bool // it is in the spool, where it ends at upTo and has so many bytes
	upTo    uint64
	bytes   int64
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
	w.log.written(g.entries, position, len(g.entries))
	w.count(g)
	w.keepSigned(ctx, g)
	return nil
}

// count notes what is to be signed, and what just was.
func (w *writer) count(g *group) {
	if g.cp == nil {
		if w.unsigned == 0 {
			w.due = time.After(w.signEvery)
		}
		w.unsigned += len(g.entries)
		return
	}
	w.unsigned, w.due, w.late = 0, nil, false
	w.signed(*g.cp)
}

// keepSigned keeps what a group says of the chain, where it does.
func (w *writer) keepSigned(ctx context.Context, g *group) {
	if g.cp == nil {
		return
	}
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
	return w.group(w.tail.link, plainEntry, entries)
}

// group chains entries to a link.
func (w *writer) group(after link, kind byte, entries []*entry) *group {
	g := &group{id: state.NewOperationID(), entries: entries, after: after, end: after}
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
	e, cp, err := w.signedEntry()
	if err != nil {
		return err
	}
	return w.tell(ctx, checkpointEntry, e, &cp)
}

// signedEntry tells of a checkpoint of the chain up to its tail.
func (w *writer) signedEntry() (*entry, Checkpoint, error) {
	cp, err := w.log.keys.checkpoint(w.log.node, w.tail.position, w.tail.link, time.Now())
	if err != nil {
		return nil, cp, err
	}
	e, err := newEntry(w.log.complete(Event{
		Kind: Signed, Outcome: OK, After: map[string]any{"checkpoint": cp.Text, "sequence": cp.Sequence, "position": cp.Position},
	}))
	return e, cp, err
}

// resumed asks a store that has failed, and has nothing pending to show that it
// is back, whether it takes an event that tells since when it failed.
func (w *writer) resumed(ctx context.Context) error {
	e, err := w.resumedEntry()
	if err != nil {
		return err
	}
	return w.tell(ctx, plainEntry, e, nil)
}

func (w *writer) resumedEntry() (*entry, error) {
	return newEntry(w.log.complete(Event{Kind: Resumed, Outcome: OK, After: map[string]any{"failing_since": w.log.failingSince().UTC()}}))
}

// tell appends an entry of the log's own.
func (w *writer) tell(ctx context.Context, kind byte, e *entry, cp *Checkpoint) error {
	w.log.taking(1)
	e.own = true
	g := w.group(w.tail.link, kind, []*entry{e})
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
	began := time.Now()
	for range unknownTries {
		if position, err = w.try(ctx, g); !errors.Is(err, state.ErrUnknown) || w.log.spools && time.Since(began) >= spoolAfter {
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
	return w.log.append(w.vital(ctx, g), g)
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
