package events

import (
	"context"
	"errors"
	"time"

	"gatehouse/storage/state"
)

// after reads entries after a position. What is damaged there stands as entries
// that say nothing, the first and the last of it, so that the reading goes on.
func (l *Log) after(ctx context.Context, position uint64, limit int) ([]state.Entry, error) {
	entries, err := l.store.Read(ctx, Stream, position, limit)
	if damage := damageIn(err); damage != nil {
		return l.unreadable(ctx, damage.First, damage.Last), nil
	}
	return entries, err
}

// before is after for reading back.
func (l *Log) before(ctx context.Context, position uint64, limit int) ([]state.Entry, error) {
	entries, err := l.store.ReadBack(ctx, Stream, position, limit)
	if damage := damageIn(err); damage != nil {
		return l.unreadable(ctx, damage.Last, damage.First), nil
	}
	return entries, err
}

func damageIn(err error) *state.DamageError {
	var damage *state.DamageError
	errors.As(err, &damage)
	return damage
}

// unreadable stands for damage, in the order of the reading.
func (l *Log) unreadable(ctx context.Context, from, to uint64) []state.Entry {
	at := l.timeAfter(ctx, max(from, to))
	entries := []state.Entry{{Position: from, Time: at}, {Position: to, Time: at}}
	if from == to {
		return entries[:1]
	}
	return entries
}

// timeAfter is when the next entry was appended that can be read, for who looks
// for a time.
func (l *Log) timeAfter(ctx context.Context, position uint64) time.Time {
	entries, err := l.store.Read(ctx, Stream, position, 1)
	if err != nil || len(entries) == 0 {
		return time.Now()
	}
	return entries[0].Time
}
