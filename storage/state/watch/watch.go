// Package watch follows the change log of a store's scopes: it wakes who waits
// for a change, reads the log in order, and says when the reader must begin anew.
// The log itself is the store's.
package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"gatehouse/storage/state"
)

// A Piece is what a log has after a revision: changes in order, up to and with
// the revision Upto. Cut says that the log no longer, or not yet, reaches back
// to that revision; Upto is then the present one.
type Piece struct {
	Changes []state.Change
	Upto    uint64
	Cut     bool
}

// A Reader reads a piece of a scope's log after a revision, without waiting.
type Reader func(ctx context.Context, scope string, after uint64) (Piece, error)

// pause is how long a failing log is left alone.
const pause = time.Second

// Hub wakes the followers of a scope. The zero Hub is ready to be used.
type Hub struct {
	mu      sync.Mutex // guards what follows
	waiting map[string]map[chan struct{}]struct{}
	closed  bool
	all     sync.WaitGroup
	done    chan struct{}
}

// Notify tells the followers of a scope that its log has grown. It never blocks.
func (h *Hub) Notify(scope string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for wake := range h.waiting[scope] {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// Close ends all followers and waits for them; further ones end at once.
func (h *Hub) Close() {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.doneLocked())
	}
	h.mu.Unlock()
	h.all.Wait()
}

// Follow yields the changes of a scope after a revision, as state.Store.Watch
// promises. Its goroutine ends with ctx, with Close, or when read says that the
// store is closed.
func (h *Hub) Follow(ctx context.Context, scope string, after uint64, read Reader) <-chan state.Change {
	f := follower{scope: scope, after: after, read: read, out: make(chan state.Change, 16)}
	wake, done := h.enter(scope)
	if wake == nil {
		close(f.out)
		return f.out
	}
	f.wake, f.done = wake, done
	go func() {
		defer h.leave(scope, wake)
		defer close(f.out)
		f.run(ctx)
	}()
	return f.out
}

func (h *Hub) doneLocked() chan struct{} {
	if h.done == nil {
		h.done = make(chan struct{})
	}
	return h.done
}

func (h *Hub) enter(scope string) (wake chan struct{}, done <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil
	}
	if h.waiting == nil {
		h.waiting = make(map[string]map[chan struct{}]struct{})
	}
	if h.waiting[scope] == nil {
		h.waiting[scope] = make(map[chan struct{}]struct{})
	}
	wake = make(chan struct{}, 1)
	h.waiting[scope][wake] = struct{}{}
	h.all.Add(1)
	return wake, h.doneLocked()
}

func (h *Hub) leave(scope string, wake chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting[scope], wake)
	if len(h.waiting[scope]) == 0 {
		delete(h.waiting, scope)
	}
	h.all.Done()
}

type follower struct {
	scope string
	after uint64
	read  Reader
	out   chan state.Change
	wake  <-chan struct{}
	done  <-chan struct{}
}

func (f *follower) run(ctx context.Context) {
	for {
		piece, err := f.read(ctx, f.scope, f.after)
		if errors.Is(err, state.ErrClosed) {
			return
		}
		if !f.yield(ctx, piece) {
			return
		}
		more := err == nil && (piece.Cut || piece.Upto > f.after)
		if err == nil {
			f.after = piece.Upto
		}
		if !more && !f.wait(ctx, err) {
			return
		}
	}
}

func (f *follower) yield(ctx context.Context, p Piece) bool {
	if p.Cut {
		return f.send(ctx, state.Change{Revision: p.Upto, Resync: true})
	}
	for _, c := range p.Changes {
		if !f.send(ctx, c) {
			return false
		}
	}
	return true
}

func (f *follower) send(ctx context.Context, c state.Change) bool {
	select {
	case f.out <- c:
		return true
	case <-ctx.Done():
	case <-f.done:
	}
	return false
}

// wait returns when there may be more to read, false when there never will be.
func (f *follower) wait(ctx context.Context, failed error) bool {
	wake := f.wake
	var again <-chan time.Time
	if failed != nil {
		wake = nil
		again = time.After(pause)
	}
	select {
	case <-wake:
		return true
	case <-again:
		return true
	case <-ctx.Done():
	case <-f.done:
	}
	return false
}
