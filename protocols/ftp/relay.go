package ftp

import (
	"sync"
	"time"
)

// alone is how long a transfer has the goroutine of its connection for itself, at
// least; twice that at most.
const alone = 10 * time.Millisecond

// A relay lets the goroutine that reads commands carry out a transfer, and has
// another one read on where that takes its time. Most transfers are over before:
// they cost no goroutine, nor the waking of one. One timer serves all connections.
type relay struct {
	readOn func(*conn)

	mu      sync.Mutex     // guards what follows
	busy    map[*conn]bool // that carry out a transfer; true once they did at a tick
	ticking bool
}

// newRelay makes a relay. What readOn does ends with its connection, or with
// another relief.
func newRelay(readOn func(*conn)) *relay {
	return &relay{readOn: readOn, busy: make(map[*conn]bool)}
}

// enter says that the reader of c is about to carry out a transfer. The dialogue
// may be another goroutine's from now on, unless leave says no.
func (r *relay) enter(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[c] = false
	if !r.ticking {
		r.ticking = true
		time.AfterFunc(alone, r.tick)
	}
}

// leave says that the transfer is over, and reports whether another goroutine
// reads the commands now.
func (r *relay) leave(c *conn) (relieved bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, still := r.busy[c]
	delete(r.busy, c)
	return !still
}

// tick relieves the readers that were busy at the last one already. It comes again
// while there are others.
func (r *relay) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c, before := range r.busy {
		if !before {
			r.busy[c] = true
			continue
		}
		delete(r.busy, c)
		go r.readOn(c)
	}
	if r.ticking = len(r.busy) > 0; r.ticking {
		time.AfterFunc(alone, r.tick)
	}
}
