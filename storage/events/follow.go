package events

import (
	"context"
	"time"
)

// Follow yields events from now on, of all nodes, in order, until ctx ends or
// the log is closed; the channel is then closed. A reader who is slow loses
// nothing, but for what retention drops meanwhile. Events are shared with others
// who follow: nobody changes them.
func (l *Log) Follow(ctx context.Context) <-chan Event {
	after, known := l.last(ctx)
	return l.single(ctx, after, known)
}

// FollowAfter is Follow from after a position on.
func (l *Log) FollowAfter(ctx context.Context, position uint64) <-chan Event {
	return l.single(ctx, position, true)
}

// FollowPieces is FollowAfter by some events at a time, for who leaves most of
// them out.
func (l *Log) FollowPieces(ctx context.Context, position uint64) <-chan []Event {
	out := make(chan []Event)
	go func() {
		defer close(out)
		l.follow(ctx, position, true, func(piece []Event) bool { return send(ctx, out, piece) })
	}()
	return out
}

func (l *Log) single(ctx context.Context, after uint64, known bool) <-chan Event {
	out := make(chan Event, mostPassed)
	go func() {
		defer close(out)
		l.follow(ctx, after, known, func(piece []Event) bool {
			for _, e := range piece {
				if !send(ctx, out, e) {
					return false
				}
			}
			return true
		})
	}()
	return out
}

func send[T any](ctx context.Context, out chan<- T, what T) bool {
	select {
	case out <- what:
		return true
	case <-ctx.Done():
		return false
	}
}

// follow passes on what comes after a position, or with known false after the
// present end, until pass wants no more, ctx ends or the log is closed.
func (l *Log) follow(ctx context.Context, after uint64, known bool, pass func([]Event) bool) {
	t := l.join()
	defer l.leave(t)
	for {
		grown, ended := t.growth()
		if !known {
			after, known = l.last(ctx)
		}
		piece, err := l.next(ctx, t, after, known)
		if len(piece) > 0 {
			if !pass(piece) {
				return
			}
			after = piece[len(piece)-1].Position
			continue
		}
		var again <-chan time.Time
		if err != nil || !known { // a store that fails is asked again later
			again = time.After(pollEvery)
		}
		if ended {
			return
		}
		select {
		case <-grown:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// next reads on after a position: from memory, or what is no more there from the
// store.
func (l *Log) next(ctx context.Context, t *tail, after uint64, known bool) ([]Event, error) {
	if !known {
		return nil, nil
	}
	piece, kept := t.after(after)
	if kept {
		return piece, nil
	}
	entries, err := l.after(ctx, after, mostPassed)
	return readAll(entries), err
}

func (l *Log) last(ctx context.Context) (uint64, bool) {
	at, err := l.Newest(ctx)
	return at, err == nil
}

func (l *Log) growth() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.grown
}
