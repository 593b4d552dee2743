package ftp

import (
	"context"
	"slices"
	"sync"
)

// Hashes are the places for files that are hashed, since nothing else that is read
// costs as much. Servers that share them share one bound. An account has one place
// at most, and accounts take turns: nobody waits for all that another asked for.
type Hashes struct {
	mu      sync.Mutex // guards what follows
	free    int
	busy    map[string]bool            // accounts with a place
	waiting map[string][]chan struct{} // by account, from the first on; closed to admit
	turns   []string                   // accounts that wait and have no place
}

// NewHashes makes so many places; 2 where n is 0.
func NewHashes(n int) *Hashes {
	if n <= 0 {
		n = 2
	}
	return &Hashes{free: n, busy: make(map[string]bool), waiting: make(map[string][]chan struct{})}
}

// enter waits for a place of an account; leave gives it back.
func (h *Hashes) enter(ctx context.Context, account string) (leave func(), err error) {
	admitted := make(chan struct{})
	h.mu.Lock()
	h.waiting[account] = append(h.waiting[account], admitted)
	if len(h.waiting[account]) == 1 && !h.busy[account] {
		h.turns = append(h.turns, account)
	}
	h.admit()
	h.mu.Unlock()
	leave = func() { h.leave(account) }
	select {
	case <-admitted:
		return leave, nil
	case <-ctx.Done():
	}
	if !h.giveUp(account, admitted) {
		leave()
	}
	return nil, ctx.Err()
}

// admit fills the places that are free. h.mu is held.
func (h *Hashes) admit() {
	for h.free > 0 && len(h.turns) > 0 {
		account := h.turns[0]
		h.turns = h.turns[1:]
		waiting := h.waiting[account]
		h.keep(account, waiting[1:])
		h.free--
		h.busy[account] = true
		close(waiting[0])
	}
}

func (h *Hashes) keep(account string, waiting []chan struct{}) {
	if len(waiting) == 0 {
		delete(h.waiting, account)
		return
	}
	h.waiting[account] = waiting
}

func (h *Hashes) leave(account string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free++
	delete(h.busy, account)
	if len(h.waiting[account]) > 0 {
		h.turns = append(h.turns, account)
	}
	h.admit()
}

// giveUp takes back the wish for a place; false where it was granted meanwhile.
func (h *Hashes) giveUp(account string, wish chan struct{}) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, one := range h.waiting[account] {
		if one == wish {
			h.keep(account, append(h.waiting[account][:i:i], h.waiting[account][i+1:]...))
			if len(h.waiting[account]) == 0 {
				h.turns = slices.DeleteFunc(h.turns, func(a string) bool { return a == account })
			}
			return true
		}
	}
	return false
}
