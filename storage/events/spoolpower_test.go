package events

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A tale is what became of a node's events while the store came and went, answers were
// lost, the disk failed and the gateway was killed, at any call.
type tale struct {
	*site
	random *rand.Rand
	run    *run
	told   []string        // all events, in order
	sure   map[string]bool // those that must be in the trail
	soon   []string        // noted, and durable within a second
}

// TestSpoolInEveryWeather kills a node at any call to the store or the disk of its
// spool: what was durable is in the trail in the end, in order, and nothing twice.
func TestSpoolInEveryWeather(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				w := &tale{site: s, random: rand.New(rand.NewPCG(seed, 0)), sure: make(map[string]bool)}
				w.run = s.start()
				for range 60 {
					w.step()
				}
				w.end()
			})
		})
	}
}

func (w *tale) step() {
	r := w.run
	switch w.random.IntN(12) {
	case 0, 1, 2:
		for range 1 + w.random.IntN(5) {
			name := w.name()
			r.Note(Event{Path: name})
			w.soon = append(w.soon, name)
		}
	case 3, 4:
		name := w.name()
		if r.Record(w.t.Context(), Event{Path: name}) == nil {
			w.sure[name] = true
		}
	case 5:
		w.pass()
	case 6:
		time.Sleep(time.Duration(w.random.IntN(400)) * time.Millisecond)
	case 7:
		r.set(func() { r.away, r.hangs, r.replies = true, false, 0 })
	case 8:
		r.set(func() { r.hangs = true })
	case 9:
		r.set(func() { r.away, r.hangs, r.replies, r.disk = false, false, w.random.IntN(8), nil })
	case 10:
		r.set(func() { r.disk, r.unsure = errors.New("input/output error"), w.random.IntN(2) == 0 })
	case 11:
		r.set(func() { r.breaking = 1 + w.random.IntN(12) })
	}
	if r.isKilled() || w.random.IntN(20) == 0 {
		w.again()
	}
}

func (w *tale) name() string {
	name := fmt.Sprint(len(w.told))
	w.told = append(w.told, name)
	return name
}

// pass lets a second go by: unless the log says that it is behind, what was noted is
// durable then.
func (w *tale) pass() {
	time.Sleep(noteDurable)
	if w.run.Behind() == nil && !w.run.isKilled() && w.run.healthy() {
		for _, name := range w.soon {
			w.sure[name] = true
		}
		w.soon = nil
	}
}

func (r *run) isKilled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed
}

// healthy reports whether the disk of the spool takes what it is given.
func (r *run) healthy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.disk == nil
}

// again kills the gateway and starts it.
func (w *tale) again() {
	w.run.kill()
	w.soon = nil
	w.run = w.start()
}

// end lets everything come to rest, and looks at what is there.
func (w *tale) end() {
	w.run.set(func() { w.run.away, w.run.hangs, w.run.replies, w.run.disk, w.run.breaking = false, false, 0, nil, 0 })
	time.Sleep(time.Minute)
	got := paths(w.t, w.run.Log)
	for name := range w.sure {
		if !slices.Contains(got, name) {
			w.t.Errorf("%s was durable and is lost", name)
		}
	}
	at := -1
	for _, name := range got {
		next := slices.Index(w.told, name)
		if next <= at && name != "" {
			w.t.Errorf("%s comes after %s, or twice: %q", name, w.told[at], got)
		}
		at = max(at, next)
	}
	if w.run.Err() != nil || w.run.Behind() != nil || w.spooled() {
		w.t.Errorf("%v, behind %v, spooled %v", w.run.Err(), w.run.Behind(), w.spooled())
	}
	wantWhole(w.t, w.run.Log)
	w.run.stop()
}
