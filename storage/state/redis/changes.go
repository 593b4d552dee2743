package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"gatehouse/storage/state"
	"gatehouse/storage/state/watch"
)

// logPiece is the most batches of the change log that are read at once.
const logPiece = 500

// Watch implements state.Store. While Redis is away it waits.
func (s *Store) Watch(ctx context.Context, scope string, after uint64) (<-chan state.Change, error) {
	if err := state.CheckScope(scope); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	s.hints.want(scope)
	context.AfterFunc(ctx, func() { s.hints.leave(scope) })
	l := &log{store: s}
	return s.hub.Follow(ctx, scope, after, l.read), nil
}

// A log is what one watch knows of a scope's change log. Its stamp is of the
// last batch read: with another one at the same revision, what was read has
// been lost in a failover.
type log struct {
	store *Store
	stamp string
}

// read implements watch.Reader.
func (l *log) read(ctx context.Context, scope string, after uint64) (watch.Piece, error) {
	s := l.store
	if err := s.begin(ctx); err != nil {
		return watch.Piece{}, err
	}
	defer s.calls.Done()
	reply, err := s.ask(ctx, s.scripts.changes, s.keys.some(scope, "v", "l"), min(after, maxRevision), l.stamp, logPiece)
	if err != nil {
		return watch.Piece{}, fmt.Errorf("read the changes of %q: %w", scope, err)
	}
	found, err := texts(reply)
	if err != nil {
		return watch.Piece{}, err
	}
	if len(found) < 3 || len(found)%2 != 1 {
		return watch.Piece{}, fmt.Errorf("%w: change log of %q", errDamaged, scope)
	}
	piece := watch.Piece{Upto: after}
	if found[0] == "cut" {
		piece.Cut = true
		piece.Upto, err = strconv.ParseUint(found[1], 10, 64)
	}
	for i := 3; i < len(found) && err == nil; i += 2 {
		if piece.Upto, err = strconv.ParseUint(found[i], 10, 64); err == nil {
			piece.Changes, err = decodeChanges(piece.Changes, piece.Upto, found[i+1])
		}
	}
	if err != nil {
		return watch.Piece{}, fmt.Errorf("%w: change log of %q: %w", errDamaged, scope, err)
	}
	l.stamp = found[2]
	return piece, nil
}

// decodeChanges reads a batch of the log: of each change p or d, the length of
// its name, a colon and the name.
func decodeChanges(to []state.Change, revision uint64, packed string) ([]state.Change, error) {
	for packed != "" {
		length, rest, _ := strings.Cut(packed[1:], ":")
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(rest) {
			return nil, fmt.Errorf("batch %d", revision)
		}
		to = append(to, state.Change{Revision: revision, Name: rest[:n], Deleted: packed[0] == 'd'})
		packed = rest[n:]
	}
	return to, nil
}
