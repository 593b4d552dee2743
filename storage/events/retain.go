package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"gatehouse/storage/state"
)

// Retain drops events that are older than a time, checkpoint by checkpoint: the
// kept part begins with a checkpoint that attests what stood before it, and its
// chains go on from an anchor, so that it verifies as before. It stays below the
// last checkpoint before that time. Several nodes may retain at once.
func (l *Log) Retain(ctx context.Context, before time.Time) error {
	l.judge.Lock()
	defer l.judge.Unlock()
	end, err := l.positionAt(ctx, before)
	if err != nil {
		return fmt.Errorf("retain the events: %w", err)
	}
	for more := true; more; {
		if more, err = l.cut(ctx, end, before); err != nil {
			if errors.Is(err, state.ErrConflict) {
				return nil // another node does it
			}
			return fmt.Errorf("retain the events: %w", err)
		}
	}
	return nil
}

// A cutter looks for checkpoints at which the trail may be cut, and judges on
// the way what is dropped.
type cutter struct {
	*checker
	before time.Time
	best   anchor
	found  bool
}

// cut drops events up to a checkpoint before a position, some of them at a time.
func (l *Log) cut(ctx context.Context, end uint64, before time.Time) (more bool, err error) {
	was, err := l.anchor(ctx)
	if errors.Is(err, ErrCheckpoint) {
		// What a forged anchor hides is not dropped in silence.
		return false, errors.Join(err, l.Record(ctx, Event{Kind: Broken, Outcome: Failed, Reason: "the anchor of the events is damaged or forged"}))
	}
	if err != nil || end <= was.Position+1 {
		return false, err
	}
	c := &cutter{checker: newChecker(&l.keys), before: before}
	c.begin(was)
	after := was.Position
	for !c.found && after < end-1 {
		upTo := min(after+10*pieceSize, end-1)
		if err := l.pieces(ctx, after, upTo, c); err != nil {
			return false, err
		}
		after = upTo
	}
	if !c.found {
		return false, nil
	}
	return true, l.drop(ctx, was, c)
}

// drop keeps the new anchor, then trims. A kill between the two leaves entries
// that nobody judges, and that the next cut drops.
func (l *Log) drop(ctx context.Context, was anchor, c *cutter) error {
	for _, f := range c.report.Faults {
		if f.Position > c.best.Position {
			continue // it is judged when its turn comes
		}
		l.log.Error("the events that retention drops are not whole", slog.Uint64("position", f.Position), slog.String("what", f.What), slog.String("detail", f.Detail))
		err := l.Record(ctx, Event{Kind: Broken, Outcome: Failed, Reason: f.Detail, After: map[string]any{"position": f.Position, "what": f.What, "node": f.Node}})
		if err != nil {
			return err
		}
	}
	if err := l.setAnchor(ctx, was, was.with(c.best.Position, c.best.Nodes)); err != nil {
		return err
	}
	if err := l.store.Trim(ctx, Stream, c.best.Position); err != nil {
		return fmt.Errorf("drop the events up to %d: %w", c.best.Position, err)
	}
	l.forget(c.best.Position)
	return nil
}

// forget has no follower of this node get what was dropped. What another node
// drops its followers may still have from memory.
func (l *Log) forget(upTo uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tail != nil {
		l.tail.forget(upTo)
	}
}

// visit notes a checkpoint's entry: the trail may be cut right before it. That it
// is old enough is asked of the event: the store's own time is under no MAC, and
// who could set it back would have retention sign away what it is to keep.
func (c *cutter) visit(e state.Entry) {
	entry, err := parseChained(e.Value)
	if err == nil && entry.kind == checkpointEntry && e.Position > c.report.Cut+1 && read(e).Time.Before(c.before) {
		c.best, c.found = anchor{Position: e.Position - 1, Nodes: maps.Clone(c.tails)}, true
	}
	c.checker.visit(e)
}
