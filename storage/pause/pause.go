// Package pause lets time pass for as long as somebody still wants it.
package pause

import (
	"context"
	"time"
)

// For waits so long; where ctx ends before, at once with its cause.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Every does something after each d, until ctx ends. What takes longer than d is not
// made up for.
func Every(ctx context.Context, d time.Duration, do func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			do()
		case <-ctx.Done():
			return
		}
	}
}
