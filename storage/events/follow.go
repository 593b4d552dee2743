package events

import (
	"context"
	"time"
)

// pollEvery is how often the stream is looked at for what other nodes append.
const pollEvery = 500 * time.Millisecond

// Follow yields events from now on, of all nodes, in order, until ctx ends or
// the log is closed; the channel is then closed. A reader who is slow loses
// nothing, but for what retention drops meanwhile.
func (l *Log) Follow(ctx context.Context) <-chan Event {
	after, known := l.last(ctx)
	return l.follow(ctx, after, known)
}

// FollowAfter is Follow from after a position on.
func (l *Log) FollowAfter(ctx context.Context, position uint64) <-chan Event {
	return l.follow(ctx, position, true)
}

func (l *Log) follow(ctx context.Context, after uint64, known bool) <-chan Event {
	out := make(chan Event, 64)
	go func() {
		defer close(out)
		for ended := false; ; {
			grown := l.growth()
			if !known {
				after, known = l.last(ctx)
			}
			if known && !l.pass(ctx, &after, out) || ended {
				return
			}
			select {
			case <-grown:
			case <-time.After(pollEvery):
			case <-l.done:
				ended = true // one more look, for what was written last
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// pass sends what was appended after a position, false when ctx has ended. A
// store that fails is asked again later.
func (l *Log) pass(ctx context.Context, after *uint64, out chan<- Event) bool {
	for {
		entries, err := l.store.Read(ctx, Stream, *after, pieceSize)
		if err != nil || len(entries) == 0 {
			return ctx.Err() == nil
		}
		for _, entry := range entries {
			*after = entry.Position
			select {
			case out <- read(entry):
			case <-ctx.Done():
				return false
			}
		}
	}
}

func (l *Log) last(ctx context.Context) (uint64, bool) {
	entries, err := l.store.ReadBack(ctx, Stream, 0, 1)
	if err != nil {
		return 0, false
	}
	if len(entries) == 0 {
		return 0, true
	}
	return entries[0].Position, true
}

func (l *Log) growth() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.grown
}
