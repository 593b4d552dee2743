package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
)

// A writer changes one folder over one door, and keeps a journal of what was
// acknowledged. Nobody else writes there.
type writer struct {
	account, folder string
	door            string
	atomic          bool // uploads appear whole or not at all
	connect         func() (client, error)
	steps           chooser

	mu      sync.Mutex // guards what follows
	holds   holdings   // after all that was acknowledged
	pending *step      // asked for, not yet answered
	acked   int
}

func (w *writer) String() string { return fmt.Sprintf("%s over %s", w.account, w.door) }

// work connects and makes steps until it is told to stop or the gateway is gone.
func (w *writer) work(l *load) error {
	l.arriving <- struct{}{}
	c, err := w.connect()
	<-l.arriving
	if err != nil {
		return fmt.Errorf("%s: log in: %w", w, err)
	}
	defer c.close()
	l.in(w.account, w.door)
	for !l.stopped() {
		s := w.steps.next(w.holds)
		w.begin(s)
		err := c.do(s)
		if err != nil && !errors.Is(err, errFull) {
			return fmt.Errorf("%s: %s: %w", w, s, err)
		}
		w.end(s, err == nil)
		if err != nil {
			l.refused.Add(1)
		}
		l.did()
	}
	return nil
}

func (w *writer) begin(s step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = &s
}

// end is the answer. What a quota has refused may be there in part, where
// uploads are made in place.
func (w *writer) end(s step, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = nil
	switch {
	case done:
		w.holds = w.holds.after(s)
		w.acked++
	case !w.atomic && (s.grows()):
		w.holds = w.holds.during(s, false)[0]
	}
}

// verify compares the journal with what the folder holds, which it takes for
// known from then on.
func (w *writer) verify(dir string) error {
	disk, err := onDisk(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", w, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	worlds := []holdings{w.holds}
	if w.pending != nil {
		worlds = w.holds.during(*w.pending, w.atomic)
	}
	var wrong []error
	for _, world := range worlds {
		is, err := world.match(disk)
		if err == nil {
			w.holds, w.pending = is, nil
			return nil
		}
		wrong = append(wrong, err)
	}
	return fmt.Errorf("%s, %d steps acknowledged, unanswered: %v: %w", w, w.acked, w.pending, errors.Join(wrong...))
}

// seeded is the source of a writer's choices in a run.
func seeded(seed uint64, who int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(who))) }
