package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

// late is how much later than its event an entry may be, where nothing else is noted:
// the store was away.
const late = time.Hour

const lateRecord = "late"

// A lateness is noted where entries are later than that: how much, and when the last
// of them came.
type lateness struct {
	By       time.Duration `json:"by"`
	At       time.Time     `json:"at"`
	revision uint64
}

func (l *Log) lateness(ctx context.Context) (lateness, error) {
	var n lateness
	r, err := l.store.Get(ctx, Scope, lateRecord)
	if errors.Is(err, state.ErrNotFound) {
		return n, nil
	}
	if err == nil {
		n.revision, err = r.Revision, json.Unmarshal(r.Value, &n)
	}
	if err != nil {
		return n, fmt.Errorf("read how late events were: %w", err)
	}
	return n, nil
}

// lateAfter is how much later than a time the entries of events of that time may be.
func (l *Log) lateAfter(ctx context.Context, t time.Time) (time.Duration, error) {
	n, err := l.lateness(ctx)
	if err != nil || t.After(n.At) {
		return late, err
	}
	return max(late, n.By), nil
}

// admitLate notes that events are about to come so late. It may be said more often.
func (l *Log) admitLate(ctx context.Context, by time.Duration) error {
	for {
		was, err := l.lateness(ctx)
		if err != nil {
			return err
		}
		now := time.Now().UTC()
		if was.By >= by+late && was.At.After(now) {
			return nil
		}
		text, err := json.Marshal(lateness{By: max(was.By, by+2*late), At: now.Add(late)})
		if err != nil {
			return fmt.Errorf("note how late events are: %w", err)
		}
		_, err = l.store.Apply(ctx, state.Batch{
			Scope: Scope, ID: state.NewOperationID(),
			Checks: []state.Check{{Name: lateRecord, Revision: was.revision}},
			Puts:   []state.Put{{Name: lateRecord, Value: text}},
		})
		if errors.Is(err, state.ErrConflict) {
			continue // another node was faster, which is not often
		}
		if err != nil {
			return fmt.Errorf("note how late events are: %w", err)
		}
		return nil
	}
}
