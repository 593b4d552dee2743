package events

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/storage/state"
)

// enter tells the stream of this run, before anybody looks where the chain goes on:
// what an earlier run of the node had sent is there by then, or is refused. A number
// that is not the greatest is one of a store that has gone back, as at a failover.
func (l *Log) enter(ctx context.Context, number uint64) error {
	for number > 0 {
		l.run = state.Run{Name: l.node, Number: number}
		_, err := l.store.Append(state.InRun(ctx, l.run), Stream, "")
		var later *state.OvertakenError
		if !errors.As(err, &later) {
			if err != nil {
				return fmt.Errorf("tell the events of this run: %w", err)
			}
			return nil
		}
		number = later.Number + 1
	}
	return nil
}

// append appends a group, unless a later run of the node appends by now. That is
// temporary for whoever asks: this run is about to end.
func (l *Log) append(ctx context.Context, g *group) (uint64, error) {
	if l.run.Number > 0 {
		ctx = state.InRun(ctx, l.run)
	}
	position, err := l.store.Append(ctx, Stream, g.id, g.values...)
	if errors.Is(err, state.ErrOvertaken) {
		err = fmt.Errorf("%w: %w", state.ErrAway, err)
	}
	return position, err
}
