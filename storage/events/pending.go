package events

import (
	"context"
	"time"
)

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

// written answers entries that are in the trail, so many of which are counted as taken.
func (l *Log) written(entries []*entry, position uint64, counted int) {
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
	l.left(counted)
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

// depart makes room for others by entries that are kept elsewhere.
func (l *Log) depart(entries int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left(entries)
}

// fails notes that the store takes no events. Who waits is answered by what becomes of
// them on this machine.
func (l *Log) fails(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = err; l.since.IsZero() {
		l.since = time.Now()
	}
}
