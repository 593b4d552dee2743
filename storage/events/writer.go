package events

import (
	"context"
	"errors"
	"fmt"
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

// A writer appends what is pending, in order.
type writer struct {
	log       *Log
	unsettled *group // its append had an unknown outcome: it goes first, under its id
}

// A group is appended at once.
type group struct {
	id      state.OperationID
	entries []*entry
}

func (w *writer) run(ctx context.Context) {
	var failing <-chan time.Time
	for {
		select {
		case <-w.log.some:
			w.gather()
		case <-w.log.now:
		case <-failing:
		}
		if stop := w.log.stopping(); stop != nil {
			w.finish(stop)
			return
		}
		failing = nil
		if err := w.flush(ctx); err != nil {
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
		if err := w.append(ctx, g); err != nil {
			err = fmt.Errorf("append %d events: %w", len(g.entries), err)
			w.failed(g, err)
			return err
		}
		w.unsettled = nil
		w.log.written(g.entries)
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
	return &group{id: state.NewOperationID(), entries: entries}
}

func (w *writer) append(ctx context.Context, g *group) error {
	values := make([][]byte, len(g.entries))
	for i, e := range g.entries {
		values[i] = e.value
	}
	var err error
	for range unknownTries {
		if err = w.try(ctx, g.id, values); !errors.Is(err, state.ErrUnknown) {
			break
		}
	}
	return err
}

func (w *writer) try(ctx context.Context, id state.OperationID, values [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := w.log.store.Append(ctx, Stream, id, values...)
	return err
}

func (w *writer) failed(g *group, err error) {
	w.unsettled = nil
	switch {
	case errors.Is(err, state.ErrUnknown):
		w.unsettled = g
	case errors.Is(err, state.ErrInvalid): // it never will be taken
		w.log.giveUp(g.entries, err)
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
	value, err := encode(e)
	return &entry{value: value, losses: n}, err
}

// putBack returns entries to the front.
func (l *Log) putBack(entries []*entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(entries[:len(entries):len(entries)], l.pending...)
	l.taken -= len(entries)
}

// written answers entries that are durable.
func (l *Log) written(entries []*entry) {
	answer(entries, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = nil
	close(l.grown)
	l.grown = make(chan struct{})
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
	l.err = err
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
		if e.done == nil {
			l.lost += max(e.losses, 1)
		}
	}
	answer(entries, err)
	l.left(len(entries))
}
