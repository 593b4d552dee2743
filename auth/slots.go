package auth

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// How many attempts may wait for a slot, and how many of one network.
const (
	maxWaiting        = 1024
	maxWaitingNetwork = 128
)

// slots bound how many passwords are hashed at once. Who waits is served network
// by network in turn, so that one network's flood delays itself.
type slots struct {
	wait time.Duration

	mu      sync.Mutex // guards what follows
	free    int
	waiting int
	queues  map[netip.Prefix][]*waiter
	turn    []netip.Prefix // the networks that wait, the next one first
}

// A waiter is told through ready that the slot is its own.
type waiter struct{ ready chan struct{} }

func newSlots(n int, wait time.Duration) *slots {
	return &slots{wait: wait, free: n, queues: make(map[netip.Prefix][]*waiter)}
}

// acquire waits for a slot; ErrBusy where too many wait or it takes too long.
func (s *slots) acquire(ctx context.Context, from netip.Prefix) error {
	w, err := s.enter(from)
	if err != nil || w == nil {
		return err
	}
	late := time.NewTimer(s.wait)
	defer late.Stop()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-late.C:
		err = ErrBusy
	}
	s.leave(from, w)
	return err
}

// enter takes a free slot, or a place in the queue of a network.
func (s *slots) enter(from netip.Prefix) (*waiter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free > 0 {
		s.free--
		return nil, nil
	}
	if s.waiting >= maxWaiting || len(s.queues[from]) >= maxWaitingNetwork {
		return nil, ErrBusy
	}
	w := &waiter{ready: make(chan struct{})}
	if len(s.queues[from]) == 0 {
		s.turn = append(s.turn, from)
	}
	s.queues[from] = append(s.queues[from], w)
	s.waiting++
	return w, nil
}

// leave gives up a place, or the slot where it came at the same moment.
func (s *slots) leave(from netip.Prefix, w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queues[from], w)
	if i < 0 {
		s.passOn()
		return
	}
	s.waiting--
	s.queues[from] = slices.Delete(s.queues[from], i, i+1)
	if len(s.queues[from]) == 0 {
		delete(s.queues, from)
		s.turn = slices.DeleteFunc(s.turn, func(p netip.Prefix) bool { return p == from })
	}
}

// release gives a slot back.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passOn()
}

// passOn hands a slot to the first of the network whose turn it is.
func (s *slots) passOn() {
	if len(s.turn) == 0 {
		s.free++
		return
	}
	next := s.turn[0]
	s.turn = s.turn[1:]
	queue := s.queues[next]
	close(queue[0].ready)
	s.waiting--
	if len(queue) == 1 {
		delete(s.queues, next)
		return
	}
	s.queues[next] = queue[1:]
	s.turn = append(s.turn, next)
}
