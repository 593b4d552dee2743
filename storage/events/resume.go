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
func (l *Log) lastOf(ctx context.Context, node string, after uint64) (found place, err error) {
	err = l.back(ctx, node, after, func(p place) bool {
		found = p
		return false
	})
	return found, err
}

// back shows a node's entries after a position, the newest first, for as long as more
// are wanted.
func (l *Log) back(ctx context.Context, node string, after uint64, more func(place) bool) error {
	for before := uint64(0); ; {
		entries, err := l.before(ctx, before, pieceSize)
		if err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
		for _, e := range entries {
			if e.Position <= after {
				return nil
			}
			if c, err := parseChained(e.Value); err == nil && c.node == node && !more(place{c.link, e.Position}) {
				return nil
			}
			before = e.Position
		}
		if len(entries) == 0 || before <= 1 {
			return nil
		}
	}
}

// relay opens the spool, and finds what of it is in the trail.
func (l *Log) relay(ctx context.Context, w *writer, c Config) (*relay, error) {
	s, err := newSpool(c)
	if err != nil {
		return nil, err
	}
	end, err := l.recall(ctx, s, w.tail.link)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	l.sent(s)
	return newRelay(w, s, end), nil
}

// recall lets go what of a spool is in the trail already, and returns where the chain
// goes on: after what is not.
func (l *Log) recall(ctx context.Context, s *spool, trail link) (link, error) {
	kept, err := s.look()
	if err != nil {
		return link{}, err
	}
	if len(kept) == 0 {
		s.discard()
		return trail, nil
	}
	first, last := kept[0].link, kept[len(kept)-1].link
	known := make(map[link]spoolPlace, len(kept))
	for _, p := range kept {
		known[p.link] = p
	}
	var made spoolPlace
	if trail.Sequence >= first.Sequence {
		err = l.back(ctx, l.node, 0, func(p place) bool {
			made = known[p.link]
			return made.at == 0 && p.Sequence > first.Sequence
		})
	}
	if err != nil {
		return link{}, err
	}
	if made.at > 0 {
		s.forget(ctx, made.at, made.bytes)
	}
	if made.link == last {
		return trail, nil
	}
	next := max(first.Sequence, made.Sequence+1)
	if next != trail.Sequence+1 {
		l.log.Error("the events that were kept on this machine do not go on where the trail ends: run gatehouse event verify",
			slog.Uint64("trail", trail.Sequence), slog.Uint64("kept", next))
	}
	l.log.Info("events that were kept on this machine go into the trail now", slog.Uint64("events", last.Sequence+1-next))
	return last, nil
}
