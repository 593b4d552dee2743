package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"gatehouse/storage/state"
)

// A place is a link and where in the stream it stands.
type place struct {
	link
	position uint64
}

// resume finds where this node's chain goes on. Where the stream ends before
// the newest checkpoint, the chain goes on from the checkpoint all the same, so
// that the gap stays in the trail for every verification to find.
func (l *Log) resume(ctx context.Context) (place, error) {
	a, err := l.anchorOf(ctx)
	if err != nil {
		return place{}, err
	}
	kept, err := l.keptCheckpoint(ctx, l.node)
	if errors.Is(err, ErrCheckpoint) {
		l.log.Error("the kept checkpoint of the events is not one of this installation: run gatehouse event verify")
		kept, err = Checkpoint{}, nil
	}
	if err != nil {
		return place{}, err
	}
	found, err := l.lastOf(ctx, l.node, max(kept.Position, 1)-1)
	if err != nil {
		return place{}, err
	}
	if cut, ok := a.Nodes[l.node]; ok && cut.Sequence > found.Sequence {
		found = place{cut, a.Position}
	}
	if found.Sequence < kept.Sequence {
		l.log.Error("the end of the events is missing: run gatehouse event verify",
			slog.Uint64("checkpoint", kept.Sequence), slog.Uint64("found", found.Sequence))
		found = place{link{kept.Sequence, kept.MAC}, kept.Position}
	}
	return found, nil
}

// anchorOf returns the anchor. A stream from before there were chains gets one
// at its end: what stands there can be read and not judged.
func (l *Log) anchorOf(ctx context.Context) (anchor, error) {
	a, err := l.anchor(ctx)
	if errors.Is(err, ErrCheckpoint) {
		l.log.Error("the anchor of the events is not one of this installation: run gatehouse event verify")
		return anchor{}, nil
	}
	if err != nil || a.revision > 0 {
		return a, err
	}
	last, err := l.before(ctx, 0, 1)
	if err != nil {
		return a, fmt.Errorf("read the events: %w", err)
	}
	if len(last) == 0 || len(last[0].Value) == 0 || last[0].Value[0] != '{' {
		return a, nil
	}
	err = l.setAnchor(ctx, a, anchor{Position: last[0].Position})
	if errors.Is(err, state.ErrConflict) {
		err = nil
	}
	return a, err
}

// lastOf finds a node's last entry after a position, the zero place if there is none.
func (l *Log) lastOf(ctx context.Context, node string, after uint64) (place, error) {
	for before := uint64(0); ; {
		entries, err := l.before(ctx, before, pieceSize)
		if err != nil {
			return place{}, fmt.Errorf("read the events: %w", err)
		}
		for _, e := range entries {
			if e.Position <= after {
				return place{}, nil
			}
			if c, err := parseChained(e.Value); err == nil && c.node == node {
				return place{c.link, e.Position}, nil
			}
			before = e.Position
		}
		if len(entries) == 0 || before <= 1 {
			return place{}, nil
		}
	}
}
